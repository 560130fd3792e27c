package topics

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// TestVisibility drives the two ends that a topic keeps. While commands are applied
// but not published, a reader sees the end before them. It never sees the end of an
// unpublished command, and never an earlier end than before.
func TestVisibility(t *testing.T) {
	r := NewRegistry(Config{Default: Options{SegmentSize: 1 << 20}})
	a, b := r.newTopic(1, "a", r.Default, 0, 0), r.newTopic(2, "b", r.Default, 0, 0)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			last := uint64(0)
			for {
				// Every command moves both topics to its own position, so a
				// reader that sees it in a must see it in b.
				x := a.End()
				y := b.End()
				if y < x || x < last {
					t.Errorf("a ends at %d, then b at %d, before that %d", x, y, last)
					return
				}
				if p := r.Published(); x > p {
					t.Errorf("end %d, published %d", x, p)
					return
				}
				last = x
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	pos := uint64(0)
	for range 20000 {
		published := pos
		for range 1 + rng.IntN(4) { // a group of commands
			pos++
			a.setEnd(pos, pos, published)
			b.setEnd(pos, pos, published)
			if got := a.End(); got != published {
				t.Fatalf("end %d while %d is published", got, published)
			}
		}
		r.Publish(pos)
		if got := b.End(); got != pos {
			t.Fatalf("end %d, want %d", got, pos)
		}
	}
	close(done)
	wg.Wait()
}

// TestS19: a gap behind each record costs the same however many there are. The list was
// copied for each of them: 40,000 took half a minute.
func TestS19(t *testing.T) {
	const n = 40_000
	top := &Topic{}
	var seen [][]Gap // what readers hold
	copied := 0
	for i := range uint64(n) {
		before := top.gapList()
		top.addGap(10*i, 10*i+5)
		now := top.gapList()
		if len(before) > 0 && &before[0] != &now[0] {
			copied += len(before)
		}
		if i%1000 == 0 {
			seen = append(seen, now)
		}
	}
	if copied > 8*n {
		t.Errorf("%d gaps were copied for %d", copied, n)
	}
	top.addGap(7, 9) // of a repair: among the others
	for i, list := range seen {
		if len(list) != 1000*i+1 || list[0] != (Gap{0, 5}) || len(list) > 1 && list[1] != (Gap{10, 15}) {
			t.Fatalf("a reader's list has changed: %d gaps", len(list))
		}
	}
	if list := top.gapList(); len(list) != n+1 || list[1] != (Gap{7, 9}) || list[2] != (Gap{10, 15}) {
		t.Errorf("%d gaps, %v", len(list), list[:3])
	}
	for _, c := range []struct {
		seq uint64
		in  bool
	}{{0, true}, {5, false}, {7, true}, {9, false}, {14, true}, {10*n - 6, true}, {10 * n, false}} {
		if _, ok := top.gapAt(c.seq); ok != c.in {
			t.Errorf("gapAt(%d) = %v", c.seq, ok)
		}
	}
}
