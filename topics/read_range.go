package topics

import (
	"cmp"
	"fmt"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

type (
	// ID names a record of a topic.
	ID = record.ID
	// Bound names a place in a topic.
	Bound = record.Bound
)

// Span is a resolved range of sequences [From, To).
type Span struct{ From, To uint64 }

// Resolve turns the bounds of a range into sequences, as of when the topic ended at end:
// now or before. lower and upper are inclusive unless exclusive is set, which does not affect open bounds and
// whole milliseconds. The sequence of a bound of kind SeqBound must exist, else the
// error is errs.InvalidSequence. lower is resolved first.
func (t *Topic) Resolve(lower, upper Bound, exclusive bool, end uint64) (Span, error) {
	if err := cmp.Or(record.CheckBound(lower), record.CheckBound(upper)); err != nil {
		return Span{}, err
	}
	r := reader{t: t, readSize: firstRead}
	defer r.close()
	sp := Span{t.First(), end}
	var err error
	if lower.Kind != record.OpenBound {
		if sp.From, err = r.boundSeq(lower, exclusive, end); err != nil {
			return Span{}, err
		}
	}
	if upper.Kind != record.OpenBound {
		if sp.To, err = r.boundSeq(upper, !exclusive, end); err != nil {
			return Span{}, err
		}
		if upper.Kind == record.TimeBound {
			// The whole millisecond, even if exclusive is set.
			if sp.To, err = r.seekTime(nextMilli(upper.ID.Millis)); err != nil {
				return Span{}, err
			}
		}
	}
	sp.From, sp.To = max(sp.From, t.First()), min(sp.To, end)
	return sp, nil
}

// boundSeq returns the first sequence at or after b, or after b if after is set. A
// sequence must be below end.
func (r *reader) boundSeq(b Bound, after bool, end uint64) (uint64, error) {
	t := r.t
	switch b.Kind {
	case record.TimeBound:
		return r.seekTime(b.ID.Millis)
	case record.IDBound:
		lo, err := r.seekTime(b.ID.Millis)
		if err != nil {
			return 0, err
		}
		hi, err := r.seekTime(nextMilli(b.ID.Millis))
		if err != nil {
			return 0, err
		}
		seq := b.ID.Seq
		if after && seq != 1<<64-1 {
			seq++
		}
		return min(max(seq, lo), hi), nil
	case record.SeqBound:
		seq, first := b.ID.Seq, t.First()
		if seq < first && seq < end {
			return 0, errs.InvalidSequence.With(fmt.Sprintf("sequence %d of topic %q is pruned; the topic starts at :%d now", seq, t.name, first))
		}
		if _, gap := t.gaps.at(seq); gap || seq >= end {
			return 0, t.noSequence(seq)
		}
		if after {
			seq++
		}
		return seq, nil
	}
	return 0, nil
}

// Lower returns the sequence of the first record whose id is at or above id, in
// order of time and sequence, or the topic's next sequence if there is none.
func (t *Topic) Lower(id ID) (uint64, error) {
	r := reader{t: t, readSize: firstRead}
	defer r.close()
	return r.boundSeq(Bound{Kind: record.IDBound, ID: id}, false, t.End())
}

// SeekTime returns the sequence of the first record at or after ms, in unix
// milliseconds, or the topic's next sequence if there is none.
func (t *Topic) SeekTime(ms int64) (uint64, error) {
	r := reader{t: t, readSize: firstRead}
	defer r.close()
	return r.seekTime(ms)
}

// After returns the sequence after the record of sequence seq, which must exist.
func (t *Topic) After(seq uint64) (uint64, error) {
	r := reader{t: t}
	return r.boundSeq(Bound{Kind: record.SeqBound, ID: ID{Seq: seq}}, true, t.End())
}

// nextMilli returns ms+1, saturated.
func nextMilli(ms int64) int64 {
	if ms == 1<<63-1 {
		return ms
	}
	return ms + 1
}
