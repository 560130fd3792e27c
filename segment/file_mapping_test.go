package segment

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/vfs"
)

// TestNear compares the search of a footer with a walk over its entries, where
// blocks are of one size and where they are of all sizes.
func TestNear(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	steps := map[string]func(i int) uint64{
		"even":    func(int) uint64 { return 16 },
		"batches": func(i int) uint64 { return []uint64{16, 16, 16, 20}[i%4] },
		"rising":  func(i int) uint64 { return 1 + uint64(i)*uint64(i) },
		"random":  func(int) uint64 { return 1 + r.Uint64N(1<<r.Uint64N(40)) },
		"gap": func(i int) uint64 {
			if i == 150 {
				return 1 << 62
			}
			return 16
		},
	}
	for name, step := range steps {
		for _, n := range []int{1, 2, 3, 300} {
			seq, entries := uint64(7), []Entry(nil)
			for i := range n {
				entries = append(entries, Entry{Seq: seq, Off: FileHeaderSize + int64(i)*1000})
				seq += step(i)
			}
			s := Summary{First: 7, Next: seq, DataEnd: FileHeaderSize + int64(n)*1000, Blocks: uint64(n), Records: uint64(n)}
			b := AppendFooter(nil, entries, s, footerPlace)
			f, err := ParseFooter(b, s.DataEnd+int64(len(b)), footerPlace)
			if err != nil {
				t.Fatal(name, n, err)
			}
			probe := func(seq uint64) {
				i := 0
				for i < n && entries[i].Seq <= seq {
					i++
				}
				from, to, ok := f.Near(seq)
				if ok != (i > 0) {
					t.Fatalf("%s, %d entries: %d found %t", name, n, seq, ok)
				}
				if !ok {
					return
				}
				want := s.DataEnd
				if i < n {
					want = entries[i].Off
				}
				if from != entries[i-1].Off || to != want {
					t.Fatalf("%s, %d entries: %d is between %d and %d, not %d and %d", name, n, seq, entries[i-1].Off, want, from, to)
				}
			}
			for _, e := range entries {
				probe(e.Seq - 1)
				probe(e.Seq)
				probe(e.Seq + 1)
			}
			for range 300 {
				probe(r.Uint64N(seq + 10))
			}
			probe(0)
			probe(1<<64 - 1)
		}
	}
}

// counted notes what is brought in.
type counted struct {
	vfs.Mapping
	mu    sync.Mutex
	calls [][2]int64
}

func (c *counted) Populate(off, n int64) {
	c.mu.Lock()
	c.calls = append(c.calls, [2]int64{off, n})
	c.mu.Unlock()
}

// TestRegions demands that a region is brought in once, not before it was read a
// few times, and never beyond the end of the data.
func TestRegions(t *testing.T) {
	c := new(counted)
	const size = 2*region + 5000
	m := newMapping(c, size, nil)
	for range scattered {
		m.Near(region+10, size)
		m.Near(size-1, size-100)
	}
	if len(c.calls) != 0 {
		t.Fatal("brought in too soon:", c.calls)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				m.Near(2*region-1, size)
			}
		})
	}
	wg.Wait()
	m.Near(2*region, size-100)
	if len(c.calls) != 2 || c.calls[0] != [2]int64{region, region} || c.calls[1] != [2]int64{2 * region, 4900} {
		t.Fatal("brought in:", c.calls)
	}
}

// TestScanDear demands that a scan brings in regions as long as that takes no longer
// than to read them.
func TestScanDear(t *testing.T) {
	c := new(counted)
	const size = 5 * region
	now, takes := time.Duration(0), dearPage*(region/4096)
	m := newMapping(c, size, func() time.Duration { now += takes; return now })
	for i, want := range []bool{true, true, false} {
		if i == 1 {
			takes++ // it is brought in, but the last one
		}
		if got := m.Scan(int64(i)*region, size); got != want {
			t.Errorf("region %d is at hand: %t", i, got)
		}
	}
	if !m.Scan(5, size) || !m.Scan(region, size) || len(c.calls) != 2 {
		t.Error("brought in:", c.calls)
	}
}
