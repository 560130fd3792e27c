package record

import (
	"fmt"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// BoundKind tells which of the four ways of naming a place in a topic a Bound
// uses.
type BoundKind uint8

// The kinds of bounds, with their text forms.
const (
	OpenBound BoundKind = iota // "": the end of the topic on that side
	IDBound                    // "1700000000000-5": the place of that id, which need not exist
	TimeBound                  // "1700000000000": that millisecond, whole, on either side
	SeqBound                   // ":5": the record of that sequence, which must exist
)

// Bound is one end of a range. The zero Bound is open.
type Bound struct {
	Kind BoundKind
	ID   ID // Millis of a time, Seq of a sequence, both of an id
}

// AtSeq returns the bound of the record with a sequence, which must exist.
func AtSeq(seq uint64) Bound { return Bound{Kind: SeqBound, ID: ID{Seq: seq}} }

// AtID returns the bound of an id, which need not exist.
func AtID(id ID) Bound { return Bound{Kind: IDBound, ID: id} }

// maxMillis is the latest time of a bound, in unix milliseconds.
const maxMillis = 1<<63 - 1

// AtTime returns the bound of the whole millisecond that t is in. Times before 1970 are
// taken for 1970, and those after the last millisecond that a bound can have for that one.
func AtTime(t time.Time) Bound {
	b := Bound{Kind: TimeBound}
	switch s := t.Unix(); {
	case s >= maxMillis/1000:
		b.ID.Millis = maxMillis
	case s >= 0:
		b.ID.Millis = t.UnixMilli()
	}
	return b
}

// CheckBound refuses what no text form and no function of this package gives: another kind,
// and a time before 1970. The error is ErrInvalidRangeOffset.
func CheckBound(b Bound) error {
	if b.Kind > SeqBound {
		return errs.InvalidRangeOffset.With(fmt.Sprintf("there is no bound of kind %d", b.Kind))
	}
	if b.ID.Millis < 0 && (b.Kind == IDBound || b.Kind == TimeBound) {
		return errs.InvalidRangeOffset.With(fmt.Sprintf("%q: the time is negative; use an id, a time in milliseconds or :sequence", b))
	}
	return nil
}

// ParseBound parses the text form of a bound. Any other text gives
// ErrInvalidRangeOffset.
func ParseBound(s string) (Bound, error) {
	switch {
	case s == "":
		return Bound{}, nil
	case s[0] == ':':
		n, err := parseDigits(s[1:], 1<<64-1)
		if err != nil {
			return Bound{}, badBound(s, err)
		}
		return Bound{Kind: SeqBound, ID: ID{Seq: n}}, nil
	case strings.Contains(s, "-"):
		id, err := ParseID(s)
		if err != nil {
			return Bound{}, err
		}
		return Bound{Kind: IDBound, ID: id}, nil
	}
	n, err := parseDigits(s, maxMillis)
	if err != nil {
		return Bound{}, badBound(s, err)
	}
	return Bound{Kind: TimeBound, ID: ID{Millis: int64(n)}}, nil
}

func badBound(s string, err error) error {
	return errs.InvalidRangeOffset.With(fmt.Sprintf("%q: %v; use an id, a time in milliseconds or :sequence", s, err))
}

// String returns the text form.
func (b Bound) String() string {
	switch b.Kind {
	case IDBound:
		return b.ID.String()
	case TimeBound:
		return fmt.Sprint(b.ID.Millis)
	case SeqBound:
		return fmt.Sprintf(":%d", b.ID.Seq)
	}
	return ""
}
