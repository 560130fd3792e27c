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
	sum byte // of what touch has read, so that it does read
}

// errNotMapped says that the record is not to be had from a mapping of the file.
var errNotMapped = errors.New("not in the mapped file")

// Topic returns the topic of the last read.
func (g *Getter) Topic() *Topic { return g.r.t }

// Get reads the record of sequence seq and appends its parts to the slices of
// dst, which it reuses. A sequence that does not exist is ErrInvalidToneSearch
// or a *PrunedError.
func (g *Getter) Get(t *Topic, seq uint64, dst *segment.Record) error {
	if seq >= t.End() {
		return errs.InvalidToneSearch.With(fmt.Sprintf("there is no sequence %d in topic %q", seq, t.name))
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

// findMapped finds the record in the segment's mapping. Whatever it takes from
// there it verifies and copies under a guard against faults.
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
		return err
	}
	if s.sealed.Load() { // perhaps just now, and then near had no points
		if foot, m, err = h.Sealed(s.place); err != nil || m == nil {
			return errNotMapped // plain tells what is wrong with a footer
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

// prefetchBytes is how much of a block is read ahead of its verification, in bytes.
const prefetchBytes = 4 << 10

// touch reads a byte of each cache line of b. No load waits for another, so the
// processor has them all under way at once; a checksum alone sees a few lines
// ahead only, and waits for memory again and again.
func (g *Getter) prefetch(b []byte) {
	var x byte
	for i := 0; i < len(b); i += 64 {
		x += b[i]
	}
	g.sum = x
}

// findFrom looks from p on for the block that holds seq; to is where the next known
// block begins.
func (g *Getter) findFrom(t *Topic, b []byte, p blockPos, to int64, seq uint64, dst *segment.Record) error {
	if end := min(to, p.off+prefetchBytes, int64(len(b))); p.off < end {
		g.prefetch(b[p.off:end])
	}
	for p.off < int64(len(b)) {
		// Headers passed over are not verified: a wrong length leads to a place
		// where no valid header stands.
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

// findPlain finds the record without a mapping. It verifies every header from the
// place where it starts, so that an error names the one that is really damaged.
func (g *Getter) findPlain(t *Topic, seq uint64, dst *segment.Record) error {
	p, to, err := g.r.start(seq)
	if err != nil {
		return err
	}
	g.r.readSize = int(min(to-p.off, seekRead))
	for p.off < p.s.end.Load() {
		h, err := g.r.head(p.s, p.off)
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

// absent explains why seq is not where it should be.
func (g *Getter) absent(t *Topic, p blockPos, h segment.Header, seq uint64) error {
	if gap, ok := t.gapAt(seq); ok {
		return errs.InvalidToneSearch.With(fmt.Sprintf("sequence %d of topic %q is in the gap %d to %d, which an import or a repair left", seq, t.name, gap.From, gap.To-1))
	}
	e := t.corrupt(p.s, p.off, "records are missing", nil).(*errs.CorruptError)
	e.First, e.Next = seq, max(h.Base, seq+1)
	return e
}

// copyRecord copies one record out of a verified block.
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
