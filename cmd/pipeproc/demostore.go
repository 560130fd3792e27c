package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/pipeproc/pipeproc"
)

// store closes the store, opens it again, and shows what there is.
func (d *demo) store(ctx context.Context) error {
	err := d.node.Close()
	d.node = nil
	if err != nil {
		return err
	}
	files, disk, err := diskUse(d.dir)
	if err != nil {
		return err
	}
	n, err := pipeproc.Open(d.dir, d.opts)
	return with(n, err, func(n *pipeproc.Node) error {
		t := d.text
		t.section("Store", fmt.Sprintf("closed, and opened again in %s", took(n.Recovery().Duration)))
		if err := d.topicLines(ctx, n); err != nil {
			return err
		}
		if err := d.procLines(ctx, n); err != nil {
			return err
		}
		r, err := n.Verify(ctx, nil)
		if err == nil && len(r.Damage) > 0 {
			err = r.Damage[0]
		}
		if err != nil {
			return err
		}
		t.item("size", "%s in %s, room for more records included", size(disk), many(files, "file"))
		t.good("verify", fmt.Sprintf("clean: every checksum is right, %s", took(r.Elapsed)))
		return nil
	})
}

// topicLines shows the topics of the demo; the directory may have more.
func (d *demo) topicLines(ctx context.Context, n *pipeproc.Node) error {
	rows := [][]string{{"topic", "records", "bytes", "sequences", "last record"}}
	for _, name := range []string{"lines", "events", "counts", "totals"} {
		i, err := n.Topic(ctx, name)
		if err != nil {
			return err
		}
		rows = append(rows, []string{name, count(i.Records), size(i.Bytes), fmt.Sprintf("%d to %d", i.First, i.Next-1), clock(i.LastTime)})
	}
	d.text.table(rows)
	return nil
}

// procLines shows the procs of the demo.
func (d *demo) procLines(ctx context.Context, n *pipeproc.Node) error {
	rows := [][]string{{"proc", "reads", "writes", "acknowledged", "pending", "status"}}
	for _, s := range d.stages {
		i, err := n.InspectProc(ctx, s.name)
		if err != nil {
			return err
		}
		rows = append(rows, []string{i.Name, i.Topic, s.to, fmt.Sprintf("below %d", i.Next), count(i.Pending), i.Status()})
	}
	d.text.table(rows)
	return nil
}

// diskUse counts the files in a directory and their sizes.
func diskUse(dir string) (files int, bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		files++
		bytes += info.Size()
		return nil
	})
	return files, bytes, err
}
