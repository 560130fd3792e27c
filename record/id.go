package record

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// ID names one record of a topic: the unix time of its commit in milliseconds
// and its sequence in the topic, counted from 0. Its text form is
// "{milliseconds}-{sequence}". Within a topic, order by time and order by
// sequence agree. IDs are comparable with ==.
type ID struct {
	Millis int64  // unix milliseconds, never negative
	Seq    uint64 // position in the topic
}

// Time returns the time of the commit, in whole milliseconds.
func (id ID) Time() time.Time { return time.UnixMilli(id.Millis) }

// ParseID parses the text form. The error is ErrInvalidRangeOffset.
func ParseID(s string) (ID, error) {
	ms, seq, ok := strings.Cut(s, "-")
	if !ok {
		return ID{}, errs.InvalidRangeOffset.With(fmt.Sprintf("%q is not an id of the form milliseconds-sequence", s))
	}
	t, err := parseDigits(ms, 1<<63-1)
	if err == nil {
		var n uint64
		if n, err = parseDigits(seq, 1<<64-1); err == nil {
			return ID{Millis: int64(t), Seq: n}, nil
		}
	}
	return ID{}, errs.InvalidRangeOffset.With(fmt.Sprintf("%q is not an id: %v", s, err))
}

// parseDigits accepts decimal digits only: no sign, no space, no underscore.
func parseDigits(s string, limit uint64) (uint64, error) {
	if s == "" {
		return 0, fmt.Errorf("a number is missing")
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("%q is not a number", s)
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > limit {
		return 0, fmt.Errorf("%s is out of range", s)
	}
	return n, nil
}

// String returns the text form.
func (id ID) String() string {
	var b [41]byte
	return string(id.append(b[:0]))
}

func (id ID) append(b []byte) []byte {
	b = strconv.AppendInt(b, id.Millis, 10)
	b = append(b, '-')
	return strconv.AppendUint(b, id.Seq, 10)
}

// AppendText appends the text form to b. It never fails.
func (id ID) AppendText(b []byte) ([]byte, error) { return id.append(b), nil }

// MarshalText returns the text form. It never fails.
func (id ID) MarshalText() ([]byte, error) { return id.append(nil), nil }

// UnmarshalText parses the text form.
func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	if err == nil {
		*id = v
	}
	return err
}

// Compare orders IDs of one topic: -1, 0 or 1.
func (id ID) Compare(other ID) int {
	if c := cmp.Compare(id.Millis, other.Millis); c != 0 {
		return c
	}
	return cmp.Compare(id.Seq, other.Seq)
}
