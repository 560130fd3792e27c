package topics

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/segment"
)

// Sizes of reads from segment files, in bytes. Large plain reads beat a cold
// mapping by far when scanning, and cannot fault.
const (
	scanRead = 256 << 10
	seekRead = 16 << 10
	// firstRead is usually enough for a seek. A scan begins with it and reads four
	// times as much each time it continues, so that a short one reads little.
	firstRead = 4 << 10
)

// reader reads the stored bytes of a topic: the newest from the tail in memory, the
// rest from segment files. It is owned by one goroutine and holds at most one file
// handle and one chunk.
type reader struct {
	t    *Topic
	h    *segment.Handle
	hSeg uint64 // number of h's segment
	// win holds file bytes [winOff, winOff+len(win)) of segment winSeg.
	win      []byte
	winSeg   uint64
	winOff   int64
	readSize int        // bytes to read at once
	step     int        // the same for a scan, which rises to readSize
	mapped   mappedScan // reads files that were scanned before
	held     *chunk     // the chunk whose bytes were returned last
}

func (r *reader) close() {
	r.releaseHeld()
	if r.h != nil {
		r.h.Release()
		r.h, r.mapped.m = nil, nil
	}
}

// handle returns the open file of s, and keeps it until close or the next segment.
func (r *reader) handle(s *seg) (*segment.Handle, error) {
	if r.h != nil && r.hSeg == s.number {
		return r.h, nil
	}
	r.close()
	h := s.handle.Load()
	if h == nil || !h.Retain() {
		var err error
		if h, err = r.t.log.files.Acquire(r.t.id, s.number); err != nil {
			return nil, r.t.fileError(s, err)
		}
		s.handle.Store(h)
	}
	r.h, r.hSeg = h, s.number
	if r.readSize >= scanRead && s.sealed.Load() {
		r.mapped.m = h.Rescan(s.end.Load())
	}
	return h, nil
}

// releaseHeld releases the chunk that r holds.
func (r *reader) releaseHeld() {
	if r.held != nil && !mutate.SkipChunkHold {
		r.held.release()
	}
	r.held = nil
}

// tailBytes returns the bytes from file offset off to the end of its chunk, or nil
// if the tail of s no longer has them. It holds the chunk until the next call
// returns another one.
func (r *reader) tailBytes(s *seg, off int64) []byte {
	c := s.tail.find(off)
	if c != r.held {
		r.releaseHeld()
		if c == nil || !c.hold() {
			return nil
		}
		r.held = c
	}
	if c == nil {
		return nil
	}
	return c.buf[off-c.off:]
}

// bytes returns at least n bytes of s from file offset off on. file reports whether
// they came from the file and so must be verified. It returns fewer only with an
// error. The bytes are valid until the next call.
func (r *reader) bytes(s *seg, off int64, n int) (b []byte, file bool, err error) {
	for {
		flushed := s.flushed.Load()
		if off >= flushed {
			b := r.tailBytes(s, off)
			if b == nil {
				if r.t.reg.isClosed() {
					return nil, true, errs.Closed.With("the node is closed")
				}
				if s.flushed.Load() == flushed {
					return nil, true, r.t.corrupt(s, off, "records are missing at the end of the segment", nil)
				}
				continue // written to the file and dropped just now
			}
			if len(b) < n {
				return nil, false, r.t.corrupt(s, off, "the block reaches beyond its data", nil)
			}
			return b, false, nil
		}
		if b := r.window(s, off); len(b) >= n {
			return b, true, nil
		}
		if off+int64(n) > flushed {
			return nil, true, r.t.corrupt(s, off, "the block reaches beyond its data", nil)
		}
		return r.fill(s, off, n, flushed)
	}
}

// fill reads at least n bytes from file offset off on into the window, and more
// ahead. It reads nothing at or past flushed.
func (r *reader) fill(s *seg, off int64, n int, flushed int64) ([]byte, bool, error) {
	h, err := r.handle(s)
	if err != nil {
		return nil, true, err
	}
	ahead := r.readSize
	if ahead == scanRead {
		if r.winSeg == s.number && off > r.winOff && off <= r.winOff+int64(len(r.win)) {
			r.step = min(max(4*r.step, firstRead), scanRead)
		} else {
			r.step = firstRead
		}
		ahead = r.step
	}
	want := int(min(int64(max(n, ahead)), flushed-off))
	if cap(r.win) < want {
		r.win = make([]byte, want)
	}
	r.win = r.win[:want]
	r.winSeg = 0 // not valid until read
	got, err := h.File().ReadAt(r.win, off)
	if got < n {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, true, r.t.corrupt(s, off, "the file ends before its data", nil)
		}
		return nil, true, fmt.Errorf("topic %q: reading segment %d at offset %d: %w", r.t.name, s.number, off, err)
	}
	r.win, r.winSeg, r.winOff = r.win[:got], s.number, off
	if r.readSize >= scanRead {
		h.Scanned(got)
	}
	return r.win, true, nil
}

