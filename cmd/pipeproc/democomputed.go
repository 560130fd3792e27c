package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pipeproc/pipeproc"
)

// computed shows what the pipeline made of the lines, and checks it.
func (d *demo) computed(ctx context.Context) error {
	sum, err := d.totals(ctx)
	if err != nil {
		return err
	}
	t := d.text
	t.section("Computed", `the last record of topic "totals"`)
	t.table(totalRows(&sum))
	lines, err := d.node.Topic(ctx, "lines")
	if err != nil {
		return err
	}
	if lines.First > 0 {
		t.item("check", "not possible: lines of an earlier demo were pruned")
		return nil
	}
	start := time.Now()
	direct, err := d.recount(ctx, &sum)
	if err != nil {
		return err
	}
	if direct.Lines != sum.Lines || direct.Other != sum.Other || !maps.Equal(direct.Counts, sum.Counts) {
		return fmt.Errorf("the totals are wrong: the pipeline counted %d lines, without it they are %d; please report this as a defect", sum.Lines, direct.Lines)
	}
	t.good("check", fmt.Sprintf("right: a count of all %s without a pipeline gives the same (%s)",
		many(direct.Lines, "line"), took(time.Since(start))))
	return nil
}

// totalRows are the largest of the totals.
func totalRows(sum *totals) [][]string {
	const most = 8
	keys := slices.SortedFunc(maps.Keys(sum.Counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(sum.Counts[b], sum.Counts[a]), cmp.Compare(a, b))
	})
	row := func(key string, n uint64) []string {
		return []string{key, count(n), fmt.Sprintf("%.1f%%", 100*float64(n)/float64(max(sum.Lines, 1)))}
	}
	rows := [][]string{{"first word", "lines", "share"}}
	rest := sum.Lines
	for _, k := range keys[:min(len(keys), most)] {
		rows = append(rows, row(k, sum.Counts[k]))
		rest -= sum.Counts[k]
	}
	if rest > 0 {
		rows = append(rows, row("others", rest))
	}
	return append(rows, row("all", sum.Lines))
}

// recount counts the lines again. Keys that the totals do not have count as
// other.
func (d *demo) recount(ctx context.Context, sum *totals) (*totals, error) {
	direct := &totals{Counts: map[string]uint64{}}
	return direct, d.scan(ctx, d.node, "lines", pipeproc.RangeOptions{}, func(rec *pipeproc.Record) error {
		direct.Lines++
		if key := lineKey(string(rec.Body)); sum.Counts[key] > 0 {
			direct.Counts[key]++
		} else {
			direct.Other++
		}
		return nil
	})
}
