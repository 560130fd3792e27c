package topics

import (
	"encoding/binary"
	"fmt"
	"math"
	"path"

	"github.com/pipeproc/pipeproc/index"
	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
)

// Snapshot payloads. Integers are uvarints unless said otherwise.
//
//	registry: next topic id | time floor (varint)
//	topic:    id | name | segment size | codec byte | created position |
//	          created time (varint) | first | next | time (varint) | empty byte |
//	          raw bytes | next segment number |
//	          damage (length and text, empty for none; if not: segment | offset (varint)) |
//	          gap count | { from | length }… |
//	          segment count | segment…
//	segment:  number | base | time (varint) | end | flags byte | size of the file |
//	          blocks | records | digest (u64) | next | last time (varint)
//	          flags: 1 sealed, 2 has a file, 4 growing, 8 kept (and growing, though
//	          it may be full), 16 a write that succeeds ends the topic's damage
//	growing:  flushed | tail bytes (length and bytes) |
//	          entry count | { seq delta | time delta | offset delta }…
//
//	kept:     topic id | segment number | offset | blocks (the rest)
//
// The tail bytes are exactly what the file holds from offset flushed on once
// they are written to it. A kept segment has no tail bytes: what its file lacks,
// from offset flushed to end, follows the topic as kept payloads, in order.

const (
	flagSealed  = 1
	flagFile    = 2
	flagGrowing = 4
	flagKept    = 8
	flagStuck   = 16
)

// Captured is the state of one topic at the position of a checkpoint.
type Captured struct {
	t      *Topic
	first  uint64
	next   uint64
	time   int64
	empty  bool
	bytes  int64
	gaps   []gapRun
	segs   []*seg
	number uint64
	damage *segment.CorruptError
	last   segState // of the growing segment, if there is one

	// flushed is up to which offset its file will be durable once WriteBack returns.
	flushed int64
	carry   bool // the snapshot carries its tail, which stays out of the file
	kept    []keptSeg
	found   *segment.CorruptError // the damage that WriteBack found first
	// What chooseCarried compares, read once: the leader may create the file at any time.
	tail    int64 // unwritten bytes
	hasFile bool  // its growing segment has a file

	// spacing is the least distance, in bytes, between the positions in the
	// growing segment that the snapshot lists.
	spacing int64
}

// A snapshot lists positions in growing segments at least coarseSpacing bytes
// apart, because it is written again and again. The last one, at a clean close,
// lists all known positions, for up to fineMaxBytes of growing segments, so that
// single records are read as fast after the next opening as before.
const (
	coarseSpacing = 8 << 10
	fineMaxBytes  = 256 << 20
	// fineMinFree is the free space, in bytes, that a larger last snapshot requires:
	// the space reserved for it is the size of the earlier ones.
	fineMinFree = 64 << 20
)

// segState is the part of a segment's state that changes while it grows.
type segState struct {
	end             int64
	blocks, records uint64
	digest          segment.Digest
	next            uint64
	lastTime        int64
}

// Checkpoint is the state of all topics at one position, and the files that become
// garbage once the checkpoint is durable.
type Checkpoint struct {
	Topics  []Captured
	Carried int64 // bytes of the tails that the snapshot carries; set by WriteBack

	// Set by WriteBack, also if it fails: see keep.go.
	Kept    int64                   // bytes of the blocks that the snapshot keeps
	Keeps   bool                    // a segment is kept, perhaps without any block
	Stuck   int                     // topics whose damage a write that succeeds ends
	Damaged []*segment.CorruptError // found since the last one
	Mended  []string                // topics that take commits again

	nextID uint64
	floor  int64
	dead   []deadSeg
}

// Capture captures the applied state. The caller holds the commit lock.
func (r *Registry) Capture() *Checkpoint {
	c := &Checkpoint{nextID: r.nextID, floor: r.timeFloor.Load(), dead: r.dead}
	r.dead = nil
	c.Topics = make([]Captured, 0, len(r.byID))
	for _, t := range r.byID {
		l := t.log
		k := Captured{t: t, first: t.first, next: t.next, time: t.time, empty: t.empty, bytes: t.bytes,
			gaps: t.gaps.all(), segs: l.list(), number: l.number, damage: t.damage.Load(), spacing: coarseSpacing}
		if s := l.cur; s != nil {
			end := s.end.Load()
			k.last = segState{end, s.blocks, s.records, s.digest, s.next, s.lastTime}
			if s.flushed.Load() == end && s.mu.TryLock() {
				s.tail.release()
				s.mu.Unlock()
			}
		}
		c.Topics = append(c.Topics, k)
	}
	return c
}

