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
Shows what a store does, on real lines: those of FILE, or of a Debian package
log that comes with the program. Each line goes to the topic "lines", and what
can be read from it to another topic, in the same atomic batch. Then the demo
reads the records back in every way there is, closes and opens the store, and
verifies it.

It works in a temporary directory and removes it, unless --dir is given.
`

func (a *app) demoCommand() *cobra.Command {
	var cmd *cobra.Command
	cmd = a.command("demo [FILE]", "See it work on a real file", demoLong, "pipeproc demo\npipeproc demo /var/log/syslog\npipeproc demo --dir ./demo_data",
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
	in   *lineReader

	packages bool // the lines are those of a package log
	perBatch int

	lines, records uint64
	batches, syncs uint64
	bytes          int64
	topics         map[string]*demoTopic
	order          []string
}

// demoTopic is what this demo put into a topic.
type demoTopic struct {
	records     uint64
	bytes       int64
	first, last pipeproc.ID
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
	for _, step := range []func(context.Context) error{d.write, d.read, d.check} {
		if err := step(ctx); err != nil {
			if d.node != nil {
				_ = d.node.Close()
			}
			return err
		}
		if err := d.text.flush(); err != nil {
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
	d.topics = map[string]*demoTopic{}
	var r io.Reader
	if len(args) == 0 {
		r, what = bytes.NewReader(sampleLog), "the log of a Debian package manager, which comes with the program"
		d.perBatch = 100
		d.opts.WALSize, d.opts.Topic.SegmentSize = 4<<20, 1<<20
	} else {
		if r, err = d.input([]string{"", args[0]}); err != nil {
			return "", err
		}
		what, d.perBatch = args[0], 1000
	}
	d.in = newLineReader(r, 16<<20)
	return what, nil
}

// write commits the lines.
func (d *demo) write(ctx context.Context) (err error) {
	if d.node, err = d.open(d.opts); err != nil {
		return err
	}
	next := uint64(0)
	if t, err := d.node.Topic(ctx, "lines"); err == nil {
		next = t.Next
	}
	start, p := time.Now(), d.progress()
	defer p.done()
	var b pipeproc.Batch
	var names []string // of the topics of the records of b
	var sizes []int
	for ended := false; !ended; {
		b.Reset()
		names, sizes = names[:0], sizes[:0]
		for len(names) < 2*d.perBatch && b.Size() < splitBytes {
			line, err := d.in.next()
			if err == io.EOF {
				ended = true
				break
			} else if err != nil {
				return err
			}
			if d.lines == 0 {
				_, _, d.packages = parsePackageLine(line)
			}
			topic, key, body := demoEvent(next, line, d.packages)
			_ = b.Add("lines", line)
			_ = b.AddRecord(&pipeproc.Record{Topic: topic, Key: key, Body: body})
			names, sizes = append(names, "lines", topic), append(sizes, len(line), len(body))
			next++
			d.lines++
		}
		if len(names) == 0 {
			break
		}
		if err := d.node.CommitBatch(ctx, &b); err != nil {
			return err
		}
		d.batches++
		d.account(names, sizes, b.IDs())
		p.update(func() string { return count(d.records) + " records committed" })
	}
	if d.lines == 0 {
		return errors.New("the file is empty; give one that has lines of text")
	}
	p.done()
	d.syncs = d.node.Stats().Syncs
	d.wrote(time.Since(start))
	return nil
}

func (d *demo) account(names []string, sizes []int, ids []pipeproc.ID) {
	for i, name := range names {
		t := d.topics[name]
		if t == nil {
			t = &demoTopic{first: ids[i]}
			d.topics[name] = t
			d.order = append(d.order, name)
		}
		t.records++
		t.bytes += int64(sizes[i])
		t.last = ids[i]
		d.records++
		d.bytes += int64(sizes[i])
	}
}

func (d *demo) wrote(elapsed time.Duration) {
	t := d.text
	where := d.dir
	if !d.keep {
		where = "a temporary directory"
	}
	t.section("Write", fmt.Sprintf("to %s, --sync %s", where, d.sync.String()))
	t.item("records", "%s: %s and %s read from them, %s", count(d.records), many(d.lines, "line"), many(d.records-d.lines, "event"), size(d.bytes))
	t.item("batches", "%s, each with lines and their events in several topics: whole or not at all", count(d.batches))
	t.item("time", "%s: %s records/s, %s/s", took(elapsed), perSecond(d.records, elapsed), size(int64(float64(d.bytes)/max(elapsed, 1).Seconds())))
	if d.syncs > 0 {
		t.item("syncs", "%s, %s per batch until it is safe on disk", count(d.syncs), took(elapsed/time.Duration(d.batches)))
	}
	rows := [][]string{{"topic", "records", "bytes", "first id", "last id"}}
	for _, name := range d.order {
		s := d.topics[name]
		rows = append(rows, []string{name, count(s.records), size(s.bytes), s.first.String(), s.last.String()})
	}
	t.section("Topics", "ids are {milliseconds}-{sequence}")
	t.table(rows)
}