// head reads and verifies the block header at off.
func (r *reader) head(s *seg, off int64) (segment.Header, error) {
	b, _, err := r.bytes(s, off, segment.HeaderSize)
	if err != nil {
		return segment.Header{}, err
	}
	h, err := segment.ParseHeader(b, s.place, off)
	if err != nil {
		return h, r.t.corrupt(s, off, "", err)
	}
	return h, nil
}

// headPast is head for a search for seq. It moves p past damage in blocks that end before
// seq: they are not asked for, and may be pruned.
func (r *reader) headPast(p *blockPos, seq uint64) (segment.Header, error) {
	h, err := r.head(p.s, p.off)
	if isCorrupt(err) && !mutate.StopAtPruned {
		if base, off := r.resync(p.s, p.off); off > p.off && base <= seq {
			p.off = off
			return r.head(p.s, p.off)
		}
	}
	return h, err
}

// errBody marks damage that is confined to a block's body: its header is intact.
var errBody = errors.New("the block's checksum does not fit its bytes")

var errNotExist = fs.ErrNotExist

// block reads the block at off: its header into h, and its stored, verified body.
// If only the body is damaged, it sets h and returns an error.
func (r *reader) block(s *seg, off int64, h *segment.Header) ([]byte, error) {
	if r.mapped.m != nil && r.hSeg == s.number {
		if body := r.mappedBlock(s, off, h); body != nil {
			return body, nil
		}
		r.mapped.m = nil // the file tells what is wrong
	}
	var err error
	if b := r.window(s, off); len(b) >= segment.HeaderSize {
		if *h, err = segment.ParseHeader(b, s.place, off); err == nil && h.Size() <= int64(len(b)) {
			if body := b[segment.HeaderSize:h.Size():h.Size()]; segment.Sum(body) == h.Sum {
				return body, nil
			}
		}
	}
	if *h, err = r.head(s, off); err != nil {
		*h = segment.Header{}
		return nil, err
	}
	b, file, err := r.bytes(s, off, int(h.Size()))
	if err != nil {
		return nil, err
	}
	body := b[segment.HeaderSize:h.Size():h.Size()]
	if file && segment.Sum(body) != h.Sum && !mutate.SkipBodySum {
		return nil, r.t.corrupt(s, off, "", errBody)
	}
	return body, nil
}

// window returns the buffered bytes of the file of s from off on, or nil.
func (r *reader) window(s *seg, off int64) []byte {
	i := off - r.winOff
	if r.winSeg != s.number || i < 0 || i >= int64(len(r.win)) {
		return nil
	}
	return r.win[i:]
}

// corrupt returns the typed error for damage in s.
func (t *Topic) corrupt(s *seg, off int64, what string, err error) error {
	if c, ok := errors.AsType[*errs.CorruptError](err); ok {
		err, what = c.Err, c.What
	}
	return &errs.CorruptError{File: segment.FileName(t.id, s.number), Topic: t.name,
		Segment: s.number, Offset: off, What: what, Err: err}
}

// fileError returns the error for a file of s that could not be opened: a missing
// file is damage, unless it was pruned meanwhile.
func (t *Topic) fileError(s *seg, err error) error {
	if errors.Is(err, errNotExist) {
		// A segment leaves the list before its file is unlinked.
		if t.deleted.Load() == 0 && t.log.segNumbered(s.number) != s {
			return &PrunedError{Topic: t.name, Seq: s.base, First: t.First()}
		}
		return t.corrupt(s, -1, "the file is missing", nil)
	}
	if errors.Is(err, fs.ErrClosed) {
		return errs.Closed.With("the node is closed")
	}
	info, serr := t.reg.FS.Stat(path.Join(t.reg.Dir, segment.FileName(t.id, s.number)))
	if serr == nil && !info.Regular {
		return t.corrupt(s, -1, "it is not a regular file", nil)
	}
	return fmt.Errorf("topic %q: opening segment %d: %w", t.name, s.number, err)
}

// noSegment returns the error for a sequence that no segment holds: it was pruned
// meanwhile, or the state is damaged. Whoever tries again after a PrunedError finds
// another start.
func (t *Topic) noSegment(seq uint64) error {
	first := t.First() // it is raised before a segment leaves the list
	if seq < first || t.deleted.Load() != 0 {
		return &PrunedError{Topic: t.name, Seq: seq, First: first}
	}
	return &errs.CorruptError{File: segmentsOf(t.id), Topic: t.name, Offset: -1, First: seq, What: "no segment holds the record"}
}

// segmentsOf names all segment files of a topic.
func segmentsOf(id uint64) string { return fmt.Sprintf("%016x-*.seg", id) }

// blockPos is the position of a block.
type blockPos struct {
	s   *seg
	off int64
}