// AppendRegistry appends the registry's own payload.
func (c *Checkpoint) AppendRegistry(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, c.nextID)
	return binary.AppendVarint(dst, c.floor)
}

// Append appends the payload of one captured topic, after WriteBack.
func (k *Captured) Append(dst []byte) []byte {
	u := enc.AppendUvarints
	t := k.t
	dst = u(dst, t.id)
	dst = enc.AppendStrings(dst, t.name)
	dst = u(dst, uint64(t.opts.SegmentSize))
	dst = append(dst, byte(t.opts.Compression))
	dst = u(dst, t.createdPos)
	dst = enc.AppendVarints(dst, t.createdMs)
	dst = u(dst, k.first, k.next)
	dst = enc.AppendVarints(dst, k.time)
	dst = append(dst, b2i(k.empty))
	dst = u(dst, uint64(k.bytes), k.number)
	if d := k.damage; d != nil {
		dst = enc.AppendStrings(dst, why(d))
		dst = u(dst, d.Segment)
		dst = enc.AppendVarints(dst, d.Offset)
	} else {
		dst = enc.AppendStrings(dst, "")
	}
	dst = u(dst, uint64(len(k.gaps)))
	for _, g := range k.gaps {
		dst = u(dst, g.From, g.To-g.From)
	}
	dst = u(dst, uint64(len(k.segs)))
	for i, s := range k.segs {
		flags, v, flushed := byte(flagGrowing), k.last, k.flushed
		if i < len(k.segs)-1 || s.sealed.Load() {
			v = segState{s.end.Load(), s.blocks, s.records, s.digest, s.next, s.lastTime}
		}
		if s.sealed.Load() {
			flags = flagSealed
		} else if kept := k.keptSeg(s); kept != nil {
			flags |= flagKept | k.stuckFlag()
			flushed = kept.from
		}
		// A file counts once it holds synced blocks. One that was only reserved may
		// be missing after a power cut.
		if flags == flagSealed || flushed > segment.FileHeaderSize {
			flags |= flagFile
		}
		dst = u(dst, s.number, s.base)
		dst = enc.AppendVarints(dst, s.time)
		dst = u(dst, uint64(v.end))
		dst = append(dst, flags)
		dst = u(dst, uint64(s.reserved.Load()), v.blocks, v.records)
		dst = binary.LittleEndian.AppendUint64(dst, v.digest.Sum())
		dst = u(dst, v.next)
		dst = enc.AppendVarints(dst, v.lastTime)
		if flags&flagGrowing != 0 {
			dst = k.appendGrowing(dst, s, flushed, v.end, flags&flagKept != 0)
		}
	}
	return dst
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (k *Captured) appendGrowing(dst []byte, s *seg, flushed, end int64, kept bool) []byte {
	u := enc.AppendUvarints
	// Bytes flushed beyond the captured end will be replayed and written again;
	// the snapshot describes only those below it.
	flushed = min(flushed, end)
	if kept {
		dst = u(dst, uint64(flushed), 0)
	} else {
		dst = u(dst, uint64(flushed), uint64(end-flushed))
		_ = s.tail.each(flushed, end, func(_ int64, b []byte) error {
			dst = append(dst, b...)
			return nil
		})
	}
	entries := k.t.log.entries(s, k.spacing)
	n := 0
	for n < len(entries) && entries[n].Off < end {
		n++
	}
	dst = u(dst, uint64(n))
	prev := segment.Entry{Seq: s.base, Time: s.time}
	for _, e := range entries[:n] {
		dst = u(dst, e.Seq-prev.Seq, uint64(e.Time-prev.Time), uint64(e.Off-prev.Off))
		prev = e
	}
	return dst
}

// Done removes the files that the durable checkpoint c made garbage and returns
// how many bytes of disk space that freed. err is the first failed removal.
func (r *Registry) Done(c *Checkpoint) (freed int64, err error) {
	c.unpin()
	for _, d := range c.dead {
		s := d.seg
		s.retire()
		if !s.hasFile.Load() {
			continue
		}
		r.Files.Forget(d.topic, s.number)
		e := r.FS.Remove(path.Join(r.Dir, segment.FileName(d.topic, s.number)))
		if e != nil && !isNotExist(e) && err == nil {
			err = e
		}
		size := s.reserved.Load()
		r.disk.Add(-size)
		freed += size
	}
	return freed, err
}

// RestoreRegistry restores the registry's payload.
func (r *Registry) RestoreRegistry(b []byte) error {
	d := enc.Reader{B: b}
	r.nextID = d.Uvarint()
	floor := d.Varint()
	if d.Err != nil || len(d.B) != 0 || r.nextID == 0 {
		return fmt.Errorf("registry section: %w", enc.ErrMalformed)
	}
	r.timeFloor.Store(floor)
	r.stagedID, r.stagedTime = r.nextID, floor
	r.restored = true
	return nil
}

// RestoreTopic restores the payload of one topic, at checkpoint position pos.
func (r *Registry) RestoreTopic(b []byte, pos uint64) error {
	d := enc.Reader{B: b}
	id := d.Uvarint()
	name := string(d.Bytes())
	o := Options{SegmentSize: int64(d.Uvarint()), Compression: segment.Codec(d.Byte())}
	created, made := d.Uvarint(), d.Varint()
	if d.Err != nil || record.CheckName(name) != nil || r.byID[id] != nil || r.byName[name] != nil || id == 0 || r.restored && id >= r.nextID {
		return fmt.Errorf("topic section: %w", enc.ErrMalformed)
	}
	if _, err := r.CheckOptions(o); err != nil {
		return fmt.Errorf("topic section: %w", err)
	}
	t := r.newTopic(id, name, o, created, made)
	t.first, t.next, t.time = d.Uvarint(), d.Uvarint(), d.Varint()
	t.empty = d.Byte() != 0
	t.bytes = int64(d.Uvarint())
	t.log.number = d.Uvarint()
	if what := d.Bytes(); len(what) > 0 {
		c := &segment.CorruptError{Topic: name, What: string(what), Segment: d.Uvarint(), Offset: d.Varint()}
		c.File = segment.FileName(id, c.Segment)
		t.MarkDamaged(c)
	}
	gaps := make([]Gap, d.Count(2))
	for i := range gaps {
		from, n := d.Uvarint(), d.Uvarint()
		gaps[i] = Gap{from, from + n}
	}
	t.gaps.restore(gaps)
	segs := make([]*seg, 0, d.Count(16))
	for range cap(segs) {
		s, flags, err := t.log.restoreSeg(&d)
		if err != nil {
			return fmt.Errorf("topic %q: %w", name, err)
		}
		if flags&flagStuck != 0 { // nothing is lost, and the next checkpoint will tell
			if d := t.damage.Swap(nil); d != nil {
				t.stuck.Store(d)
			}
		}
		if n := len(segs); n > 0 && (segs[n-1].base >= s.base || !segs[n-1].sealed.Load() && !segs[n-1].kept.Load()) {
			return fmt.Errorf("topic %q: segments out of order: %w", name, enc.ErrMalformed)
		}
		segs = append(segs, s)
	}
	if d.Err != nil || len(d.B) != 0 || t.next < t.first || created > pos {
		return fmt.Errorf("topic %q: %w", name, enc.ErrMalformed)
	}
	if !t.holds(segs) {
		return fmt.Errorf("topic %q: it begins before its first segment: %w", name, enc.ErrMalformed)
	}
	if n := len(segs); n > 0 {
		t.log.segs.Store(&segs)
		if s := segs[n-1]; !s.sealed.Load() {
			t.log.cur = s
		}
	}
	t.log.resetPlan()
	t.resetStaged()
	t.pubFirst.Store(t.first)
	t.size.Store(t.bytes)
	t.lastTime.Store(t.time)
	t.ends[0].end.Store(t.next)
	t.ends[0].pos.Store(min(created, pos))
	t.ends[1].pos.Store(math.MaxUint64)
	r.byID[id], r.byName[name] = t, t
	for _, s := range segs {
		r.expectKept(s)
	}
	if !r.restored { // the registry's section is damaged: derive its state from the topics
		r.SkipID(id)
		r.raiseTimeFloor(t.time)
	}
	return nil
}

// holds reports whether the first record of the topic is in a segment, unless a gap says
// that there is none.
func (t *Topic) holds(segs []*seg) bool {
	base := t.next
	if len(segs) > 0 {
		base = min(base, segs[0].base)
	}
	for from := t.first; from < base; {
		g, ok := t.gaps.at(from)
		if !ok || g.To <= from {
			return false
		}
		from = g.To
	}
	return true
}

// SkipID makes sure that new topics get ids above id.
func (r *Registry) SkipID(id uint64) {
	r.nextID = max(r.nextID, id+1)
	r.stagedID = max(r.stagedID, r.nextID)
}

func (l *log) restoreSeg(d *enc.Reader) (_ *seg, flags byte, _ error) {
	number, base, time := d.Uvarint(), d.Uvarint(), d.Varint()
	s := l.newSeg(number, base, time)
	end := int64(d.Uvarint())
	flags = d.Byte()
	size := int64(d.Uvarint())
	s.blocks, s.records = d.Uvarint(), d.Uvarint()
	s.digest = segment.Digest(d.U64())
	s.next, s.lastTime = d.Uvarint(), d.Varint()
	if d.Err != nil || number == 0 || number >= l.number || end < segment.FileHeaderSize || s.next < base {
		return nil, 0, fmt.Errorf("segment %d: %w", number, enc.ErrMalformed)
	}
	s.end.Store(end)
	s.hasFile.Store(flags&flagFile != 0)
	l.disk.Add(size)
	s.reserved.Store(size)
	if flags&flagGrowing == 0 {
		s.sealed.Store(true)
		s.flushed.Store(end)
		l.idx.Add(index.Entry{Seq: base, Time: time, Segment: number, Off: segment.FileHeaderSize})
		return s, flags, nil
	}
	flushed := int64(d.Uvarint())
	carried := d.Bytes()
	kept := flags&flagKept != 0
	s.kept.Store(kept)
	if d.Err != nil || flushed < segment.FileHeaderSize || flushed > end ||
		!kept && flushed+int64(len(carried)) != end || kept && len(carried) != 0 ||
		flushed > segment.FileHeaderSize && !s.hasFile.Load() {
		return nil, 0, fmt.Errorf("segment %d: %w", number, enc.ErrMalformed)
	}
	s.flushed.Store(flushed)
	// The space reserved beyond may be lost to a trim, or to a seal that no
	// snapshot recorded.
	l.disk.Add(-size)
	s.reserved.Store(0)
	if s.hasFile.Load() {
		l.disk.Add(flushed)
		s.reserved.Store(flushed)
	}
	if len(carried) > 0 {
		copy(s.tail.grow(l.pool, flushed, len(carried)), carried)
	}
	e := index.Entry{Seq: base, Time: time, Segment: number}
	last := int64(0)
	n := d.Count(3)
	s.points.reserve(n)
	for range n {
		seq, ms, off := d.Uvarint(), d.Uvarint(), d.Uvarint()
		e.Seq, e.Time, e.Off = e.Seq+seq, e.Time+int64(ms), e.Off+int64(off)
		if e.Off < segment.FileHeaderSize || e.Off >= end || e.Off <= last {
			return nil, 0, fmt.Errorf("segment %d: index: %w", number, enc.ErrMalformed)
		}
		if last = e.Off; last-s.lastIdx >= indexSpacing {
			l.idx.Add(e)
			s.lastIdx = last
		}
		s.points.add(s, e.Seq, e.Time, e.Off)
	}
	return s, flags, nil
}

// UndoCapture undoes Capture after a failed checkpoint. The caller holds the
// commit lock.
func (r *Registry) UndoCapture(c *Checkpoint) {
	c.unpin()
	if !mutate.ForgetDead {
		r.dead = append(c.dead, r.dead...)
	}
}
