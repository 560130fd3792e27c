package main

import (
	"context"
	"fmt"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/cmd/pipeproc/jsonline"
)

// read reads records by sequence, by id and by time.
func (d *demo) read(ctx context.Context) error {
	info, err := d.node.Topic(ctx, "lines")
	if err != nil {
		return err
	}
	rec, err := d.node.Get(ctx, "lines", info.First+info.Records/2)
	if err != nil {
		return err
	}
	t := d.text
	t.section("Read", "by sequence, by id and by time, with the commands that do it")
	t.command("get lines %d --output body", rec.ID.Seq)
	t.result("%s", clip(rec.Body))

	t.command("range lines --start %s --limit 2", rec.ID)
	for r, err := range d.node.Range(ctx, "lines", pipeproc.RangeOptions{Start: pipeproc.AtID(rec.ID), Limit: 2}) {
		if err != nil {
			return err
		}
		t.result("%s", clip(jsonline.AppendRecord(nil, &r)))
	}

	ms := fmt.Sprint(rec.ID.Millis)
	t.command("range lines --start %s --end %s --output id", ms, ms)
	var first, last pipeproc.ID
	n := 0
	for r, err := range d.node.Range(ctx, "lines", pipeproc.RangeOptions{Start: pipeproc.AtTime(rec.ID.Time()), End: pipeproc.AtTime(rec.ID.Time())}) {
		if err != nil {
			return err
		}
		if n++; n == 1 {
			first = r.ID
		}
		last = r.ID
	}
	t.result("%s of %s: %s to %s", many(n, "record"), clock(rec.ID.Time()), first, last)
	return nil
}
