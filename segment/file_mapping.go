package segment

import (
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/vfs"
)

// Mapping is a read-only mapping of a segment file. The first touch of a page is
// dear, a hundred times a later one, unless many pages are asked for at once. So
// a mapping counts reads by regions of the file, and brings in the whole of a
// region that is read again and again.
type Mapping struct {
	vfs.Mapping
	size  int64
	reads []atomic.Int32 // per region; brought when the region is at hand
	slow  atomic.Bool    // to bring in a region took longer than to read it

	elapsed func() time.Duration
}

const (
	// regionSize is the size of a region in bytes.
	regionSize = 2 << 20
	// minFileReads is how many reads do not make it worth while to map a file.
	minFileReads = 3
	// minRegionReads is how many reads do not make it worth while to bring in a region:
	// that costs as much as so many faults at least, and a store that is not in
	// memory would be read from the disk for nothing.
	minRegionReads = 16
	// populated is beyond any count of reads.
	populated = 1 << 20
	// slowPage is about what it takes to read 4 KiB from the page cache.
	slowPage = 500 * time.Nanosecond
)

func newMapping(m vfs.Mapping, size int64, elapsed func() time.Duration) *Mapping {
	return &Mapping{Mapping: m, size: size, elapsed: elapsed, reads: make([]atomic.Int32, (size+regionSize-1)/regionSize)}
}

// Near says that bytes around off will be read. Nothing at or beyond end, where
// the file's data ends, is brought in.
func (m *Mapping) Near(off, end int64) {
	r := &m.reads[off/regionSize]
	if n := r.Load(); n >= populated || n < minRegionReads && r.Add(1) <= minRegionReads {
		return
	}
	if r.Swap(populated) < populated { // or another one does it
		m.populateRegion(off, end)
	}
}

func (m *Mapping) populateRegion(off, end int64) {
	from := off &^ (regionSize - 1)
	m.Populate(from, min(regionSize, min(end, m.size)-from))
}

// Scan says that bytes from off on will be read in order. It reports whether they
// are at hand, or brings them in, until that has taken longer than to read them:
// what it takes depends on the machine, on how large the pieces of the page cache
// are, and on whether the file is in it at all.
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
