package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const (
	maxBody  = 256 << 20
	maxBatch = 1 << 30
)

const commitLong = `
Appends one record to TOPIC for each line of FILE, or of the standard input when
FILE is missing or "-". A record is the bytes of the line without the newline;
empty lines are records, too.

Lines are committed in batches, each of which is there whole or not at all. A
batch is committed when it is full (--batch) or when the input ends; without
--batch it is also full at 64 MiB, or 16 MiB on the way to a running node, which
has limits of its own. When something goes wrong, or on a signal, no
batch is left half done, and the summary says how many records were committed.

A topic that does not exist is created, and so is the directory.
`

const commitExample = `
pipeproc commit orders orders.jsonl
tail -F app.log | pipeproc commit log --batch 1
pipeproc commit orders --atomic --ids < orders.jsonl
pipeproc --sync never commit log big.log --compression zstd
`

type commitFlags struct {
	batch       countFlag
	batchGiven  bool
	atomic, ids bool
	maxBody     sizeFlag
	compression *choiceFlag
}

func (a *app) commitCommand() *cobra.Command {
	f := commitFlags{batch: countFlag{1000, 1}, maxBody: sizeFlag{n: 16 << 20, low: 1, high: maxBody}}
	var cmd *cobra.Command
	cmd = a.command("commit TOPIC [FILE] [flags]", "Append lines to a topic", commitLong, commitExample, between(1, 2, "TOPIC [FILE]"),
		func(ctx context.Context, args []string) error {
			f.batchGiven = cmd.Flags().Changed("batch")
			if f.batchGiven && f.atomic {
				return usageError{errors.New("--batch and --atomic exclude each other")}
			}
			return a.commit(ctx, args, &f)
		})
	fl := cmd.Flags()
	fl.Var(&f.batch, "batch", "records per atomic commit")
	fl.BoolVar(&f.atomic, "atomic", false, "commit all input as one batch, at most 1 GiB")
	fl.BoolVar(&f.ids, "ids", false, "print the id of each record once its batch is acknowledged")
	fl.Var(&f.maxBody, "max-body", "the longest line allowed, up to 256MiB")
	f.compression = compressionFlag(cmd, "compression of the topic, if this creates it")
	return completeFiles(cmd, 1)
}

func (a *app) commit(ctx context.Context, args []string, f *commitFlags) error {
	if err := new(pipeproc.Batch).Add(args[0], nil); err != nil {
		return err
	}
	in, err := a.input(args)
	if err != nil {
		return err
	}
	defer in.Close()
	o := a.options()
	o.MaxBody, o.MaxBatch = int(f.maxBody.n), maxBatch
	o.Topic.Compression = f.compression.compression()
	n, err := a.open(ctx, o)
	return with(n, err, func(n pipeproc.Store) error {
		if f.compression.value != "" {
			if t, err := n.Topic(ctx, args[0]); err == nil && t.Options.Compression != o.Topic.Compression {
				a.note("note: topic %q is there already, with compression %s", t.Name, t.Options.Compression)
			}
		}
		j := &commitJob{app: a, node: n, topic: args[0], flags: f, lines: newLineReader(in, o.MaxBody), out: a.lines(), split: splitBytes}
		if a.remote() {
			j.split = splitBytes / 4
			j.create = f.compression.value != ""
		}
		return j.run(ctx)
	})
}