// start returns a known block position at or shortly before the block that holds
// seq, and the offset of the next known block.
func (r *reader) start(seq uint64) (p blockPos, to int64, err error) {
	s := r.t.log.segAt(seq)
	if s == nil {
		return blockPos{}, 0, r.t.noSegment(seq)
	}
	p.s = s
	p.off, to = segment.FileHeaderSize, s.end.Load()
	if !s.sealed.Load() {
		p.off, to = r.t.log.near(s, seq)
		if p.off < s.flushed.Load() {
			if h, off := r.firstOfTail(s); off > 0 && h.Base <= seq {
				p.off, to = off, max(to, off)
			}
		}
	}
	if !s.sealed.Load() {
		return p, to, nil
	}
	// It may have been sealed just now, when near no longer had any points.
	h, err := r.handle(s)
	if err != nil {
		return p, to, err
	}
	from, next, ok, err := h.Near(s.place, seq)
	if err != nil {
		// The blocks can be read without a footer, only more slowly; verify reports
		// it.
		if errors.Is(err, errs.ErrCorrupt) {
			c := r.t.corrupt(s, -1, "footer", err)
			r.t.noteDamage(c)
			return p, to, nil
		}
		return p, to, fmt.Errorf("topic %q: footer of segment %d: %w", r.t.name, s.number, err)
	}
	if ok {
		p.off, to = from, next
	}
	return p, to, nil
}

// firstOfTail returns the first block of s that is in memory and not in its file, and
// its offset, or 0. Not all positions of blocks are known. Without this one a search for
// a record in memory could begin in the file, which may be missing.
func (r *reader) firstOfTail(s *seg) (h segment.Header, off int64) {
	off = s.flushed.Load()
	if off >= s.end.Load() {
		return h, 0
	}
	b := r.tailBytes(s, off)
	if b == nil { // written to the file just now
		return h, 0
	}
	h, err := segment.ParseHeader(b, s.place, off)
	if err != nil {
		return h, 0
	}
	return h, off
}

// near returns the offset of a known block at or shortly before the one of s that
// holds seq, and the offset of the next known block, or the end of s.
func (l *log) near(s *seg, seq uint64) (from, to int64) {
	from, to, ok := s.points.floor(s, seq, s.end.Load())
	if ok && to-from < indexSpacing {
		return from, to
	}
	if e, ok := l.idx.Floor(seq); ok && e.Segment == s.number {
		from = max(from, e.Off)
	}
	return max(from, segment.FileHeaderSize), to
}

func (t *Topic) noteDamage(err error) {
	if c, ok := errors.AsType[*errs.CorruptError](err); ok {
		t.MarkDamaged(c)
	}
}

// seek returns the position of the block that holds seq. If the error is damage,
// the position is that of the damage.
func (r *reader) seek(seq uint64) (blockPos, error) {
	p, _, err := r.start(seq)
	if err != nil {
		return p, err
	}
	for {
		if p.off >= p.s.end.Load() {
			return p, nil // the caller finds the next segment, or that it is missing
		}
		h, err := r.headPast(&p, seq)
		if err != nil {
			return p, err
		}
		if h.Next() > seq {
			return p, nil
		}
		p.off += h.Size()
	}
}

// seekTime returns the first sequence in [First, End) whose time is at or after
// ms, or End if there is none.
func (r *reader) seekTime(ms int64) (uint64, error) {
	t := r.t
	first, end := t.First(), t.End()
	if first >= end || t.lastTime.Load() < ms {
		return end, nil
	}
	list := t.log.list()
	// The first record at or after ms is in the last segment that begins before
	// ms, or the next segment begins with it.
	lo, hi := 0, len(list)
	for lo < hi {
		mid := (lo + hi) / 2
		if list[mid].time < ms {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return first, nil
	}
	p := blockPos{list[lo-1], segment.FileHeaderSize}
	if p.s.sealed.Load() {
		h, err := r.handle(p.s)
		if err != nil {
			return 0, err
		}
		e, ok, err := h.Before(p.s.place, ms)
		if err != nil && !errors.Is(err, errs.ErrCorrupt) {
			return 0, fmt.Errorf("topic %q: footer of segment %d: %w", t.name, p.s.number, err)
		}
		if err == nil && ok {
			p.off = e.Off
		}
	} else {
		if e, ok := t.log.idx.Before(ms); ok && e.Segment == p.s.number {
			p.off = e.Off
		}
		if off, ok := p.s.points.before(p.s, ms); ok {
			p.off = max(p.off, off)
		}
		if p.off < p.s.flushed.Load() {
			if h, off := r.firstOfTail(p.s); off > 0 && h.Time < ms {
				p.off = off
			}
		}
	}
	for p.off < p.s.end.Load() {
		h, err := r.headPast(&p, first)
		if err != nil {
			return 0, err
		}
		if h.Time >= ms {
			return min(max(h.Base, first), end), nil
		}
		p.off += h.Size()
	}
	if next := t.log.segAfter(p.s.base); next != nil {
		return min(max(next.base, first), end), nil
	}
	return end, nil
}
