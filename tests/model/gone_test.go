package model

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// Readers whose records are removed under them, step by step.

// goneStore is a store with a topic of several segments, all in files.
func goneStore(t *testing.T) *bench {
	b := newBench(t)
	for range 12 {
		b.commit("a", 20<<10)
	}
	b.must(b.node.Checkpoint(bg))
	return b
}

// unharmed demands that the topic takes commits, and reports no damage.
func (b *bench) unharmed(topic string) {
	b.t.Helper()
	if i, err := b.node.Topic(bg, topic); err != nil || i.Damaged != nil {
		b.t.Errorf("topic %s: %v, damaged: %v", topic, err, i.Damaged)
	}
	if _, err := b.node.Commit(bg, pipeproc.Record{Topic: topic}); err != nil {
		b.t.Errorf("commit to %s: %v", topic, err)
	}
}

// TestPruneUnderReader prunes a topic, in part and whole, under cursors that
// have read some of it. They finish what they hold and then say ErrPruned.
func TestPruneUnderReader(t *testing.T) {
	for _, read := range []int{0, 1, 2, 3, 5} {
		for _, first := range []uint64{5, 9, 12} {
			t.Run(fmt.Sprintf("%d read, pruned to %d", read, first), func(t *testing.T) {
				b := goneStore(t)
				c, err := b.node.Cursor(bg, "a", pipeproc.RangeOptions{})
				b.must(err)
				defer c.Close()
				rev, err := b.node.Cursor(bg, "a", pipeproc.RangeOptions{Reverse: true})
				b.must(err)
				defer rev.Close()
				for i := range read {
					if !c.Next() || c.ID().Seq != uint64(i) {
						t.Fatalf("record %d: %v", i, c.Err())
					}
					if !rev.Next() || rev.ID().Seq != uint64(11-i) {
						t.Fatalf("record %d, backwards: %v", 11-i, rev.Err())
					}
				}
				b.must(b.node.Prune(bg, "a", first))
				b.must(b.node.Checkpoint(bg))
				next := uint64(read)
				for c.Next() {
					if c.ID().Seq != next {
						t.Errorf("got %v, want %d", c.ID(), next)
					}
					next = c.ID().Seq + 1
				}
				if err := c.Err(); next < 12 && !errors.Is(err, pipeproc.ErrPruned) {
					t.Errorf("the cursor stopped before %d: %v", next, err)
				}
				seq := uint64(12 - read)
				for rev.Next() {
					seq--
					if rev.ID().Seq != seq {
						t.Errorf("got %v, want %d", rev.ID(), seq)
					}
				}
				if err := rev.Err(); err != nil && !errors.Is(err, pipeproc.ErrPruned) || err == nil && seq > first {
					t.Errorf("the reverse cursor stopped at %d: %v", seq, err)
				}
				b.unharmed("a")
			})
		}
	}
}

// TestDeleteUnderReader deletes a topic under a cursor, a view and a follower.
func TestDeleteUnderReader(t *testing.T) {
	for _, again := range []bool{false, true} {
		b := goneStore(t)
		c, err := b.node.Cursor(bg, "a", pipeproc.RangeOptions{})
		b.must(err)
		if !c.Next() {
			t.Fatal(c.Err())
		}
		v, err := b.node.View(bg)
		b.must(err)
		b.must(b.node.DeleteTopic(bg, "a"))
		if again {
			_, err := b.node.Commit(bg, pipeproc.Record{Topic: "a", Body: []byte("another topic")})
			b.must(err)
		}
		b.must(b.node.Checkpoint(bg))
		allowed := func(err error) bool {
			return errors.Is(err, pipeproc.ErrPruned) || errors.Is(err, pipeproc.ErrInvalidTopic)
		}
		n := uint64(1)
		for c.Next() {
			if c.ID().Seq != n || len(c.Body()) != 20<<10 {
				t.Errorf("got %v of %d bytes, want sequence %d of the old topic", c.ID(), len(c.Body()), n)
			}
			n++
		}
		if err := c.Err(); n < 12 && !allowed(err) {
			t.Errorf("the cursor stopped before %d: %v", n, err)
		}
		c.Close()
		for r, err := range v.Range(bg, "a", pipeproc.RangeOptions{}) {
			if err != nil && !allowed(err) || err == nil && len(r.Body) != 20<<10 {
				t.Errorf("through a view: %v, %d bytes, %v", r.ID, len(r.Body), err)
			}
		}
		if !again {
			b.commit("b", 1)
		}
		b.unharmed(map[bool]string{true: "a", false: "b"}[again])
	}
}
