// Package errs holds the error values that several layers share, so that a
// caller can test for them with errors.Is and errors.As whichever layer found
// the fault. The layers and the root package re-export them.
package errs

import (
	"errors"
	"fmt"
	"strings"
)

// ErrCorrupt is the target of errors.Is for every kind of damage found in
// stored bytes: a checksum that does not match, a missing file, a length that
// cannot be.
var ErrCorrupt = errors.New("corrupt")

// CorruptError says where damage was found. Unknown coordinates are left at
// their zero value; Offset is in bytes from the start of File and -1 when it
// does not apply.
type CorruptError struct {
	File    string // base name of the damaged file
	Topic   string // topic concerned, if one is known
	Segment uint64 // segment number, when File is a segment
	Offset  int64  // byte offset within File, or -1
	What    string // what does not hold, in a few words
	// First and Next delimit the sequences [First, Next) that cannot be read
	// because of the damage, when that is known (Next > First).
	First, Next uint64
	Err         error // the cause, if there is one
}

func (e *CorruptError) Error() string {
	var b strings.Builder
	b.WriteString("corrupt")
	if e.Topic != "" {
		fmt.Fprintf(&b, ": topic %q", e.Topic)
	}
	if e.File != "" {
		fmt.Fprintf(&b, ": %s", e.File)
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " at offset %d", e.Offset)
	}
	if e.Next > e.First {
		fmt.Fprintf(&b, " (sequences %d to %d)", e.First, e.Next-1)
	}
	if e.What != "" {
		fmt.Fprintf(&b, ": %s", e.What)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Is reports ErrCorrupt as a target.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }
