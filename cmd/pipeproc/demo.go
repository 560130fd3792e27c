package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const demoLong = `
Runs real lines through a pipeline: those of FILE, or of a Debian package log that
comes with the program.

  lines -> parse -> events -> aggregate -> counts -> report -> totals

Between the topics work three system procs. parse makes a structured record of
each line, with a key: its first word. aggregate counts the keys of each claim,
and report sums the counts up. Each stage commits what it makes together with the
acknowledgement of what it read. To show what that is good for, some claims fail
on purpose, when their work is done. In the end the totals are compared with a
count of the lines that uses no pipeline.

It works in a temporary directory and removes it, unless --dir is given. There it
goes on where the last demo stopped.
`

func (a *app) demoCommand() *cobra.Command {
	var cmd *cobra.Command
	cmd = a.command("demo [FILE]", "See a pipeline work on a real file", demoLong, "pipeproc demo\npipeproc demo /var/log/syslog\npipeproc demo --dir ./demo_data",
		between(0, 1, "[FILE]"), func(ctx context.Context, args []string) error {
			d := &demo{app: a, text: newDemoText(a), keep: cmd.Root().PersistentFlags().Changed("dir")}
			return d.run(ctx, args)
		})
	return completeFiles(cmd, 0)
}

type demo struct {
	*app
	text *demoText
	keep bool
	node *pipeproc.Node
	opts *pipeproc.Options

	in       *lineReader
	ingested ingested
	stages   []*stage
	elapsed  time.Duration // of the pipeline
	syncs    uint64
}

func (d *demo) run(ctx context.Context, args []string) error {
	what, err := d.source(args)
	if err != nil {
		return err
	}
	if !d.keep {
		if d.dir, err = os.MkdirTemp("", "pipeproc-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(d.dir)
	}
	d.text.title("pipeproc demo", what)
	for _, step := range []func(context.Context) error{d.pipeline, d.computed, d.read, d.store} {
		err := step(ctx)
		if err == nil {
			err = d.text.flush()
		}
		if err != nil {
			if d.node != nil {
				_ = d.node.Close()
			}
			return err
		}
	}
	d.next(args)
	return d.text.flush()
}

// source opens what the demo reads.
func (d *demo) source(args []string) (what string, err error) {
	d.opts = d.options()
	var r io.Reader
	if len(args) == 0 {
		r, what = bytes.NewReader(sampleLog), "the log of a Debian package manager, which comes with the program"
		d.ingested.size, d.ingested.perBatch = int64(len(sampleLog)), 100
		d.opts.WALSize, d.opts.Topic.SegmentSize = 4<<20, 1<<20
	} else {
		in, err := d.input([]string{"", args[0]})
		if err != nil {
			return "", err
		}
		if f, ok := in.(*os.File); ok {
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
				d.ingested.size = info.Size()
			}
		}
		r, what, d.ingested.perBatch = in, args[0], 1000
	}
	d.in = newLineReader(r, 16<<20)
	if _, err := d.in.r.Peek(1); err == io.EOF {
		return "", errors.New("the file is empty; give one that has lines of text")
	}
	return what, nil
}

// pipeline commits the lines and waits until every stage is done with them.
func (d *demo) pipeline(ctx context.Context) (err error) {
	if d.node, err = d.openDir(d.opts); err != nil {
		return err
	}
	if err := d.define(ctx); err != nil {
		return err
	}
	d.text.section("Pipeline", "lines -> parse -> events -> aggregate -> counts -> report -> totals")
	if err := d.text.flush(); err != nil {
		return err
	}
	start := time.Now()
	live := d.live()
	err = d.ingest(ctx)
	if err == nil {
		err = d.node.WaitForProcs(ctx, d.names()...)
	}
	live.stop()
	if err == nil {
		err = d.ended(ctx)
	}
	if err != nil {
		return err
	}
	d.elapsed = time.Since(start)
	d.syncs = d.node.Stats().Syncs
	d.ran()
	return nil
}

// ran reports how the pipeline went.
func (d *demo) ran() {
	t := d.text
	t.table(d.stageRows(false))
	ingested, lines, bytes := d.ingested.lines.Load(), d.stages[0].end-d.stages[0].begin, d.ingested.bytes.Load()
	all := fmt.Sprintf("%s through three stages in %s: %s lines/s", many(lines, "line"), took(d.elapsed), perSecond(lines, d.elapsed))
	if lines == ingested {
		all += fmt.Sprintf(", %s/s", size(int64(float64(bytes)/max(d.elapsed, 1).Seconds())))
	} else {
		all += fmt.Sprintf("; %s were left from before", count(lines-ingested))
	}
	t.item("all of it", "%s", all)
	if d.syncs > 0 {
		t.item("disk", "--sync %s: %s, each for one or more commits", d.sync.String(), many(d.syncs, "sync"))
	} else {
		t.item("disk", "--sync %s: no commit waited for the disk", d.sync.String())
	}
	var failed uint64
	for _, s := range d.stages {
		failed += s.failed.Load()
	}
	t.item("again", "%s failed on purpose, with the work done, and came again", many(failed, "claim"))
}

// next says what to do after the demo.
func (d *demo) next(args []string) {
	t, dir := d.text, ""
	if d.keep {
		dir = " --dir " + shellWord(d.dir)
		t.section("Next", "the store is in "+d.dir)
	} else {
		t.section("Next", "the temporary directory is gone; keep one and look around:")
		file := ""
		if len(args) > 0 {
			file = " " + shellWord(args[0])
		}
		dir = " --dir demo_data"
		t.plain("%s demo%s%s", t.program, file, dir)
	}
	t.plain("%s procs%s", t.program, dir)
	t.plain("%s tail totals --limit 1 --output body%s", t.program, dir)
	t.plain("%s proc mine --topic events --count 3%s", t.program, dir)
	t.plain("%s ack mine%s", t.program, dir)
	t.plain("%s --help", t.program)
}
