package topics

import (
	"errors"
	"fmt"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// Getter reads single records by sequence. It keeps buffers between calls and
// is owned by one goroutine at a time.
type Getter struct {
	r   reader
	raw []byte
	sum byte // of the bytes that prefetch reads, so that the loads are not optimized away
}

// errNotMapped says that a mapping of the file cannot serve the record.
var errNotMapped = errors.New("not in the mapped file")

// Topic returns the topic of the last Get.
func (g *Getter) Topic() *Topic { return g.r.t }

// Get copies the record of sequence seq into dst, whose slices it reuses. For a
// sequence that does not exist the error is errs.InvalidSequence or a *PrunedError.
func (g *Getter) Get(t *Topic, seq uint64, dst *segment.Record) error {
	if seq >= t.End() {
		return t.noSequence(seq)
	}
	if first := t.First(); seq < first {
		return &PrunedError{Topic: t.name, Seq: seq, First: first}
	}
	g.r.t = t
	g.r.winSeg = 0
	defer g.r.close()
	err := g.findMapped(t, seq, dst)
	if err != nil {
		if errors.Is(err, errNotMapped) || errors.Is(err, segment.ErrNoMapping) {
			err = g.findPlain(t, seq, dst)
		}
		if err != nil {
			err = t.recheckDamage(seq, err)
			t.noteDamage(err)
		}
	}
	return err
}

// findMapped reads the record from the segment's mapping. It verifies and copies it
// under a guard against faults.
func (g *Getter) findMapped(t *Topic, seq uint64, dst *segment.Record) error {
	s := t.log.segAt(seq)
	if s == nil {
		return &PrunedError{Topic: t.name, Seq: seq, First: t.First()}
	}
	var (
		foot     *segment.Footer
		m        *segment.Mapping
		from, to int64
	)
	flushed := s.flushed.Load()
	if !s.sealed.Load() {
		if from, to = t.log.near(s, seq); from >= flushed {
			return errNotMapped
		}
	}
	h, err := g.r.handle(s)
	if err != nil {
		return errNotMapped // findPlain reports it, unless the tail has the record
	}
	if s.sealed.Load() { // it may be sealed just now, when near had no points
		if foot, m, err = h.Sealed(s.place); err != nil || m == nil {
			return errNotMapped // findPlain reports damage of the footer
		}
	} else if !h.Often() {
		return errNotMapped
	} else if m, err = h.Mapping(flushed); err != nil {
		if errors.Is(err, segment.ErrNoMapping) {
			return err
		}
		return fmt.Errorf("topic %q: mapping segment %d: %w", t.name, s.number, err)
	}
	p := blockPos{s, from}
	fault := vfs.Guard(m, func() {
		if foot != nil {
			var ok bool
			if p.off, to, ok = foot.Near(seq); !ok {
				p.off, to = segment.FileHeaderSize, flushed
			}
		}
		m.Near(p.off, flushed)
		err = g.findFrom(t, m.Bytes()[:flushed], p, to, seq, dst)
	})
	if fault != nil {
		return t.corrupt(s, p.off, "the file was cut short while mapped", fault)
	}
	return err
}

// prefetchBytes bounds the bytes of a block that are read ahead of verifying it.
const prefetchBytes = 4 << 10

// prefetch reads a byte of each cache line of b. The loads are independent, so the
// processor runs them concurrently. A checksum alone sees only a few lines ahead and
// waits for memory again and again.
func (g *Getter) prefetch(b []byte) {
	var x byte
	for i := 0; i < len(b); i += 64 {
		x += b[i]
	}
	g.sum = x
}

// findFrom finds the block that holds seq, from p on, in b, the mapped data of the
// file. to is the offset of the next known block.
func (g *Getter) findFrom(t *Topic, b []byte, p blockPos, to int64, seq uint64, dst *segment.Record) error {
	if end := min(to, p.off+prefetchBytes, int64(len(b))); p.off < end {
		g.prefetch(b[p.off:end])
	}
	for p.off < int64(len(b)) {
		// Headers passed over are not verified: a wrong length leads to an offset
		// without a valid header.
		rest := b[p.off:]
		if len(rest) < segment.HeaderSize {
			return t.corrupt(p.s, p.off, "the block reaches beyond its data", nil)
		}
		h := segment.PeekHeader(rest)
		if h.Next() <= seq && h.Next() > h.Base {
			p.off += h.Size()
			continue
		}
		h, err := segment.ParseHeader(rest, p.s.place, p.off)
		if err != nil || h.Size() > int64(len(rest)) {
			return g.findPlain(t, seq, dst)
		}
		if h.Base > seq {
			return g.absent(t, p, h, seq)
		}
		body := rest[segment.HeaderSize:h.Size()]
		if segment.Sum(body) != h.Sum && !mutate.SkipBodySum {
			e := t.corrupt(p.s, p.off, "", errBody).(*errs.CorruptError)
			e.First, e.Next = h.Base, h.Next()
			return e
		}
		return g.copyRecord(t, p, h, body, seq, dst)
	}
	return errNotMapped
}

// findPlain finds the record without a mapping. It verifies every header from its
// start on, so that an error names the one that is really damaged.
func (g *Getter) findPlain(t *Topic, seq uint64, dst *segment.Record) error {
	p, to, err := g.r.start(seq)
	if err != nil {
		return err
	}
	g.r.readSize = int(min(to-p.off, seekRead))
	for p.off < p.s.end.Load() {
		h, err := g.r.headPast(&p, seq)
		if err != nil {
			return err
		}
		if h.Next() <= seq {
			p.off += h.Size()
			continue
		}
		if h.Base > seq {
			return g.absent(t, p, h, seq)
		}
		body, err := g.r.block(p.s, p.off, &h)
		if err != nil {
			if c, ok := errors.AsType[*errs.CorruptError](err); ok && h.Count > 0 {
				c.First, c.Next = h.Base, h.Next()
			}
			return err
		}
		return g.copyRecord(t, p, h, body, seq, dst)
	}
	return g.absent(t, p, segment.Header{}, seq)
}

// absent returns the error for a sequence that is missing: it is in a gap, or it is
// damage. h is the header of the next block, if there is one.
func (g *Getter) absent(t *Topic, p blockPos, h segment.Header, seq uint64) error {
	if gap, ok := t.gaps.at(seq); ok {
		return errs.InvalidSequence.With(fmt.Sprintf("sequence %d of topic %q is in the gap %d to %d, which an import or a repair left", seq, t.name, gap.From, gap.To-1))
	}
	e := t.corrupt(p.s, p.off, "records are missing", nil).(*errs.CorruptError)
	e.First, e.Next = seq, max(h.Base, seq+1)
	return e
}

// copyRecord copies the record of sequence seq out of a verified block.
func (g *Getter) copyRecord(t *Topic, p blockPos, h segment.Header, body []byte, seq uint64, dst *segment.Record) error {
	if h.Codec != segment.None {
		var err error
		if g.raw, err = t.reg.Codecs.Decompress(g.raw[:0], body, h.Raw); err != nil {
			return t.corrupt(p.s, p.off, "", err)
		}
		body = g.raw
	}
	recs := segment.NewRecords(h, body)
	var rec segment.Record
	if !recs.Skip(seq-h.Base) || !recs.Next(&rec) {
		return t.corrupt(p.s, p.off, "", recs.Err())
	}
	dst.Seq, dst.Time = rec.Seq, rec.Time
	dst.Key = append(dst.Key[:0], rec.Key...)
	dst.Headers = append(dst.Headers[:0], rec.Headers...)
	dst.Body = append(dst.Body[:0], rec.Body...)
	return nil
}
