package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const dumpLong = `
Prints a file of a store as text, for people: a segment, a piece of the
write-ahead log, a snapshot, or the file STORE. It shows damage and goes on
behind it. FILE is a path; --dir does not matter, nor whether the store is in
use. --bodies shows the records, too.
`

func (a *app) dumpCommand() *cobra.Command {
	var bodies bool
	cmd := a.command("dump FILE [flags]", "Print a file of a store as text", dumpLong,
		"pipeproc dump pipeproc_data/STORE\npipeproc dump --bodies pipeproc_data/snapshot", between(1, 1, "FILE"),
		func(_ context.Context, args []string) error {
			w := &textWriter{out: a.lines()}
			err := pipeproc.Dump(w, args[0], &pipeproc.DumpOptions{Bodies: bodies})
			if ferr := w.out.flush(); ferr != nil {
				return ferr
			}
			return err
		})
	cmd.Flags().BoolVar(&bodies, "bodies", false, "show the records")
	return completeFiles(cmd, 0)
}

// textWriter buffers text for a lineWriter.
type textWriter struct{ out *lineWriter }

func (w *textWriter) Write(p []byte) (int, error) {
	w.out.buf = append(w.out.buf, p...)
	if len(w.out.buf) >= lineBuffer {
		if err := w.out.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), w.out.err
}
