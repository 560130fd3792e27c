package remote_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
)

// What a range returns is the caller's, although the records of a block share
// memory: it stays, and to change or extend one does not touch another.
func TestRemoteRangeOwned(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ctx := context.Background()
	c, err := rpc.Connect(ctx, serveNode(t, n), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const records = 2000
	text := func(i int) []byte { return fmt.Appendf(nil, "record %d", i) }
	for i := 0; i < records; {
		var batch pipeproc.Batch
		for range 100 {
			rec := pipeproc.Record{Topic: "t", Body: text(i), Key: text(i), Headers: []pipeproc.Header{{Name: "h", Value: text(i)}}}
			if err := batch.AddRecord(&rec); err != nil {
				t.Fatal(err)
			}
			i++
		}
		if err := c.CommitBatch(ctx, &batch); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{0, 10, records} {
		var all []pipeproc.Record
		for rec, err := range c.Range(ctx, "t", pipeproc.RangeOptions{Limit: limit}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range [][]byte{rec.Body, rec.Key, rec.Headers[0].Value} {
				_ = append(b, "overwritten"...)
			}
			all = append(all, rec)
		}
		if want := (limit+records-1)%records + 1; len(all) != want {
			t.Fatalf("%d records, not %d", len(all), want)
		}
		for i, rec := range all {
			if want := string(text(i)); string(rec.Body) != want || string(rec.Key) != want || string(rec.Headers[0].Value) != want {
				t.Fatalf("record %d is %s", i, rec.Body)
			}
		}
	}
}
