package topics

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/index"
	"github.com/pipeproc/pipeproc/segment"
)

// pointSpacing is the least distance in bytes between two points, and so between
// two entries of a footer: a record is at most a block or two after one.
const pointSpacing = 2 << 10

// point is the position of a block of a segment, in 12 bytes: sequence and time
// are relative to the segment's first block.
type point struct{ seq, ms, off uint32 }

// points are the positions of blocks of a growing segment, in order. They serve
// reads of single records and the footer. The commit leader adds points; readers
// search them without a lock.
type points struct {
	n    atomic.Int64 // how many entries of list are valid
	list atomic.Pointer[[]point]
	last int64 // offset of the latest point, or of a later block out of range for one; leader only
}

// pointSize is the size of a point on the heap, in bytes.
const pointSize = 12

// add adds a point for the block with base seq and time ms at offset off, if it is
// at least pointSpacing after the last one. It leaves out a block whose distance
// from the segment's first block does not fit in 32 bits: a search finds an earlier
// point or an entry of the index.
func (p *points) add(s *seg, seq uint64, ms, off int64) {
	if p.last > 0 && off-p.last < pointSpacing {
		return
	}
	p.last = off
	q := point{uint32(seq - s.base), uint32(ms - s.time), uint32(off)}
	if seq-s.base > math.MaxUint32 || uint64(ms-s.time) > math.MaxUint32 || off > math.MaxUint32 {
		return
	}
	n := int(p.n.Load())
	l := p.list.Load()
	if l == nil || n == len(*l) {
		grown := make([]point, max(4, n*3/2))
		if l != nil {
			copy(grown, *l)
		}
		l = &grown
		p.list.Store(l)
	}
	(*l)[n] = q
	p.n.Store(int64(n + 1))
}

// reserve allocates space for n points. No point may have been added yet.
func (p *points) reserve(n int) {
	if n > 0 {
		l := make([]point, n+n/8)
		p.list.Store(&l)
	}
}

// drop frees all points, once the segment has a footer.
func (p *points) drop() { p.list.Store(nil) }

// all returns all points.
func (p *points) all() []point {
	n := p.n.Load() // before the list: a later list has at least as many
	l := p.list.Load()
	if l == nil {
		return nil
	}
	return (*l)[:n]
}

// floor returns the offset of the last point at or before seq, and the offset of
// the next point, or end if there is none.
func (p *points) floor(s *seg, seq uint64, end int64) (from, to int64, ok bool) {
	if seq < s.base {
		return 0, end, false
	}
	list := p.all()
	lo, hi := 0, len(list)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if uint64(list[mid].seq) <= seq-s.base {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return 0, end, false
	}
	to = end
	if lo < len(list) {
		to = int64(list[lo].off)
	}
	return int64(list[lo-1].off), to, true
}

// before returns the offset of the last point with a time below ms.
func (p *points) before(s *seg, ms int64) (off int64, ok bool) {
	list := p.all()
	i, _ := slices.BinarySearchFunc(list, ms-s.time, func(q point, d int64) int { return cmp.Compare(int64(q.ms), d) })
	if i == 0 {
		return 0, false
	}
	return int64(list[i-1].off), true
}

// entries returns the known block positions of s, in order and at least spacing
// bytes apart. Only the checkpoint calls it.
func (l *log) entries(s *seg, spacing int64) []segment.Entry {
	sparse := l.idx.Entries(s.number, s.base)
	list := s.points.all()
	out := make([]segment.Entry, 0, len(sparse)+len(list))
	add := func(e segment.Entry) {
		if len(out) == 0 || e.Off-out[len(out)-1].Off >= spacing {
			out = append(out, e)
		}
	}
	for _, p := range list {
		e := segment.Entry{Seq: s.base + uint64(p.seq), Time: s.time + int64(p.ms), Off: int64(p.off)}
		for len(sparse) > 0 && sparse[0].Off < e.Off {
			add(entry(sparse[0]))
			sparse = sparse[1:]
		}
		add(e)
	}
	for _, e := range sparse {
		add(entry(e))
	}
	return slices.Clip(out)
}

func entry(e index.Entry) segment.Entry { return segment.Entry{Seq: e.Seq, Time: e.Time, Off: e.Off} }
