package segment

import (
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/vfs"
)

// counted records which regions are populated.
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

// TestRegions demands that a region is populated once, only after it was read a few
// times, and never past the end of the data.
func TestRegions(t *testing.T) {
	c := new(counted)
	const size = 2*regionSize + 5000
	m := newMapping(c, size, nil)
	for range minRegionReads {
		m.Near(regionSize+10, size)
		m.Near(size-1, size-100)
	}
	if len(c.calls) != 0 {
		t.Fatal("brought in too soon:", c.calls)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				m.Near(2*regionSize-1, size)
			}
		})
	}
	wg.Wait()
	m.Near(2*regionSize, size-100)
	if len(c.calls) != 2 || c.calls[0] != [2]int64{regionSize, regionSize} || c.calls[1] != [2]int64{2 * regionSize, 4900} {
		t.Fatal("brought in:", c.calls)
	}
}

// TestScanDear demands that a scan populates regions until that takes longer than
// reading them.
func TestScanDear(t *testing.T) {
	c := new(counted)
	const size = 5 * regionSize
	now, takes := time.Duration(0), slowPage*(regionSize/4096)
	m := newMapping(c, size, func() time.Duration { now += takes; return now })
	for i, want := range []bool{true, true, false} {
		if i == 1 {
			takes++ // the region is still populated, but is the last one
		}
		if got := m.Scan(int64(i)*regionSize, size); got != want {
			t.Errorf("region %d is at hand: %t", i, got)
		}
	}
	if !m.Scan(5, size) || !m.Scan(regionSize, size) || len(c.calls) != 2 {
		t.Error("brought in:", c.calls)
	}
}
