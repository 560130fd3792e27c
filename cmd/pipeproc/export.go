package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/cmd/pipeproc/jsonline"
)

const exportLong = `
Writes all records of TOPIC as JSON lines to FILE, or to the standard output
when FILE is missing or "-". 'pipeproc import' restores them: ids, keys, headers
and every byte of the bodies. Each line is

  {"id":"…","body":…,"encoding":"json"|"utf8"|"base64"}

with "key" and "headers" where there are any. FILE appears, or is replaced, when
everything has been written.

What is damaged is reported, the rest is exported, and the exit code is 1.
`

func (a *app) exportCommand() *cobra.Command {
	return completeFiles(a.command("export TOPIC [FILE]", "Write a topic as JSON lines", exportLong,
		"pipeproc export orders orders.jsonl\npipeproc export orders | zstd > orders.jsonl.zst", between(1, 2, "TOPIC [FILE]"),
		func(ctx context.Context, args []string) error {
			n, err := a.read(ctx)
			return with(n, err, func(n pipeproc.Store) error { return a.export(ctx, n, args) })
		}), 1)
}

func (a *app) export(ctx context.Context, n pipeproc.Store, args []string) error {
	info, err := n.Topic(ctx, args[0])
	if err != nil {
		return err
	}
	out, file := a.lines(), (*outFile)(nil)
	if len(args) == 2 && args[1] != "-" {
		if file, err = createFile(args[1]); err != nil {
			return err
		}
		defer file.discard()
		out.w, out.what = file, args[1]
	}
	start, p := time.Now(), a.progress()
	var records uint64
	damage := a.scan(ctx, n, args[0], pipeproc.RangeOptions{}, func(rec *pipeproc.Record) error {
		records++
		p.update(func() string {
			return fmt.Sprintf("%s of %s exported, %s", count(records), many(info.Records, "record"), size(out.size))
		})
		return out.line(func(b []byte) []byte { return jsonline.AppendExact(b, rec) })
	})
	p.done()
	if err := out.flush(); err != nil {
		return err
	}
	if damage != nil && pipeproc.Code(damage) != "corrupt" {
		return damage
	}
	if file != nil {
		if err := file.commit(); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.stderr, "exported %s of %q: %s in %s\n", plural(records, "record"), args[0], size(out.size), took(time.Since(start)))
	return damage
}
