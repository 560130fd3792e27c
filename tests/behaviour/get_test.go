package behaviour_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// getBody is the body of record seq: of all sizes, some far above that of a block.
func getBody(seq uint64) []byte {
	n := int(seq % 300)
	if seq%97 == 0 {
		n = int(seq%11) * 3000
	}
	return bytes.Repeat([]byte(fmt.Sprintf("%07d|", seq)), n/8+1)
}

// TestGetEverywhere reads single records wherever they may be: in memory, in a
// growing file, in sealed ones, in what was there before the store was opened;
// from several goroutines, and with a writer.
func TestGetEverywhere(t *testing.T) {
	ctx := context.Background()
	for _, topic := range []pipeproc.TopicOptions{
		{SegmentSize: 1 << 20},
		{SegmentSize: 1 << 20, Compression: pipeproc.Zstd},
	} {
		dir := t.TempDir()
		o := &pipeproc.Options{Sync: pipeproc.SyncNever, WALSize: 256 << 10, Topic: topic}
		next := uint64(0)
		for round := range 4 {
			n, err := pipeproc.Open(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			write := func(batches int) {
				for range batches {
					var recs []pipeproc.Record
					for range 40 {
						r := pipeproc.Record{Topic: "t", Body: getBody(next)}
						if next%5 == 0 {
							r.Key = fmt.Appendf(nil, "key %d", next)
							r.Headers = []pipeproc.Header{{Name: "n", Value: fmt.Appendf(nil, "%d", next)}}
						}
						recs = append(recs, r)
						next++
					}
					if _, err := n.Commit(ctx, recs...); err != nil {
						t.Error(err)
					}
				}
			}
			read := func(seed, end uint64) {
				r := rand.New(rand.NewPCG(seed, 9))
				var last pipeproc.Record
				for range 1500 {
					seq := r.Uint64N(end)
					rec, err := n.Get(ctx, "t", seq)
					if err != nil {
						t.Error(seq, err)
						return
					}
					if rec.ID.Seq != seq || rec.Topic != "t" || !bytes.Equal(rec.Body, getBody(seq)) ||
						seq%5 == 0 && (string(rec.Key) != fmt.Sprintf("key %d", seq) || string(rec.Headers[0].Value) != fmt.Sprint(seq)) ||
						seq%5 != 0 && len(rec.Key)+len(rec.Headers) > 0 {
						t.Errorf("record %d is another one", seq)
						return
					}
					if last.Body != nil && !bytes.Equal(last.Body, getBody(last.ID.Seq)) {
						t.Errorf("record %d changed with the next read", last.ID.Seq)
						return
					}
					last = rec
					clear(rec.Key) // it is the caller's
					_ = append(rec.Body, "more"...)
				}
			}
			if next > 0 {
				read(uint64(round), next) // what the last closing left
			}
			write(100)
			var wg sync.WaitGroup
			for k := range uint64(2) {
				end := next
				wg.Go(func() { read(100*k+uint64(round), end) })
			}
			write(100) // seals and checkpoints under the readers
			wg.Wait()
			if round == 2 {
				if err := n.Checkpoint(ctx); err != nil {
					t.Fatal(err)
				}
				read(7, next)
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestGetOfNewTopic demands that once a topic was deleted and made again, Get reads
// the new one.
func TestGetOfNewTopic(t *testing.T) {
	ctx := context.Background()
	n, err := pipeproc.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		want := fmt.Sprint("round ", round)
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte(want)}); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if r, err := n.Get(ctx, "t", 0); err != nil || string(r.Body) != want {
				t.Fatalf("%q, %v", r.Body, err)
			}
		}
		if err := n.DeleteTopic(ctx, "t"); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Get(ctx, "t", 0); !errors.Is(err, pipeproc.ErrInvalidTopic) {
			t.Fatal("after the topic was deleted:", err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Get(ctx, "t", 0); !errors.Is(err, pipeproc.ErrClosed) {
		t.Fatal("after closing:", err)
	}
}
