package engine

import (
	"math/rand/v2"
	"testing"
)

// TestS21: watches come and go at a cost that does not grow with their number. With a
// list that was copied for each, 8,000 that waited for one record took 7 s to be woken.
func TestS21(t *testing.T) {
	for _, n := range []int{1000, 8000} {
		var e Engine
		calls := make([]int, n)
		stops := make([]func(), n)
		for i := range n {
			stops[i] = e.Watch("p", "topic", func() { calls[i]++ })
		}
		e.watches.callForProc("p")
		for i, c := range calls {
			if c != 1 {
				t.Fatalf("watch %d was called %d times", i, c)
			}
		}
		// Woken, all leave and come again: no place is copied more than a few times.
		allocs := testing.AllocsPerRun(1, func() {
			for i := range n {
				stops[i]()
				stops[i] = e.Watch("p", "topic", func() { calls[i]++ })
			}
		})
		if allocs > float64(12*n) {
			t.Errorf("%d watches: %.0f allocations", n, allocs)
		}
		if l := e.watches.byProc["p"]; cap(l.all) > 8*n || l.live != n {
			t.Errorf("%d watches: %d places, %d live", n, cap(l.all), l.live)
		}
		for _, stop := range stops {
			stop()
			stop() // does nothing
		}
		if e.watches.count.Load() != 0 || len(e.watches.byProc) != 0 || len(e.watches.byTopic) != 0 {
			t.Error("something is left")
		}
	}
}

// TestWatchesAgainstModel adds, removes and calls watches at random.
func TestWatchesAgainstModel(t *testing.T) {
	var e Engine
	rnd := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c"}
	type entry struct {
		proc, topic string
		calls, want int
		stop        func()
	}
	var live []*entry
	for range 20_000 {
		switch k := rnd.IntN(10); {
		case k < 4:
			w := &entry{proc: names[rnd.IntN(3)], topic: names[rnd.IntN(3)]}
			w.stop = e.Watch(w.proc, w.topic, func() { w.calls++ })
			live = append(live, w)
		case k < 8 && len(live) > 0:
			i := rnd.IntN(len(live))
			w := live[i]
			w.stop()
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
			if w.calls != w.want {
				t.Fatalf("%d calls, want %d", w.calls, w.want)
			}
		case k == 8:
			name := names[rnd.IntN(3)]
			e.watches.callForProc(name)
			for _, w := range live {
				if w.proc == name {
					w.want++
				}
			}
		default:
			e.watches.callAll()
			for _, w := range live {
				w.want++
			}
		}
	}
	for _, w := range live {
		if w.calls != w.want {
			t.Fatalf("%d calls, want %d", w.calls, w.want)
		}
	}
}

// BenchmarkWake wakes waiters that all leave and come again.
func BenchmarkWake(b *testing.B) {
	var e Engine
	stops := make([]func(), 8000)
	for i := range stops {
		stops[i] = e.Watch("p", "topic", func() {})
	}
	for b.Loop() {
		e.watches.callForProc("p")
		for i := range stops {
			stops[i]()
			stops[i] = e.Watch("p", "topic", func() {})
		}
	}
}
