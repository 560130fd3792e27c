package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/cmd/pipeproc/jsonline"
)

const importLong = `
Reads the JSON lines that 'pipeproc export' wrote, from FILE or from the standard
input when FILE is missing or "-", into TOPIC, which must not have had records.
The records keep their ids, which must rise. This works on a directory only.

No record of the directory, of any topic, gets a lower time than the newest one
imported. So ids that are more than a day in the future are refused; --force
takes them, too.

Lines without "encoding", as 'pipeproc range' prints them, are taken, too: a
string is the text of a body, everything else is JSON.
`

func (a *app) importCommand() *cobra.Command {
	var force bool
	var compression *choiceFlag
	cmd := a.command("import TOPIC [FILE] [flags]", "Read a topic from JSON lines", importLong,
		"pipeproc import orders orders.jsonl\npipeproc export orders | pipeproc --dir copy import orders", between(1, 2, "TOPIC [FILE]"),
		func(ctx context.Context, args []string) error {
			in, err := a.input(args)
			if err != nil {
				return err
			}
			defer in.Close()
			o := a.options()
			o.MaxBody, o.MaxBatch = maxBody, maxBatch
			o.Topic.Compression = compression.compression()
			n, err := a.openDir(o)
			return with(n, err, func(n *pipeproc.Node) error {
				return a.importLines(ctx, n, args[0], in, &pipeproc.ImportOptions{Force: force})
			})
		})
	cmd.Flags().BoolVar(&force, "force", false, "take ids in the future")
	compression = compressionFlag(cmd, "compression of the new topic")
	return completeFiles(cmd, 1)
}

func (a *app) importLines(ctx context.Context, n *pipeproc.Node, topic string, in io.Reader, o *pipeproc.ImportOptions) error {
	// A body takes six times its size when every byte is escaped.
	lines := newLineReader(in, 6*maxBody+1<<20)
	start, p := time.Now(), a.progress()
	done, err := n.Import(ctx, topic, importRecords(ctx, lines, p), o)
	p.done()
	fmt.Fprintf(a.stderr, "imported %s to %q in %s\n", plural(done, "record"), topic, took(time.Since(start)))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = context.Canceled
	}
	if done > 0 {
		return fmt.Errorf("%w; %s had been imported: before another try, remove them with 'pipeproc topic delete %s'", err, plural(done, "record"), topic)
	}
	return err
}

func importRecords(ctx context.Context, lines *lineReader, p *progress) iter.Seq2[pipeproc.Record, error] {
	return func(yield func(pipeproc.Record, error) bool) {
		for {
			line, err := lines.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil {
				err = ctx.Err()
			}
			var rec pipeproc.Record
			if err == nil {
				if rec, err = jsonline.Parse(line); err != nil {
					err = fmt.Errorf("%w: line %d: %w", pipeproc.ErrInvalidImport, lines.n, err)
				}
			}
			if !yield(rec, err) || err != nil {
				return
			}
			p.update(func() string { return many(lines.n, "record") + " imported" })
		}
	}
}
