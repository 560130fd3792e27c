package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/cmd/pipeproc/jsonline"
)

// read reads the records back in every way there is.
func (d *demo) read(ctx context.Context) error {
	lines := d.topics["lines"]
	rec, err := d.node.Get(ctx, "lines", lines.first.Seq+lines.records/2)
	if err != nil {
		return err
	}
	t := d.text
	t.section("Read", "each with the command that does the same")
	t.command("get lines %d", rec.ID.Seq)
	t.result("%s", clip(rec.Body))

	t.command("range lines --start %s --limit 2", rec.ID)
	if err := d.show(ctx, "lines", pipeproc.RangeOptions{Start: rec.ID.String(), Limit: 2}, false); err != nil {
		return err
	}

	ms := fmt.Sprint(rec.ID.Time)
	t.command("range lines --start %s --end %s", ms, ms)
	var first, last pipeproc.ID
	n := 0
	for r, err := range d.node.Range(ctx, "lines", pipeproc.RangeOptions{Start: ms, End: ms}) {
		if err != nil {
			return err
		}
		if n++; n == 1 {
			first = r.ID
		}
		last = r.ID
	}
	t.result("%s committed in that millisecond, %s", many(n, "record"), clock(rec.ID.Time))
	t.result("%s to %s", first, last)

	topic := d.order[len(d.order)-1]
	for _, name := range []string{"upgrades", "installs"} {
		if d.topics[name] != nil {
			topic = name
			break
		}
	}
	t.command("range %s --reverse --limit 3", topic)
	if err := d.show(ctx, topic, pipeproc.RangeOptions{Limit: 3}, true); err != nil {
		return err
	}
	return nil
}

func (d *demo) show(ctx context.Context, topic string, o pipeproc.RangeOptions, reverse bool) error {
	seq := d.node.Range(ctx, topic, o)
	if reverse {
		seq = d.node.RevRange(ctx, topic, o)
	}
	for r, err := range seq {
		if err != nil {
			return err
		}
		d.text.result("%s", clip(jsonline.AppendRecord(nil, &r)))
	}
	return nil
}

// scanAll reads everything and checks it against the checksums.
func (d *demo) scanAll(ctx context.Context) error {
	start := time.Now()
	var records uint64
	var bytes int64
	for _, name := range d.order {
		c, err := d.node.Cursor(ctx, name, pipeproc.RangeOptions{Start: d.topics[name].first.String()})
		if err = d.scan(ctx, c, err, func(r *pipeproc.Record) error {
			records++
			bytes += int64(len(r.Body))
			return nil
		}); err != nil {
			return err
		}
	}
	elapsed := time.Since(start)
	d.text.item("everything", "%s, %s, read and checked in %s: %s records/s", many(records, "record"), size(bytes), took(elapsed), perSecond(records, elapsed))
	if records != d.records {
		return fmt.Errorf("%d records were committed, %d are there", d.records, records)
	}
	return nil
}

// check closes the store, opens it again, reads all of it and verifies it.
func (d *demo) check(ctx context.Context) error {
	err := d.node.Close()
	d.node = nil
	if err != nil {
		return err
	}
	files, disk, err := diskUse(d.dir)
	if err != nil {
		return err
	}
	d.text.section("On disk", "closed and opened again")
	d.text.item("size", "%s in %s, room for more records included", size(disk), many(files, "file"))
	d.node, err = pipeproc.Open(d.dir, d.opts)
	return with(d.node, err, func(n *pipeproc.Node) error {
		d.text.item("open", "%s, %s", took(n.Recovery().Duration), many(n.Stats().Topics, "topic"))
		if err := d.scanAll(ctx); err != nil {
			return err
		}
		r, err := n.Verify(ctx, nil)
		if err == nil && len(r.Damage) > 0 {
			err = r.Damage[0]
		}
		if err == nil {
			d.text.good("verify", fmt.Sprintf("clean: every checksum of %s (%s) is right, %s", many(r.Files, "file"), size(r.Bytes), took(r.Elapsed)))
		}
		return err
	})
}

// diskUse counts the files in a directory and their sizes.
func diskUse(dir string) (files int, bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		files++
		bytes += info.Size()
		return err
	})
	return files, bytes, err
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
	t.plain("%s topics%s", t.program, dir)
	t.plain("%s tail lines --output body%s", t.program, dir)
	t.plain("echo hello | %s commit greetings%s", t.program, dir)
	t.plain("%s --help", t.program)
}

// shellWord quotes s for a shell if need be.
func shellWord(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./", r)
	}) < 0 && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// programName is how this program was called.
func programName() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/pipeproc"
	}
	return "pipeproc"
}
