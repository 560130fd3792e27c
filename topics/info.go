package topics

import "github.com/pipeproc/pipeproc/segment"

// Info describes a topic at one moment.
type Info struct {
	Name      string
	ID        uint64
	First     uint64 // first sequence that can be read, or Next if there is none
	Next      uint64 // sequence of the next record
	Records   uint64 // records that can be read
	CreatedAt int64  // unix milliseconds
	FirstTime int64  // time of the first record that can be read, unix milliseconds; 0 if there is none
	LastTime  int64  // time of the newest record, unix milliseconds; 0 if there never was one
	Bytes     int64  // encoded bytes of all records ever committed, uncompressed
	DiskBytes int64  // bytes that its segment files occupy
	Segments  int
	Options   Options
	Damaged   error // why the topic refuses commits, or nil
}

// Info describes the topic. It may read a block header from disk.
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

// firstTime returns the time of the record with sequence first, or 0 if it cannot
// be read. It reads a block header if the topic was pruned within a segment.
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

// IndexBytes estimates the heap bytes of the topic's index.
func (t *Topic) IndexBytes() int {
	n := t.log.idx.Bytes()
	for _, s := range t.log.list() {
		if l := s.points.list.Load(); l != nil {
			n += len(*l) * pointSize
		}
	}
	return n
}

// CarriedBytes returns how many bytes of tails the snapshot carried that the registry
// was just restored from.
func (r *Registry) CarriedBytes() int64 {
	n := int64(0)
	for _, t := range r.byID {
		for _, s := range t.log.list() {
			if !s.kept.Load() {
				n += s.end.Load() - s.flushed.Load()
			}
		}
	}
	return n
}

// TailBytes returns how many bytes of the topic are in memory and not in a
// segment file yet.
func (t *Topic) TailBytes() int64 {
	var n int64
	for _, s := range t.log.list() {
		n += max(0, s.end.Load()-s.flushed.Load())
	}
	return n
}

// FileInfo describes one segment, according to the topic's state.
type FileInfo struct {
	Number  uint64
	Base    uint64 // first sequence
	Next    uint64 // sequence after its last record; 0 for the growing one
	Written bool   // some of its blocks are in a file
	Sealed  bool
	Kept    bool   // the snapshot keeps blocks that the file should hold
	MinSize int64  // the least size of the file in bytes, or its exact size if sealed
	DataEnd int64  // offset past its last block in the file
	Digest  uint64 // of its blocks, if sealed or made by Grown
	// Rest has the head sums of the blocks that are not in the file, if made by Grown.
	Rest []uint32
	Size int64 // bytes that the file occupies; 0 if there is none
}

// Files describes the topic's segments, in order.
func (t *Topic) Files() []FileInfo {
	list := t.log.list()
	out := make([]FileInfo, 0, len(list))
	for i, s := range list {
		f := FileInfo{Number: s.number, Base: s.base, Written: s.hasFile.Load() && s.flushed.Load() > segment.FileHeaderSize, Sealed: s.sealed.Load(), Kept: s.kept.Load(), DataEnd: s.flushed.Load()}
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

// Grown returns f, which describes the growing segment, as of now and with what is
// needed to compare its file with the topic's state. ok is false if it is not the
// growing one any more. The caller holds the commit lock.
func (t *Topic) Grown(f FileInfo) (_ FileInfo, ok bool) {
	s := t.log.cur
	if s == nil || s.number != f.Number || s.sealed.Load() {
		return f, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.DataEnd = s.flushed.Load()
	f.MinSize, f.Digest, f.Rest = f.DataEnd, s.digest.Sum(), nil
	err := s.tail.each(f.DataEnd, s.end.Load(), func(off int64, b []byte) error {
		for len(b) > 0 {
			h, err := segment.ParseHeader(b, s.place, off)
			if err != nil {
				return err
			}
			f.Rest = append(f.Rest, segment.HeadSum(b))
			b, off = b[h.Size():], off+h.Size()
		}
		return nil
	})
	return f, err == nil
}

// Meta returns the expected content of the header of a segment's file, except the
// epoch, which is 0.
func (t *Topic) Meta(f FileInfo) segment.Meta {
	m := t.log.meta
	m.Number, m.Base = f.Number, f.Base
	return m
}

// Gap reports whether the topic's state accounts for the absence of the sequences
// [from, to): they lie in gaps, or below the topic's start, where gaps are
// forgotten.
func (t *Topic) Gap(from, to uint64) bool {
	from = max(from, t.First())
	for from < to {
		g, ok := t.gaps.at(from)
		if !ok {
			return false
		}
		from = g.To
	}
	return true
}
