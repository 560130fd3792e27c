package model

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

const (
	rTopics  = 12
	rBatches = 900
)

// readers is a store that is written to and read from all at once. Every batch
// has one record for each topic, all with the same body, so that sequences,
// bodies and ends of all topics must agree at any moment.
type readers struct {
	node   *pipeproc.Node
	ctx    context.Context
	left   atomic.Int32 // writers that have not finished
	done   atomic.Bool  // no writer is left
	passed [rTopics]atomic.Uint64
	reads  atomic.Int64
}

func rName(i int) string { return "topic-" + strconv.Itoa(i) }

// TestReaders runs readers of every kind beside writers, checkpoints, rolls
// and prunes.
func TestReaders(t *testing.T) {
	for name, mode := range map[string]pipeproc.SyncMode{"always": pipeproc.SyncAlways, "never": pipeproc.SyncNever} {
		t.Run(name, func(t *testing.T) { testReaders(t, mode) })
	}
}

func testReaders(t *testing.T, mode pipeproc.SyncMode) {
	before := runtime.NumGoroutine()
	n, err := pipeproc.Open(dir, &pipeproc.Options{Sync: mode, FS: vfs.NewMem(), WALSize: 128 << 10, MaxOpenFiles: 6, MaxMapped: 4,
		Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(bg, 2*time.Minute)
	defer cancel()
	r := &readers{node: n, ctx: ctx}
	var group sync.WaitGroup
	run := func(what string, fn func() error) {
		group.Go(func() {
			if err := fn(); err != nil {
				t.Errorf("%s: %v", what, err)
				cancel() // the others will not finish
			}
		})
	}
	r.left.Store(2)
	for w := range 2 {
		run("writer", func() error { return r.write(w) })
	}
	for i := range 3 {
		run("follower", func() error { return r.follow(i*5, &r.passed[i*5]) })
	}
	run("late follower", r.followPruned)
	run("pairs", r.pairs)
	run("ranges", r.ranges)
	run("views", r.views)
	run("gets", r.gets)
	run("checkpoints", r.checkpoints)
	run("prunes", r.prunes)
	run("wait", func() error { return n.WaitForRecord(ctx, rName(7), 2*rBatches-1) })
	group.Wait()
	t.Logf("%d records read, %+v", r.reads.Load(), n.Stats().Checkpoints)

	// A follower at the end is told when the node is closed.
	closed := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		close(ready)
		for _, err := range n.Follow(bg, rName(0), 2*rBatches) {
			closed <- err
			return
		}
	}()
	<-ready
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := <-closed; !errors.Is(err, pipeproc.ErrClosed) {
		t.Errorf("follower of a closed node: %v", err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if now := runtime.NumGoroutine(); now > before {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after\n%s", before, now, buf[:runtime.Stack(buf, true)])
	}
}

var rCounter atomic.Int64

func (r *readers) write(w int) error {
	rng := rand.New(rand.NewPCG(9, uint64(w)))
	defer func() { r.done.Store(r.left.Add(-1) == 0) }()
	b := new(pipeproc.Batch)
	for range rBatches {
		b.Reset()
		body := fmt.Appendf(nil, "%d-", rCounter.Add(1))
		body = append(body, make([]byte, rng.IntN(400))...)
		for i := range rTopics {
			_ = b.Add(rName((i+w)%rTopics), body)
		}
		if err := r.node.CommitBatch(r.ctx, b); err != nil {
			return err
		}
		for _, id := range b.IDs() {
			if id.Seq != b.IDs()[0].Seq || id.Millis != b.IDs()[0].Millis {
				return fmt.Errorf("ids of one batch differ: %v", b.IDs())
			}
		}
	}
	return nil
}

// follow reads a topic from its start and wants every record once, in order.
func (r *readers) follow(topic int, pos *atomic.Uint64) error {
	want := uint64(0)
	for rec, err := range r.node.Follow(r.ctx, rName(topic), 0) {
		if err != nil {
			return err
		}
		if rec.ID.Seq != want {
			return fmt.Errorf("got %v, want sequence %d", rec.ID, want)
		}
		want++
		pos.Store(want)
		r.reads.Add(1)
		if want == 2*rBatches {
			return nil
		}
	}
	return errors.New("the loop ended by itself")
}

// followPruned follows a topic that is pruned under it: what is missing is reported,
// and nothing else is missing.
func (r *readers) followPruned() error {
	want := uint64(0)
	for rec, err := range r.node.Follow(r.ctx, rName(1), 0) {
		if err != nil {
			var p *pipeproc.PrunedError
			if !errors.As(err, &p) {
				return err
			}
			want = 0
			continue
		}
		if want != 0 && rec.ID.Seq != want {
			return fmt.Errorf("got %v, want sequence %d", rec.ID, want)
		}
		want = rec.ID.Seq + 1
		r.reads.Add(1)
		if want == 2*rBatches {
			return nil
		}
	}
	return errors.New("the loop ended by itself")
}

// gone reports whether err only says that a prune was faster, or that there is
// nothing yet.
func gone(err error) bool {
	return errors.Is(err, pipeproc.ErrPruned) || errors.Is(err, pipeproc.ErrInvalidTopic)
}

// pairs looks for the newest record of one topic in the others.
func (r *readers) pairs() error {
	rng := rand.New(rand.NewPCG(1, 1))
	for !r.done.Load() {
		a := rng.IntN(rTopics)
		for rec, err := range r.node.Range(r.ctx, rName(a), pipeproc.RangeOptions{Limit: 1, Reverse: true}) {
			if gone(err) {
				continue
			} else if err != nil {
				return err
			}
			for b := range rTopics {
				other, err := r.node.Get(r.ctx, rName(b), rec.ID.Seq)
				if gone(err) {
					continue
				}
				if err != nil {
					return fmt.Errorf("%v is in topic %d but not in %d: %w", rec.ID, a, b, err)
				}
				if other.ID != rec.ID || string(other.Body) != string(rec.Body) {
					return fmt.Errorf("topics %d and %d: %v and %v differ", a, b, rec.ID, other.ID)
				}
				r.reads.Add(1)
			}
		}
		runtime.Gosched()
	}
	return nil
}

// ranges reads whole topics: no gaps, and at least to where another topic ended
// before.
func (r *readers) ranges() error {
	rng := rand.New(rand.NewPCG(2, 2))
	for !r.done.Load() {
		a, b := rng.IntN(rTopics), rng.IntN(rTopics)
		end := uint64(0)
		if i, err := r.node.Topic(r.ctx, rName(a)); err == nil {
			end = i.Next
		}
		o := pipeproc.RangeOptions{}
		if end > 50 && rng.IntN(3) > 0 {
			o.Start = pipeproc.AtID(pipeproc.ID{Seq: end - 50}) // a time of 0: before everything
		}
		next, started, pruned := uint64(0), false, false
		for rec, err := range r.node.Range(r.ctx, rName(b), o) {
			if gone(err) {
				pruned = true
				break
			} else if err != nil {
				return err
			}
			if started && rec.ID.Seq != next {
				return fmt.Errorf("%v follows %d", rec.ID, next-1)
			}
			started, next = true, rec.ID.Seq+1
			r.reads.Add(1)
		}
		if started && !pruned && next < end {
			return fmt.Errorf("topic %d ends at %d, topic %d ended at %d before", b, next, a, end)
		}
	}
	return nil
}

// views checks that all topics of a view end in the same batch.
func (r *readers) views() error {
	for !r.done.Load() {
		v, err := r.node.View(r.ctx)
		if err != nil {
			return err
		}
		end := v.End(rName(0))
		var body string
		for i := range rTopics {
			if n := v.End(rName(i)); n != end {
				return fmt.Errorf("a view ends at %d in topic 0 and at %d in topic %d", end, n, i)
			}
			for rec, err := range v.Range(r.ctx, rName(i), pipeproc.RangeOptions{Limit: 1, Reverse: true}) {
				if gone(err) {
					continue
				} else if err != nil {
					return err
				}
				if rec.ID.Seq != end-1 || body != "" && string(rec.Body) != body {
					return fmt.Errorf("topic %d of a view that ends at %d: %v %.10q, others have %.10q", i, end, rec.ID, rec.Body, body)
				}
				body = string(rec.Body)
				r.reads.Add(1)
			}
		}
		runtime.Gosched()
	}
	return nil
}

// gets reads single records all over the topics.
func (r *readers) gets() error {
	rng := rand.New(rand.NewPCG(3, 3))
	for !r.done.Load() {
		a := rng.IntN(rTopics)
		i, err := r.node.Topic(r.ctx, rName(a))
		if err != nil || i.Next <= i.First {
			runtime.Gosched()
			continue
		}
		seq := i.First + rng.Uint64N(i.Next-i.First)
		rec, err := r.node.Get(r.ctx, rName(a), seq)
		if gone(err) {
			continue
		}
		if err != nil || rec.ID.Seq != seq {
			return fmt.Errorf("get :%d gave %v, %w", seq, rec.ID, err)
		}
		r.reads.Add(1)
	}
	return nil
}

func (r *readers) checkpoints() error {
	for !r.done.Load() {
		if err := r.node.Checkpoint(r.ctx); err != nil {
			return err
		}
		if err := r.node.Sync(r.ctx); err != nil {
			return err
		}
		runtime.Gosched()
	}
	return nil
}

// prunes removes what the followers have seen, and more of topic 1.
func (r *readers) prunes() error {
	for !r.done.Load() {
		for i := range rTopics {
			info, err := r.node.Topic(r.ctx, rName(i))
			if err != nil {
				continue
			}
			first := info.Next - min(info.Next, 100)
			if i%5 == 0 && i <= 10 {
				first = min(first, r.passed[i].Load())
			}
			if err := r.node.Prune(r.ctx, rName(i), first); err != nil {
				return err
			}
		}
		runtime.Gosched()
	}
	return nil
}
