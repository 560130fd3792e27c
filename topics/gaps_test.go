package topics

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// TestGaps compares the gaps of a topic with a set of sequences.
func TestGaps(t *testing.T) {
	const limit = 200
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		var g gaps
		var missing [limit + 1]bool
		first, end := uint64(0), uint64(0)
		for range 40 {
			switch rng.IntN(5) {
			case 0: // a repair
				from := rng.Uint64N(limit)
				to := from + rng.Uint64N(min(10, limit-from))
				from = max(from, first)
				g.add(from, to)
				for ; from < to; from++ {
					missing[from] = true
				}
				end = max(end, to)
			case 1: // a prune
				first += rng.Uint64N(8)
				g.dropBelow(first)
			case 2: // a snapshot
				var list []Gap
				for _, r := range g.all() {
					list = append(list, r.Gap)
				}
				if rng.IntN(2) == 0 && len(list) > 0 { // as an earlier program could write it
					list = append(list, list[rng.IntN(len(list))])
				}
				g = gaps{}
				g.restore(list)
			default: // an import
				from := max(end+1, first) + rng.Uint64N(3)
				to := from + rng.Uint64N(5)
				if to > limit {
					continue
				}
				g.add(from, to)
				end = to
				for ; from < to; from++ {
					missing[from] = true
				}
			}
			check(t, &g, missing[:], first, round)
		}
	}
}

func check(t *testing.T, g *gaps, missing []bool, first uint64, round int) {
	t.Helper()
	list := g.all()
	for i, r := range list {
		if r.From >= r.To || i > 0 && list[i-1].To >= r.From {
			t.Fatalf("round %d: out of order: %v", round, list)
		}
	}
	n := uint64(0)
	for seq := first; seq < uint64(len(missing)); seq++ {
		r, ok := g.at(seq)
		if ok != missing[seq] || ok && (r.From > seq || r.To <= seq) {
			t.Fatalf("round %d: sequence %d is missing: %v, but found %v, %v in %v", round, seq, missing[seq], r, ok, list)
		}
		if got := g.missing(first, seq); got != n {
			t.Fatalf("round %d: %d of [%d, %d) are missing, got %d: %v", round, n, first, seq, got, list)
		}
		if ok {
			n++
		}
	}
}

// TestGapsReaders lets readers look at lists that grow and are pruned: no list that was
// seen ever changes. The race detector sees the memory that they share.
func TestGapsReaders(t *testing.T) {
	var g gaps
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				list := g.all()
				seen := slices.Clone(list)
				runtime.Gosched()
				if !slices.Equal(list, seen) {
					t.Error("a list of gaps changed under its reader")
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range uint64(5000) {
		g.add(10*i, 10*i+5)
		if i%7 == 0 && i > 100 {
			g.dropBelow(10 * (i - 100))
		}
		if i%500 == 499 {
			g.add(10*i-20, 10*i-3)
		}
	}
	close(done)
	wg.Wait()
	if n := cap(g.all()); n > 1000 {
		t.Errorf("room for %d gaps is kept, though 100 are there", n)
	}
}

// allocated returns how many bytes fn allocates.
func allocated(fn func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}

// Field case S19: the cost of a gap does not depend on how many there are. What is copied
// is allocated, so bytes tell.
func TestS19GapsCost(t *testing.T) {
	cost := func(n uint64) float64 {
		return allocated(func() {
			var g gaps
			for i := range n {
				g.add(2*i+1, 2*i+2)
			}
			for i := range n {
				g.dropBelow(2 * i)
			}
			if len(g.all()) != 1 {
				t.Fatal("gaps are left")
			}
		})
	}
	if a, b := cost(10_000), cost(40_000); b > 6*a {
		t.Errorf("40,000 gaps take %.0f bytes of copies, a quarter of them %.0f", b, a)
	}
}
