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
