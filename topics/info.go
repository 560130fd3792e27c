package topics

import "github.com/pipeproc/pipeproc/segment"

// Info describes a topic at one moment.
type Info struct {
	Name      string
	ID        uint64
	First     uint64 // first sequence that can be read; Next when there is none
	Next      uint64 // sequence that the next record will have
	Records   uint64 // records that can be read
	CreatedAt int64  // unix milliseconds
	FirstTime int64  // time of the first record that can be read, unix milliseconds; 0 if there is none
	LastTime  int64  // time of the newest record, unix milliseconds; 0 if there never was one
	Bytes     int64  // encoded bytes of all records ever committed, uncompressed
	DiskBytes int64  // bytes that its segment files take
	Segments  int
	Options   Options
	Damaged   error // why it refuses commits, or nil
}

// Info returns the topic's description.
func (t *Topic) Info() Info {
	i := Info{Name: t.name, ID: t.id, First: t.First(), Next: t.End(), Records: t.Length(),
		CreatedAt: t.createdMs, LastTime: t.lastTime.Load(), Bytes: t.size.Load(), Options: t.opts}
	for _, s := range t.log.list() {
		i.Segments++
		if s.hasFile.Load() {
			i.DiskBytes += max(s.reserved.Load(), s.flushed.Load())
		}
	}
	if d := t.damage.Load(); d != nil {
		i.Damaged = d
	}
	if i.Next > i.First {
		i.FirstTime = t.firstTime(i.First)
	}
	return i
}

// firstTime returns the time of the record first, 0 if it cannot be read. It
// reads a block's header when the topic was pruned within a segment.
func (t *Topic) firstTime(first uint64) int64 {
	if s := t.log.segAt(first); s != nil && s.base == first {
		return s.time
	}
	r := reader{t: t, readSize: seekRead}
	defer r.close()
	p, err := r.seek(first)
	if err != nil || p.off >= p.s.end.Load() {
		return 0
	}
	h, err := r.head(p.s, p.off)
	if err != nil {
		return 0
	}
	return h.Time
}

// IndexBytes returns an estimate of the heap bytes of the topic's index.
func (t *Topic) IndexBytes() int {
	n := t.log.idx.Bytes()
	for _, s := range t.log.list() {
		if l := s.points.list.Load(); l != nil {
			n += len(*l) * pointSize
		}
	}
	return n
}

// TailBytes returns the bytes of all topics that are not in segment files. Leader
// only.
func (r *Registry) TailBytes() int64 {
	n := int64(0)
	for _, t := range r.byID {
		n += t.TailBytes()
	}
	return n
}

// TailBytes returns the bytes of the topic that are in memory and not in a
// segment file yet.
func (t *Topic) TailBytes() int64 {
	var n int64
	for _, s := range t.log.list() {
		n += max(0, s.end.Load()-s.flushed.Load())
	}
	return n
}

// FileInfo is what the state says of one segment.
type FileInfo struct {
	Number  uint64
	Base    uint64 // first sequence
	Next    uint64 // sequence behind its last record; 0 for the growing one
	Written bool   // it has blocks in a file
	Sealed  bool
	MinSize int64  // bytes that the file must have; exactly, when sealed
	DataEnd int64  // where its blocks in the file end
	Digest  uint64 // of its blocks, when sealed
	Size    int64  // bytes that the file takes, 0 without one
}

// Files lists the topic's segments in order.
func (t *Topic) Files() []FileInfo {
	list := t.log.list()
	out := make([]FileInfo, 0, len(list))
	for i, s := range list {
		f := FileInfo{Number: s.number, Base: s.base, Written: s.hasFile.Load() && s.flushed.Load() > segment.FileHeaderSize, Sealed: s.sealed.Load(), DataEnd: s.flushed.Load()}
		f.MinSize = f.DataEnd
		if s.hasFile.Load() {
			f.Size = max(s.reserved.Load(), s.flushed.Load())
		}
		if f.Sealed {
			f.MinSize = s.reserved.Load()
			f.Digest = s.digest.Sum()
		}
		if i+1 < len(list) {
			f.Next = list[i+1].base
		}
		out = append(out, f)
	}
	return out
}

// Meta returns what the header of a segment's file must say.
func (t *Topic) Meta(f FileInfo) segment.Meta {
	m := t.log.meta
	m.Number, m.Base = f.Number, f.Base
	return m
}

// Gap reports whether the topic's state knows that the sequences [from, to) are
// not there: because of gaps, or below its start, where it forgets them.
func (t *Topic) Gap(from, to uint64) bool {
	from = max(from, t.First())
	for from < to {
		g, ok := t.gapAt(from)
		if !ok {
			return false
		}
		from = g.To
	}
	return true
}
