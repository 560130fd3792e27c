package topics

import (
	"fmt"

	"github.com/pipeproc/pipeproc/index"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// Repair works on a registry that has no other user. It never changes a file in
// place: the intact blocks of a damaged segment go to a new segment, and missing
// records become a gap.

// RestoreLost creates a topic whose state was lost, from the header of one of its
// segment files. Salvage then adds its records.
func (r *Registry) RestoreLost(m segment.Meta) (*Topic, error) {
	if err := record.CheckName(m.Name); err != nil {
		return nil, err
	}
	if r.byID[m.Topic] != nil || r.byName[m.Name] != nil {
		return nil, fmt.Errorf("a topic %d or %q is there already", m.Topic, m.Name)
	}
	o, err := r.CheckOptions(r.Default)
	if err != nil {
		return nil, err
	}
	t := r.newTopic(m.Topic, m.Name, o, 0, r.timeFloor.Load())
	r.add(t)
	return t, nil
}

// Lost reports whether the registry knows neither the topic's id nor its name, as
// RestoreLost requires.
func (r *Registry) Lost(m segment.Meta) bool {
	return r.byID[m.Topic] == nil && r.byName[m.Name] == nil
}

// TopicByID returns the topic with the given id, or nil.
func (r *Registry) TopicByID(id uint64) *Topic { return r.byID[id] }

// SkipNumbers makes sure that new segments get numbers above n, so that their
// files never collide with existing ones.
func (t *Topic) SkipNumbers(n uint64) {
	if !mutate.ReuseNumbers {
		t.log.number = max(t.log.number, n+1)
	}
}

// Source is a segment file to be salvaged.
type Source struct {
	File   vfs.File // nil if the file cannot be read at all
	Number uint64
	To     int64 // offset past its data; at most the size of the file
}

// Salvage rewrites the segment numbered src.Number, or adds it if the topic has no
// such segment: every intact block goes to a new segment, in order. It returns the
// new gaps that this leaves in the topic.
func (t *Topic) Salvage(src Source) ([]Gap, error) {
	l := t.log
	m := l.meta
	m.Number = src.Number
	old := l.segNumbered(src.Number)
	w := &rewriter{t: t, dst: l.newSeg(l.number, 0, 0)}
	if old != nil {
		w.floor = old.base
		w.next = old.base
	} else {
		w.floor, w.next = t.next, t.next
	}
	l.number++
	if src.File != nil {
		if err := w.copyFile(src, m.Place()); err != nil {
			return nil, err
		}
	}
	if old != nil {
		if err := w.copyTail(old); err != nil {
			return nil, err
		}
	}
	return w.finish(old)
}

// rewriter copies blocks into a new, sealed segment.
type rewriter struct {
	t       *Topic
	dst     *seg
	f       vfs.File
	off     int64
	floor   uint64 // blocks below do not belong to the segment
	next    uint64 // next expected sequence
	gaps    []Gap
	entries []segment.Entry
}

func (w *rewriter) copyFile(src Source, p segment.Place) error {
	sc := segment.NewScanner(src.File, p, segment.FileHeaderSize, src.To, nil)
	for {
		for sc.Next() {
			if err := w.block(sc.Header(), sc.Body()); err != nil {
				return err
			}
		}
		if sc.Err() == nil {
			return nil
		}
		if !sc.Resync() {
			if isCorrupt(sc.Err()) {
				return nil
			}
			return sc.Err()
		}
	}
}

// copyTail copies the blocks that are in memory only.
func (w *rewriter) copyTail(s *seg) error {
	return s.tail.each(s.flushed.Load(), s.end.Load(), func(off int64, b []byte) error {
		for len(b) > 0 {
			h, err := segment.ParseHeader(b, s.place, off)
			if err != nil || h.Size() > int64(len(b)) {
				return nil // carried bytes are verified already: no intact block follows
			}
			if err := w.block(h, b[segment.HeaderSize:h.Size()]); err != nil {
				return err
			}
			b, off = b[h.Size():], off+h.Size()
		}
		return nil
	})
}

func (w *rewriter) block(h segment.Header, body []byte) error {
	if h.Base < w.next || h.Base < w.floor {
		return nil // a stale block
	}
	if !w.sound(h, body) {
		return nil
	}
	t := w.t
	if w.f == nil {
		w.dst.base, w.dst.time = h.Base, h.Time
		m := t.log.meta
		m.Number, m.Base, m.Epoch = w.dst.number, h.Base, t.log.epoch
		f, err := segment.Create(t.log.fs, t.log.dir, m, firstReserve)
		if err != nil {
			return err
		}
		w.f, w.off = f, segment.FileHeaderSize
	}
	if h.Base > w.next {
		w.gap(w.next, h.Base)
	}
	buf := make([]byte, h.Size())
	h.Put(buf, w.dst.place, w.off)
	copy(buf[segment.HeaderSize:], body)
	if _, err := w.f.WriteAt(buf, w.off); err != nil {
		return err
	}
	s := w.dst
	if w.off-s.lastIdx >= pointSpacing {
		w.entries = append(w.entries, segment.Entry{Seq: h.Base, Time: h.Time, Off: w.off})
		s.lastIdx = w.off
	}
	s.blocks++
	s.records += uint64(h.Count)
	s.digest.Add(segment.HeadSum(buf))
	s.next, s.lastTime = h.Next(), h.Time
	w.next = h.Next()
	w.off += h.Size()
	return nil
}

// sound reports whether the records of a block can be decoded.
func (w *rewriter) sound(h segment.Header, body []byte) bool {
	if h.Codec != segment.None {
		raw, err := w.t.reg.Codecs.Decompress(nil, body, h.Raw)
		if err != nil {
			return false
		}
		body = raw
	}
	it := segment.NewRecords(h, body)
	var rec segment.Record
	for it.Next(&rec) {
	}
	return it.Err() == nil
}

func (w *rewriter) gap(from, to uint64) {
	if from = max(from, w.t.first); to > from && !w.t.Gap(from, to) {
		w.gaps = append(w.gaps, Gap{from, to})
	}
}

// finish seals the new segment, replaces old with it, and adds gaps for missing
// records.
func (w *rewriter) finish(old *seg) ([]Gap, error) {
	t, l, s := w.t, w.t.log, w.dst
	list := l.list()
	at := len(list)
	if old != nil {
		for i := range list {
			if list[i] == old {
				at = i
			}
		}
		end := t.next // the sequence after the old segment
		if at+1 < len(list) {
			end = list[at+1].base
		}
		w.gap(w.next, end)
	}
	if w.f != nil {
		s.end.Store(w.off)
		s.flushed.Store(w.off)
		s.hasFile.Store(true)
		sum := segment.Summary{First: s.base, Next: s.next, FirstTime: s.time, LastTime: s.lastTime,
			DataEnd: w.off, Blocks: s.blocks, Records: s.records, Digest: s.digest.Sum()}
		if err := segment.Seal(w.f, w.entries, sum, s.place); err != nil {
			return nil, err
		}
		if err := w.f.Sync(); err != nil {
			return nil, &SyncError{err}
		}
		size, err := w.f.Size()
		if err != nil {
			return nil, err
		}
		s.reserved.Store(size)
		if err := w.f.Close(); err != nil {
			return nil, err
		}
		s.sealed.Store(true)
	}
	rest := append([]*seg(nil), list[:at]...)
	if w.f != nil {
		rest = append(rest, s)
	}
	if at < len(list) {
		rest = append(rest, list[at+1:]...)
	}
	l.segs.Store(&rest)
	w.update(old)
	for _, g := range w.gaps {
		if !mutate.SkipRepairGap {
			t.gaps.add(g.From, g.To)
		}
	}
	return w.gaps, nil
}

// update brings the topic's counters and index in line with its segments.
func (w *rewriter) update(old *seg) {
	t, l, s := w.t, w.t.log, w.dst
	if old == nil && w.f != nil {
		if t.empty {
			t.empty, t.first = false, s.base
			t.pubFirst.Store(s.base)
			w.gaps = nil // whether there were earlier records is not known
		}
		t.next, t.time = s.next, s.lastTime
		t.lastTime.Store(t.time)
		t.reg.raiseTimeFloor(t.time)
		t.setEnd(t.reg.published.Load(), t.next, t.reg.published.Load())
	}
	if l.cur == old {
		l.cur = nil
	}
	idx := index.New()
	for _, s := range l.list() {
		if s.sealed.Load() {
			idx.Add(index.Entry{Seq: s.base, Time: s.time, Segment: s.number, Off: segment.FileHeaderSize})
			continue
		}
		for _, e := range l.idx.Entries(s.number, s.base) {
			idx.Add(e)
		}
	}
	l.idx = idx
	l.resetPlan()
	t.resetStaged()
	t.damage.Store(nil)
}
