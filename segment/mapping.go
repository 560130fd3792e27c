package segment

import (
	"sync/atomic"

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
}

const (
	// region is the size of a region in bytes.
	region = 2 << 20
	// fewReads is how many reads do not make it worth while to bring in a region,
	// or to map a file: a store that is not in memory would be read from the disk
	// for nothing.
	fewReads = 3
	// brought is beyond any count of reads.
	brought = 1 << 20
)

func newMapping(m vfs.Mapping, size int64) *Mapping {
	return &Mapping{Mapping: m, size: size, reads: make([]atomic.Int32, (size+region-1)/region)}
}

// Near says that bytes around off will be read. Nothing at or beyond end, where
// the file's data ends, is brought in.
func (m *Mapping) Near(off, end int64) {
	r := &m.reads[off/region]
	if n := r.Load(); n >= brought || n < fewReads && r.Add(1) <= fewReads {
		return
	}
	if r.Swap(brought) >= brought {
		return // another one does it
	}
	from := off &^ (region - 1)
	m.Populate(from, min(region, min(end, m.size)-from))
}
