package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/cmd/pipeproc/jsonline"
)

// cursors is what a store in this process offers: reading without copying.
type cursors interface {
	Cursor(ctx context.Context, topic string, o pipeproc.RangeOptions) (*pipeproc.Cursor, error)
}

// scan calls do for the records of a range. Damage does not end the scan but is
// reported, the last of it as the error that scan returns.
func (a *app) scan(ctx context.Context, n pipeproc.Reader, topic string, o pipeproc.RangeOptions, do func(*pipeproc.Record) error) error {
	here, ok := n.(cursors)
	if !ok {
		return a.scanRange(ctx, n, topic, o, do)
	}
	c, err := here.Cursor(ctx, topic, o)
	return a.scanCursor(ctx, c, err, do)
}

// scanRange is scan for a node in another process.
func (a *app) scanRange(ctx context.Context, n pipeproc.Reader, topic string, o pipeproc.RangeOptions, do func(*pipeproc.Record) error) error {
	var damage error
	for rec, err := range n.Range(ctx, topic, o) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			err = do(&rec)
		case damage != nil:
			a.note("%s", oneLine(damage.Error()))
			fallthrough
		default:
			damage = err
		}
		if err != nil && !errors.Is(err, pipeproc.ErrCorrupt) {
			return err
		}
	}
	return damage
}

// scanCursor is scan for a store in this process. It closes the cursor.
func (a *app) scanCursor(ctx context.Context, c *pipeproc.Cursor, err error, do func(*pipeproc.Record) error) error {
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

// finish flushes what was printed. Its error takes precedence over the read
// error.
func (p printer) finish(err error) error {
	if ferr := p.out.flush(); ferr != nil {
		return ferr
	}
	return err
}
