package topics

import (
	"errors"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/segment"
)

// RevCursor iterates over records from the newest to the oldest. Blocks cannot be
// read backwards, so it finds the blocks from a known position on and takes them
// from the last. The rules of Cursor apply.
type RevCursor struct {
	c     Cursor // for its reader, buffers and damage handling
	first uint64 // inclusive
	next  uint64 // all records at or above are delivered
	win   []foundBlock
	recs  []segment.Record // of the current block, not delivered yet
	rec   segment.Record
	err   error
}

// foundBlock is a block, or damage instead of one.
type foundBlock struct {
	s          *seg
	off        int64
	base, next uint64
	err        error
}

// Reverse returns a cursor over the records of sp, newest first.
func (t *Topic) Reverse(sp Span) *RevCursor {
	r := &RevCursor{first: sp.From, next: sp.To}
	r.c.codecs = t.reg.Codecs
	r.c.r = reader{t: t, readSize: seekRead}
	return r
}

// Record returns the current record.
func (r *RevCursor) Record() *segment.Record { return &r.rec }

// Err returns what stopped Next early, as Cursor.Err does.
func (r *RevCursor) Err() error { return r.err }

// Close releases the cursor's file.
func (r *RevCursor) Close() { r.c.Close() }

// Resume continues past the damage that Err reported, as Cursor.Resume does.
func (r *RevCursor) Resume() bool {
	if _, ok := errors.AsType[*errs.CorruptError](r.err); !ok {
		return false
	}
	r.err = nil
	return true
}

// Next moves to the previous record. It returns false at the start of the range and
// on error.
func (r *RevCursor) Next() bool {
	for r.err == nil {
		if n := len(r.recs); n > 0 {
			rec := r.recs[n-1]
			r.recs = r.recs[:n-1]
			if rec.Seq >= r.next {
				continue
			}
			if rec.Seq < r.first {
				return false
			}
			r.rec, r.next = rec, rec.Seq
			return true
		}
		if n := len(r.win); n > 0 {
			b := r.win[n-1]
			r.win = r.win[:n-1]
			r.enter(b)
			continue
		}
		if r.next <= r.first || !r.window() {
			return false
		}
	}
	return false
}

// enter decodes a block's records.
func (r *RevCursor) enter(b foundBlock) {
	t := r.c.r.t
	if b.err != nil {
		r.next = min(r.next, max(b.base, r.first))
		r.err = b.err
		return
	}
	var h segment.Header
	body, err := r.c.r.block(b.s, b.off, &h)
	if err == nil {
		if body, err = r.c.decompress(&h, body); err != nil {
			err = t.corrupt(b.s, b.off, "", err)
		}
	}
	r.recs = r.recs[:0]
	if err == nil {
		it := segment.NewRecords(h, body)
		var rec segment.Record
		for it.Next(&rec) {
			r.recs = append(r.recs, rec)
		}
		if it.Err() != nil {
			err = t.corrupt(b.s, b.off, "", it.Err())
		}
	}
	if err != nil {
		r.recs = r.recs[:0]
		err = t.recheckDamage(r.next-1, err)
		if c, ok := errors.AsType[*errs.CorruptError](err); ok {
			c.First, c.Next = b.base, min(b.next, r.next)
			t.MarkDamaged(c)
		}
		r.next, r.err = min(r.next, b.base), err
	}
}

// window finds the blocks up to the record before r.next, from the known block
// position at or below it on.
func (r *RevCursor) window() bool {
	t := r.c.r.t
	seq := r.next - 1
	if g, ok := t.gaps.at(seq); ok {
		if g.From <= r.first {
			return false
		}
		r.next = g.From
		return true
	}
	if first := t.First(); seq < first {
		r.err = &PrunedError{Topic: t.name, Seq: seq, First: first}
		return false
	}
	p, _, err := r.c.r.start(seq)
	if err != nil {
		err = t.recheckDamage(seq, err)
		r.err = err
		if c, ok := errors.AsType[*errs.CorruptError](err); ok { // the whole segment is affected
			c.First, c.Next = max(p.s.base, r.first), r.next
			t.MarkDamaged(c)
			r.next = c.First
		}
		return false
	}
	from := p.s.base
	for p.off < p.s.end.Load() {
		h, err := r.c.r.head(p.s, p.off)
		if err != nil {
			err = t.recheckDamage(seq, err)
			c, ok := errors.AsType[*errs.CorruptError](err)
			if !ok {
				r.err = err
				return false
			}
			base, off := r.c.r.resync(p.s, p.off)
			if off == 0 || base > seq {
				base, off = seq+1, p.s.end.Load()
			}
			if n := len(r.win); n > 0 {
				from = r.win[n-1].next
			}
			if base <= t.First() { // nothing that is lost counts
				from, p.off = base, off
				continue
			}
			c.First, c.Next = from, base
			t.MarkDamaged(c)
			r.win = append(r.win, foundBlock{s: p.s, base: from, next: base, err: err})
			p.off = off
			continue
		}
		if h.Base > seq {
			break
		}
		r.win = append(r.win, foundBlock{s: p.s, off: p.off, base: h.Base, next: h.Next()})
		if h.Next() > seq {
			return true
		}
		p.off += h.Size()
	}
	lost := r.next
	if n := len(r.win); n > 0 {
		lost = r.win[n-1].next
	}
	if lost > seq && len(r.win) > 0 {
		return true
	}
	// The record is missing.
	err = t.recheckDamage(seq, t.corrupt(p.s, p.off, "records are missing", nil))
	c, ok := errors.AsType[*errs.CorruptError](err)
	if !ok {
		r.err = err
		return false
	}
	if len(r.win) == 0 {
		lost = min(p.s.base, seq)
	}
	c.First, c.Next = lost, seq+1
	t.MarkDamaged(c)
	r.win = append(r.win, foundBlock{s: p.s, base: lost, next: seq + 1, err: c})
	return true
}
