package topics

import (
	"errors"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/segment"
)

// Cursor iterates over records in order of sequence. It allocates nothing per
// record, is owned by one goroutine, never blocks a writer and must be closed.
// Bytes of the current record alias the cursor's buffers or immutable memory and
// are valid until the next call of Next, Resume or Close.
type Cursor struct {
	r      reader
	codecs *segment.Codecs
	s      *seg // nil: seek next
	off    int64
	endSeg *seg   // the segment whose end was read last
	endOff int64  // that end
	next   uint64 // sequence to deliver next
	end    uint64 // exclusive

	inBlock bool // recs is valid
	head    segment.Header
	body    []byte // stored bytes of the block that fetch found
	first   uint64 // see BlockFirst
	recs    segment.Records
	raw     []byte // decompressed body
	rec     segment.Record
	err     error

	compressedRun int       // compressed blocks in a row
	unpacker      *unpacker // nil: nothing is unpacked ahead
}

// Cursor returns a cursor over the records of sp.
func (t *Topic) Cursor(sp Span) *Cursor {
	c := new(Cursor)
	c.Reset(t, sp)
	return c
}

// A cursor over fewer than fewRecords records does not read far ahead.
const fewRecords = 64

// Reset makes c, which may be a zero Cursor, iterate over the records of sp in t.
// It keeps c's memory, and its file window if t is unchanged.
func (c *Cursor) Reset(t *Topic, sp Span) {
	c.Close()
	r := reader{t: t, win: c.r.win, readSize: scanRead}
	r.mapped.buf = c.r.mapped.buf
	if c.r.t == t {
		r.winSeg, r.winOff = c.r.winSeg, c.r.winOff
	}
	*c = Cursor{r: r, codecs: t.reg.Codecs, next: sp.From, end: sp.To, raw: c.raw[:0]}
	if sp.To > sp.From && sp.To-sp.From < fewRecords {
		c.r.readSize = seekRead
	}
}

// Expect tells the cursor that n records will be read, so that it does not read
// much more. A negative n means all of them.
func (c *Cursor) Expect(n int) {
	if n >= 0 && n < fewRecords {
		c.r.readSize = seekRead
	}
}

// Extend raises the upper end to end, so that records committed since can be read.
func (c *Cursor) Extend(end uint64) {
	if c.next == c.end {
		c.stopUnpacker() // a follower gets few records at a time
	}
	c.end = max(c.end, end)
}

// Pos returns the sequence that Next will deliver or look for.
func (c *Cursor) Pos() uint64 { return c.next }

// Left returns how many sequences lie between Pos and the upper end.
func (c *Cursor) Left() uint64 { return c.end - min(c.next, c.end) }

// Record returns the current record.
func (c *Cursor) Record() *segment.Record { return &c.rec }

// Err returns what stopped Next early: a *CorruptError, after which Resume
// continues past the damage, a *PrunedError, or an I/O error.
func (c *Cursor) Err() error { return c.err }

// Close releases the cursor's file. It may be called twice.
func (c *Cursor) Close() {
	c.stopUnpacker()
	c.r.close()
}

// Next moves to the next record. It returns false at the end and on error.
func (c *Cursor) Next() bool {
	if c.err != nil {
		return false
	}
	for {
		if c.inBlock {
			if c.recs.Next(&c.rec) {
				if c.rec.Seq >= c.end {
					c.inBlock, c.s = false, nil // seek again if Extend moves the end
					return false
				}
				c.next = c.rec.Seq + 1
				return true
			}
			c.inBlock = false
			if err := c.recs.Err(); err != nil {
				c.fail(c.r.t.corrupt(c.s, c.off-c.head.Size(), "", err), c.head, true)
				return false
			}
		}
		if c.next >= c.end || !c.load() {
			return false
		}
	}
}

// load enters the block that holds c.next, or moves c.next over a gap. It returns
// false on error.
func (c *Cursor) load() bool {
	c.body = nil
	if c.compressedRun >= unpackAfter && c.nextUnpacked() {
		return true
	}
	if !c.fetch() || c.body == nil {
		return c.err == nil
	}
	h := &c.head
	if c.compressedRun++; h.Codec == segment.None {
		c.compressedRun = 0
	}
	body, err := c.decompress(h, c.body)
	if err != nil {
		c.fail(c.r.t.corrupt(c.s, c.off-h.Size(), "", err), *h, true)
		return false
	}
	c.recs = segment.NewRecords(*h, body)
	if c.next > h.Base {
		c.recs.Skip(c.next - h.Base)
	}
	c.inBlock = true
	return true
}

