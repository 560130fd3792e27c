package segment

import (
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/vfs"
)

// Mapping is a read-only mapping of a segment file. The first access to a page
// costs a hundred times a later one, unless many pages are populated at once. So a
// mapping counts reads by regions of the file, and populates a region that is read
// repeatedly as a whole.
type Mapping struct {
	vfs.Mapping
	size  int64
	reads []atomic.Int32 // per region; at least populated once the region is
	slow  atomic.Bool    // populating a region took longer than reading it

	elapsed func() time.Duration
}

const (
	// regionSize is the size of a region in bytes.
	regionSize = 2 << 20
	// minFileReads is the number of reads above which mapping a file pays.
	minFileReads = 3
	// minRegionReads is the number of reads above which populating a region pays:
	// it costs at least as much as that many faults, and data that is not in memory
	// would be read from disk for nothing.
	minRegionReads = 16
	// populated is above any count of reads.
	populated = 1 << 20
	// slowPage is about the time to read 4 KiB from the page cache.
	slowPage = 500 * time.Nanosecond
)

func newMapping(m vfs.Mapping, size int64, elapsed func() time.Duration) *Mapping {
	return &Mapping{Mapping: m, size: size, elapsed: elapsed, reads: make([]atomic.Int32, (size+regionSize-1)/regionSize)}
}

// Near notes that bytes around off will be read, and may populate their region.
// Nothing at or past end, where the file's data ends, is populated.
func (m *Mapping) Near(off, end int64) {
	r := &m.reads[off/regionSize]
	if n := r.Load(); n >= populated || n < minRegionReads && r.Add(1) <= minRegionReads {
		return
	}
	if r.Swap(populated) < populated { // else another goroutine does it
		m.populateRegion(off, end)
	}
}

func (m *Mapping) populateRegion(off, end int64) {
	from := off &^ (regionSize - 1)
	m.Populate(from, min(regionSize, min(end, m.size)-from))
}

// Scan notes that bytes from off on will be read in order, and populates their
// region. It returns false if the region is not populated because populating has
// once taken longer than reading: the cost depends on the machine, on the size of
// the page cache's folios, and on whether the file is in it at all.
func (m *Mapping) Scan(off, end int64) bool {
	r := &m.reads[off/regionSize]
	if r.Load() >= populated {
		return true
	}
	if m.slow.Load() {
		return false
	}
	if r.Swap(populated) < populated {
		began := m.elapsed()
		m.populateRegion(off, end)
		if m.elapsed()-began > slowPage*(regionSize/4096) {
			m.slow.Store(true)
		}
	}
	return true
}
