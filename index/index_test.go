package index

import (
	"fmt"
	"math"
	"math/rand"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// model is the obvious implementation.
type model []Entry

func (m model) last(before func(Entry) bool) (e Entry, ok bool) {
	for _, x := range m {
		if before(x) {
			e, ok = x, true
		}
	}
	return e, ok
}

func (m model) floor(seq uint64) (Entry, bool) {
	return m.last(func(e Entry) bool { return e.Seq <= seq })
}

func (m model) before(ms int64) (Entry, bool) {
	return m.last(func(e Entry) bool { return e.Time < ms })
}

func (m model) after(seq uint64) (Entry, bool) {
	for _, e := range m {
		if e.Seq > seq {
			return e, true
		}
	}
	return Entry{}, false
}

func (m model) entries(segment, base uint64) (list []Entry) {
	for _, e := range m {
		if e.Segment == segment && e.Seq >= base {
			list = append(list, e)
		}
	}
	return list
}

func (m model) thin(segment uint64) model {
	first := true
	return slices.DeleteFunc(m, func(e Entry) bool {
		drop := e.Segment == segment && !first
		first = first && e.Segment != segment
		return drop
	})
}

func (m model) dropBelow(seq uint64) model {
	floor, ok := m.floor(seq)
	return slices.DeleteFunc(m, func(e Entry) bool { return ok && e.Seq < floor.Seq })
}

func TestIndexAgainstModel(t *testing.T) {
	for seed := range int64(10) {
		rnd := rand.New(rand.NewSource(seed))
		x := New()
		var m model
		// Segments come in no order, as after a repair.
		numbers := rnd.Perm(400)
		next := Entry{Seq: uint64(rnd.Intn(3)), Time: int64(rnd.Intn(3)) - 1, Segment: uint64(numbers[0])}
		used, base := 1, map[uint64]uint64{next.Segment: next.Seq}
		for range 1500 {
			switch rnd.Intn(40) {
			case 0:
				n := uint64(numbers[rnd.Intn(used+1)])
				x.Thin(n, base[n])
				m = m.thin(n)
			case 1:
				seq := uint64(rnd.Intn(int(next.Seq)/2 + 1))
				x.DropBelow(seq)
				m = m.dropBelow(seq)
			case 2:
				next.Segment, next.Off = uint64(numbers[used]), 0
				base[next.Segment] = next.Seq
				used++
			default:
				x.Add(next)
				m = append(m, next)
				next.Seq += uint64(1 + rnd.Intn(5))
				next.Time += int64(max(0, rnd.Intn(6)-3))
				next.Off += int64(rnd.Intn(100))
			}
			if x.Len() != len(m) {
				t.Fatalf("seed %d: %d entries, want %d", seed, x.Len(), len(m))
			}
			seq, ms := uint64(rnd.Intn(int(next.Seq)+3)), int64(rnd.Intn(int(next.Time)+5))-2
			compare(t, "floor", seq, two(x.Floor(seq)), two(m.floor(seq)))
			compare(t, "before", ms, two(x.Before(ms)), two(m.before(ms)))
			compare(t, "after", seq, two(x.After(seq)), two(m.after(seq)))
			n := uint64(numbers[rnd.Intn(used+1)])
			if got, want := x.Entries(n, base[n]), m.entries(n, base[n]); !slices.Equal(got, want) {
				t.Fatalf("seed %d: entries of %d: %v, want %v", seed, n, got, want)
			}
		}
	}
}

type result struct {
	Entry
	ok bool
}

func two(e Entry, ok bool) result { return result{e, ok} }

func compare(t *testing.T, what string, arg any, got, want result) {
	t.Helper()
	if got != want {
		t.Fatalf("%s(%v) = %+v, want %+v", what, arg, got, want)
	}
}

func TestIndexExtremes(t *testing.T) {
	x := New()
	if _, ok := x.Floor(math.MaxUint64); ok {
		t.Error("empty: floor")
	}
	x.Thin(0, 0)
	x.DropBelow(5)
	x.Add(Entry{Seq: 1, Off: -1})
	if x.Len() != 0 || x.Entries(0, 0) != nil {
		t.Error("a negative offset was added")
	}
	first := Entry{Seq: 0, Time: 0, Segment: 0, Off: 0}
	last := Entry{Seq: math.MaxUint64, Time: math.MaxInt64, Segment: math.MaxUint64, Off: math.MaxInt64}
	x.Add(last)
	x.Add(first)
	x.Add(first)
	for _, c := range []struct {
		got  result
		want result
	}{
		{two(x.Floor(0)), result{first, true}},
		{two(x.Floor(math.MaxUint64)), result{last, true}},
		{two(x.After(0)), result{last, true}},
		{two(x.After(math.MaxUint64)), result{}},
		{two(x.Before(0)), result{}},
		{two(x.Before(math.MinInt64)), result{}},
		{two(x.Before(1)), result{first, true}},
		{two(x.Before(math.MaxInt64)), result{first, true}},
	} {
		if c.got != c.want {
			t.Errorf("%+v, want %+v", c.got, c.want)
		}
	}
	if e := x.Entries(math.MaxUint64, 1); len(e) != 1 || e[0] != last || x.Len() != 2 {
		t.Errorf("entries %v of %d", e, x.Len())
	}
	replaced := Entry{Seq: 0, Off: 512}
	x.Add(replaced)
	if e, _ := x.Floor(3); e != replaced || x.Len() != 2 {
		t.Errorf("replaced by %v", e)
	}
}

func filled(n int) *Index {
	x := New()
	for i := range n {
		x.Add(Entry{Seq: uint64(i * 64), Time: int64(i / 2), Segment: uint64(i / 8192), Off: int64(512 + i%8192*8192)})
	}
	return x
}

func TestLookupsDoNotAllocate(t *testing.T) {
	x := filled(100_000)
	var e Entry
	if n := testing.AllocsPerRun(100, func() {
		e, _ = x.Floor(777_777)
		e, _ = x.Before(7_777)
		e, _ = x.After(777_777)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	_ = e
}

func TestBytesIsAboutRight(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := filled(200_000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	heap := float64(after.HeapAlloc - before.HeapAlloc)
	t.Logf("%.1f bytes per entry", heap/200_000)
	if r := float64(x.Bytes()) / heap; r < 0.7 || r > 1.4 {
		t.Errorf("estimate is %.2f of the truth", r)
	}
	runtime.KeepAlive(x)
}

func TestConcurrentUse(t *testing.T) {
	x := New()
	x.Add(Entry{})
	var readers sync.WaitGroup
	done := make(chan struct{})
	for g := range 3 {
		readers.Go(func() {
			rnd := rand.New(rand.NewSource(int64(g)))
			for {
				select {
				case <-done:
					return
				default:
				}
				seq := uint64(rnd.Intn(20000))
				if e, ok := x.Floor(seq); !ok && seq > 15000 || e.Seq > seq {
					t.Errorf("floor of %d: %v", seq, e)
				}
				if e, ok := x.Before(int64(seq)); ok && e.Time >= int64(seq) {
					t.Errorf("before %d: %v", seq, e)
				}
				x.Entries(uint64(rnd.Intn(20)), 0)
			}
		})
	}
	for i := range 20000 {
		x.Add(Entry{Seq: uint64(i), Time: int64(i), Segment: uint64(i / 1000), Off: 512})
		if i%1000 == 999 {
			x.Thin(uint64(i/1000), uint64(i/1000*1000))
			x.DropBelow(uint64(i / 2))
		}
	}
	close(done)
	readers.Wait()
	if x.Len() > 12 {
		t.Errorf("%d entries left", x.Len())
	}
}

func BenchmarkLookups(b *testing.B) {
	for _, n := range []int{100, 10_000, 1_000_000} {
		x := filled(n)
		b.Run(fmt.Sprintf("Floor/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				x.Floor(i * 7919 % uint64(n*64))
			}
		})
		b.Run(fmt.Sprintf("Before/%d", n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				x.Before(int64(i * 7919 % n))
			}
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	x := New()
	for i := 0; b.Loop(); i++ {
		x.Add(Entry{Seq: uint64(i), Time: int64(i)})
	}
}

func BenchmarkThin(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		x := filled(8192)
		b.StartTimer()
		x.Thin(0, 0)
	}
}
