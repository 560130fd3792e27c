package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/cmd/pipeproc/jsonline"
)

// scan calls do for the records of a cursor and closes it. Damage does not
// end it: it is reported, the last of it by the error that scan returns.
func (a *app) scan(ctx context.Context, c *pipeproc.Cursor, err error, do func(*pipeproc.Record) error) error {
	if err != nil {
		return err
	}
	defer c.Close()
	var damage error
	var rec pipeproc.Record
	for {
		for c.Next() {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fillRecord(&rec, c)
			if err := do(&rec); err != nil {
				return err
			}
		}
		err := c.Err()
		if err == nil {
			return damage
		}
		if damage != nil {
			a.note("%s", oneLine(damage.Error()))
		}
		if damage = err; !errors.Is(err, pipeproc.ErrCorrupt) || !c.Resume() {
			return err
		}
	}
}

// fillRecord makes rec the cursor's record, without copying.
func fillRecord(rec *pipeproc.Record, c *pipeproc.Cursor) {
	rec.ID, rec.Key, rec.Body, rec.Headers = c.ID(), c.Key(), c.Body(), rec.Headers[:0]
	for name, value := range c.Headers() {
		rec.Headers = append(rec.Headers, pipeproc.Header{Name: name, Value: value})
	}
}

const outputHelp = `
OUTPUT
--output json (the default) prints {"id":"…","body":…}. The body is the JSON
value if the stored bytes are JSON, a string if they are UTF-8, and otherwise
standard base64 with "encoding":"base64" behind it. A key and headers follow
where there are any. --output body prints the stored bytes and a newline,
--output id the id.
`

func recordOutput(cmd *cobra.Command) *choiceFlag {
	return choice(cmd, "output", "json", "what to print of each record", "json", "body", "id")
}

// printer prints records in one of the forms of recordOutput.
type printer struct {
	out    *lineWriter
	format string
}

func (p printer) print(rec *pipeproc.Record) error {
	return p.out.line(func(b []byte) []byte {
		switch p.format {
		case "body":
			return append(b, rec.Body...)
		case "id":
			b, _ = rec.ID.AppendText(b)
			return b
		}
		return jsonline.AppendRecord(b, rec)
	})
}

// finish flushes what was printed. Its error goes before that of the reading.
func (p printer) finish(err error) error {
	if ferr := p.out.flush(); ferr != nil {
		return ferr
	}
	return err
}