// fetch finds the block that holds c.next and sets head and body, or moves c.next
// over a gap and leaves body nil. It returns false on error.
func (c *Cursor) fetch() bool {
	t := c.r.t
	if c.s == nil {
		if g, ok := t.gaps.at(c.next); ok {
			c.next = g.To
			return true
		}
		if c.next < t.First() {
			c.err = &PrunedError{Topic: t.name, Seq: c.next, First: t.First()}
			return false
		}
		p, err := c.r.seek(c.next)
		c.s, c.off = p.s, p.off
		if err != nil {
			c.fail(err, segment.Header{}, false)
			return false
		}
	}
	for c.atEnd() {
		n := t.log.segAfter(c.s.base)
		if n == nil {
			if g, ok := t.gaps.at(c.next); ok { // the topic ends with the gap
				c.s, c.next = nil, g.To
				return true
			}
			c.fail(t.corrupt(c.s, c.off, "records are missing at the end of the topic", nil), segment.Header{}, false)
			return false
		}
		c.s, c.off = n, segment.FileHeaderSize
	}
	h := &c.head
	body, err := c.r.block(c.s, c.off, h)
	if err != nil {
		c.fail(err, *h, false)
		return false
	}
	if h.Base > c.next && !c.crossGap(h.Base) {
		return false
	}
	if c.body = body; body == nil {
		c.body = []byte{}
	}
	c.off += h.Size()
	return true
}

// atEnd reports whether no block of c.s begins at c.off. It reads the end of c.s only
// if the last known one is reached: ends only rise, and reading the end of a growing
// segment delays its writer.
func (c *Cursor) atEnd() bool {
	if c.endSeg == c.s && c.off < c.endOff {
		return false
	}
	c.endSeg, c.endOff = c.s, c.s.end.Load()
	return c.off >= c.endOff
}

// crossGap moves c.next over missing sequences up to base. It returns false with
// c.err set if they are in no gap: then they were pruned, or it is damage.
func (c *Cursor) crossGap(base uint64) bool {
	t := c.r.t
	for c.next < base {
		g, ok := t.gaps.at(c.next)
		if !ok {
			break
		}
		c.next = g.To
	}
	if first := t.First(); c.next < base && c.next < first {
		c.err = &PrunedError{Topic: t.name, Seq: c.next, First: first}
		return false
	}
	if c.next < base {
		err := t.corrupt(c.s, c.off, "records are missing", nil).(*errs.CorruptError)
		err.First, err.Next = c.next, base
		if c.err = t.recheckDamage(c.next, err); c.err == err {
			t.MarkDamaged(err)
			c.next = base
		}
		return false
	}
	return true
}

// decompress returns the raw body of a block, in c.raw if it was compressed.
func (c *Cursor) decompress(h *segment.Header, body []byte) ([]byte, error) {
	if h.Codec == segment.None {
		return body, nil
	}
	var err error
	c.raw, err = c.codecs.Decompress(c.raw[:0], body, h.Raw)
	return c.raw, err
}

// fail sets c.err. For damage it determines which sequences are affected and where
// to continue. h is the header of the damaged block if it is intact. past says that
// c.off is already past that block.
func (c *Cursor) fail(err error, h segment.Header, past bool) {
	err = c.r.t.recheckDamage(c.next, err)
	c.err = err
	damage, ok := errors.AsType[*errs.CorruptError](err)
	if !ok || c.s == nil {
		return
	}
	first := c.next
	if h.Count > 0 {
		c.next = h.Next()
		if !past {
			c.off += h.Size()
		}
	} else {
		c.next, c.off = c.r.resync(c.s, c.off)
		if c.off == 0 {
			if n := c.r.t.log.segAfter(c.s.base); n != nil {
				c.s, c.off, c.next = n, segment.FileHeaderSize, n.base
			} else {
				c.s, c.next = nil, c.end
			}
		}
	}
	if c.next <= first {
		c.next = first + 1
	}
	damage.First, damage.Next = first, min(c.next, c.end)
	c.r.t.MarkDamaged(damage)
}

// Resume continues past the damage that Err reported. It returns false if the error
// is of another kind.
func (c *Cursor) Resume() bool {
	if _, ok := errors.AsType[*errs.CorruptError](c.err); !ok {
		return false
	}
	c.err, c.inBlock = nil, false
	return true
}

// resync finds the next valid block after the damage at off and returns its base
// and offset, or offset 0 if the segment has none.
func (r *reader) resync(s *seg, off int64) (uint64, int64) {
	flushed := s.flushed.Load()
	if off < flushed {
		if h, err := r.handle(s); err == nil {
			sc := segment.NewScanner(h.File(), s.place, off, flushed, nil)
			if sc.Next() {
				return sc.Header().Base, off
			}
			if sc.Resync() && sc.Next() {
				return sc.Header().Base, sc.Offset()
			}
		}
		off = flushed
	}
	if off < s.end.Load() {
		if h, err := r.head(s, off); err == nil {
			return h.Base, off
		}
	}
	return 0, 0
}
