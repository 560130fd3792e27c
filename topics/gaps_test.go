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

// lastRoom tells in which memory a list is.
func lastRoom(list []gapRun) *gapRun {
	if cap(list) == 0 {
		return nil
	}
	return &list[:cap(list)][cap(list)-1]
}

// TestS19: a gap behind each record costs the same however many there are, and so does a
// prune. The list was copied for each of them: 40,000 took half a minute.
func TestS19(t *testing.T) {
	const n = 40_000
	var g gaps
	copied := 0
	note := func(change func()) {
		before := lastRoom(g.all())
		change()
		if lastRoom(g.all()) != before {
			copied += len(g.all())
		}
	}
	for i := range uint64(n) {
		note(func() { g.add(10*i, 10*i+5) })
	}
	if copied == 0 || copied > 8*n {
		t.Errorf("%d gaps were copied for %d that were added", copied, n)
	}
	copied = 0
	for i := range uint64(n) {
		note(func() { g.dropBelow(10 * i) })
	}
	if copied == 0 || copied > 2*n {
		t.Errorf("%d gaps were copied for %d that were pruned", copied, n)
	}
}
