package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

// TestLanesKeepOrder: the records of a claim are handled side by side, each key
// in order and in one lane, and each record once.
func TestLanesKeepOrder(t *testing.T) {
	const n, keys, lanes = 2000, 37, 4
	f := newFake(t)
	f.loud = false
	var bodies []string
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		bodies = append(bodies, fmt.Sprintf("%d=%d", rng.IntN(keys), i))
	}
	f.add("a", bodies...)
	p := New(f, Options{Concurrency: 2})
	var mu sync.Mutex
	last := make(map[string]uint64)
	var inside, most atomic.Int32
	seen := 0
	done := make(chan struct{})
	add(t, p, Job{Proc: "a", Count: 500, Lanes: lanes, Fn: Each(func(_ context.Context, rec record.Record, _ *Work) error {
		now := inside.Add(1)
		defer inside.Add(-1)
		mu.Lock()
		defer mu.Unlock()
		most.Store(max(most.Load(), now))
		if before, ok := last[string(rec.Key)]; ok && before >= rec.ID.Seq {
			t.Errorf("key %s: %d after %d", rec.Key, rec.ID.Seq, before)
		}
		last[string(rec.Key)] = rec.ID.Seq
		if seen++; seen == n {
			close(done)
		}
		return nil
	})})
	<-done
	closePool(t, p)
	if seen != n || most.Load() > lanes || f.acked("a") != n {
		t.Errorf("%d records seen, %d acknowledged, %d at once", seen, f.acked("a"), most.Load())
	}
}

// TestLanesSideBySide: all lanes run at once, however many there may be of them
// on few goroutines, and none that has no records.
func TestLanesSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 1})
		defer closePool(t, p)
		gate := make(chan struct{})
		var running atomic.Int32
		fn := func(_ context.Context, w *Work) error {
			running.Add(1)
			<-gate
			running.Add(-1)
			return nil
		}
		for _, c := range []struct {
			bodies []string
			lanes  int
			want   int32
		}{
			{[]string{"1", "2", "3", "4", "5", "6"}, 3, 3}, // without keys
			{[]string{"1", "2"}, 8, 2},
			{[]string{"k=1", "k=2", "k=3", "k=4"}, 4, 1},
			{[]string{"1"}, 4, 1},
		} {
			add(t, p, Job{Proc: "a", Count: -1, Lanes: c.lanes, Fn: fn})
			f.add("a", c.bodies...)
			synctest.Wait()
			if n := running.Load(); n != c.want {
				t.Errorf("%q in %d lanes: %d run", c.bodies, c.lanes, n)
			}
			for range c.want {
				gate <- struct{}{}
			}
			synctest.Wait()
		}
	})
}

// TestLanesSpread: records without keys are divided evenly.
func TestLanesSpread(t *testing.T) {
	var l lanes
	recs := make([]record.Record, 10)
	for i := range recs {
		recs[i].ID.Seq = uint64(i)
	}
	for range 2 { // the second time with memory of the first
		var got [][]uint64
		for _, a := range l.split(recs, 3) {
			var seqs []uint64
			for _, r := range a.records {
				seqs = append(seqs, r.ID.Seq)
			}
			got = append(got, seqs)
		}
		if fmt.Sprint(got) != "[[0 3 6 9] [1 4 7] [2 5 8]]" {
			t.Errorf("%v", got)
		}
	}
}

// TestLanesOutput: the output of all lanes is committed at once, lane by lane,
// whichever ended first, and keeps what belongs to a record.
func TestLanesOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		defer closePool(t, p)
		f.numbered("a", 6)
		add(t, p, Job{Proc: "a", To: []string{"x", "y"}, Count: 6, Lanes: 3, Fn: func(_ context.Context, w *Work) error {
			<-time.After(time.Hour - time.Duration(w.Records()[0].ID.Seq)*time.Minute) // the last lane first
			for _, rec := range w.Records() {
				w.EmitRecord(record.Record{Key: []byte("k"), Body: rec.Body, Headers: []record.Header{{Name: "h", Value: rec.Body}}})
			}
			w.EmitTo("z", record.Record{})
			return nil
		}})
		elapse(time.Hour)
		f.expect(t, "claim a 0-5", "ack a")
		var want []string
		for _, topic := range []string{"x", "y"} {
			for _, i := range []int{0, 3, 1, 4, 2, 5} {
				want = append(want, fmt.Sprintf("%s k h:%d %d", topic, i, i))
			}
		}
		want = append(want, "z  ", "z  ", "z  ")
		if !slices.Equal(f.out, want) {
			t.Errorf("%q", f.out)
		}
	})
}

// TestLaneFails: the first failure ends the context of the other lanes and fails
// the whole claim, with nothing of its output committed.
func TestLaneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		defer closePool(t, p)
		f.numbered("a", 3)
		var told atomic.Int32
		add(t, p, Job{Proc: "a", To: []string{"x"}, Count: 3, Lanes: 3, Fn: func(ctx context.Context, w *Work) error {
			w.Emit(w.Records()[0].Body)
			if w.Attempt() > 1 {
				return nil
			}
			if w.Records()[0].ID.Seq == 1 {
				return errs.Conflict
			}
			<-ctx.Done()
			told.Add(1)
			return errors.New("came second")
		}})
		synctest.Wait()
		f.expect(t, "claim a 0-2", "reclaim a: conflict", "claim a 0-2", "ack a")
		if told.Load() != 2 || len(f.out) != 3 {
			t.Errorf("%d lanes were told, output %q", told.Load(), f.out)
		}
	})
}
