package behaviour_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// TestRecordsAreTheCallers overwrites, and appends to, records that a range and a
// follower returned. The others must not change.
func TestRecordsAreTheCallers(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	const count = 500
	want := func(i int) (key, body string) {
		body = fmt.Sprintf("body %d %0*d", i, i%80, i)
		if i%3 == 0 {
			key = fmt.Sprintf("key %d", i)
		}
		if i%100 == 99 {
			body = fmt.Sprintf("%0*d", 600+i, i) // larger than those that share memory
		}
		return key, body
	}
	var recs []pipeproc.Record
	for i := range count {
		key, body := want(i)
		r := pipeproc.Record{Topic: "t", Body: []byte(body), Key: []byte(key)}
		if i%7 == 0 {
			r.Headers = []pipeproc.Header{{Name: "h", Value: []byte(body)}}
		}
		recs = append(recs, r)
	}
	ctx := context.Background()
	if _, err := n.Commit(ctx, recs...); err != nil {
		t.Fatal(err)
	}
	for name, seq := range map[string]iter.Seq2[pipeproc.Record, error]{
		"range":  n.Range(ctx, "t", pipeproc.RangeOptions{}),
		"follow": n.Follow(ctx, "t", 0),
	} {
		var got []pipeproc.Record
		for r, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, r); len(got) == count {
				break
			}
		}
		for i := 0; i < count; i += 2 {
			r := got[i]
			for _, b := range [][]byte{append(r.Body, "xxxxxxxx"...), append(r.Key, "yyyyyyyy"...)} {
				clear(b)
			}
			clear(r.Body)
		}
		for i := 1; i < count; i += 2 {
			if key, body := want(i); string(got[i].Key) != key || string(got[i].Body) != body || got[i].ID.Seq != uint64(i) {
				t.Fatalf("%s: record %d is %q %q", name, i, got[i].Key, got[i].Body)
			}
		}
	}
}
