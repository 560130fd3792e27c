package gcprune

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc/record"
)

// Proc is the part of a proc's state that pruning depends on.
type Proc struct {
	Name     string
	Disabled bool
	// Acked is the sequence below which everything is acknowledged; where a proc
	// starts, as long as it has acknowledged nothing.
	Acked uint64
	// Previous is the claim before the latest one; empty when there is none.
	Previous record.Range
}

// Segment is one segment of a topic.
type Segment struct {
	Base, Next uint64 // it holds sequences from Base to below Next
	Bytes      int64  // that its file takes
}

// Topic is the part of a topic's state that pruning depends on.
type Topic struct {
	Name        string
	First, Next uint64    // its records have sequences from First to below Next
	Procs       []Proc    // all that read it, in any order
	Segments    []Segment // in order; the last one is growing
	// Seek returns the first sequence whose record has a time of ms (unix
	// milliseconds) or later, Next if there is none. It is called only when a
	// rule asks for the time of a record.
	Seek func(ms int64) (uint64, error)
}

// Reason says which rule made a mark.
type Reason uint8

// Reasons.
const (
	None         Reason = iota // nothing may be pruned
	Acknowledged               // the acknowledgement rule
	Age                        // retention by age
	Size                       // retention by size
	numReasons
)

var reasonNames = [numReasons]string{"none", "acknowledged", "age", "size"}

// String returns the reason's name.
func (r Reason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Mark is the sequence from which a topic is kept.
type Mark struct {
	First  uint64 // everything below may be pruned; Topic.First if nothing may
	Reason Reason // the rule that reaches furthest, the first of equals
	// Passed names the protecting procs that have not acknowledged everything
	// below First, in the order in which the topic has them. Without Force it
	// is empty.
	Passed []string
}

// Decide returns the mark up to which r lets t be pruned at the time now, in
// unix milliseconds: the furthest that any rule in force allows, within the
// topic. An error is that of Seek, and nothing may be pruned then. Decide
// changes nothing and is safe for concurrent use.
func Decide(t Topic, r Rules, now int64) (Mark, error) {
	m := Mark{First: t.First}
	now = max(now, 0) // before 1970 nothing is old; taking an age off must not wrap
	raise := func(first uint64, why Reason) {
		if first = min(first, t.Next); first > m.First {
			m.First, m.Reason = first, why
		}
	}
	bound, protected := Bound(t.Procs, r.IgnoreDisabled)
	if r.GC && t.First < t.Next {
		first, err := t.acknowledged(r, now, bound, protected)
		if err != nil {
			return Mark{First: t.First}, err
		}
		raise(first, Acknowledged)
	}
	limit := t.Next // of retention
	if protected && !r.Force {
		limit = min(limit, bound)
	}
	if r.MaxAge > 0 && limit > m.First { // else a search could add nothing
		first, err := t.since(now - int64(r.MaxAge/time.Millisecond))
		if err != nil {
			return Mark{First: t.First}, err
		}
		raise(min(first, limit), Age)
	}
	if r.MaxBytes > 0 {
		raise(t.oversize(r.MaxBytes, limit), Size)
	}
	if m.First == t.First {
		return m, nil
	}
	for _, p := range t.Procs {
		if p.protects(r.IgnoreDisabled) && p.Acked < m.First {
			m.Passed = append(m.Passed, p.Name)
		}
	}
	return m, nil
}

// Bound returns the sequence below which every protecting proc has acknowledged
// everything. any is false when no proc protects. A mark that was not forced and
// lies above the bound is out of date.
func Bound(procs []Proc, ignoreDisabled bool) (bound uint64, any bool) {
	for _, p := range procs {
		if p.protects(ignoreDisabled) && (!any || p.Acked < bound) {
			bound, any = p.Acked, true
		}
	}
	return bound, any
}

// protects reports whether the proc holds what it has not acknowledged.
func (p *Proc) protects(ignoreDisabled bool) bool { return !p.Disabled || !ignoreDisabled }

// acknowledged returns how far the acknowledgement rule reaches.
func (t *Topic) acknowledged(r Rules, now int64, bound uint64, protected bool) (uint64, error) {
	cutoff := now - int64(r.MinAge/time.Millisecond) // that millisecond goes as well
	if !protected {
		return t.since(cutoff + 1)
	}
	// Acknowledged records could be pruned without harm to any proc. The two
	// latest claims of each proc are kept nevertheless, for inspection when a
	// proc turns out to have done wrong. The age that counts is that of the
	// earlier of these claims, not that of the pruned records.
	var f record.ID
	found := false
	for i := range t.Procs {
		p := &t.Procs[i]
		if !p.protects(r.IgnoreDisabled) || p.Previous.Empty() {
			continue
		}
		if !found || p.Previous.First.Seq < f.Seq {
			f, found = p.Previous.First, true
		}
	}
	if !found || f.Millis > cutoff {
		return t.First, nil
	}
	return min(f.Seq, bound), nil
}

// since returns the first sequence with a time of ms or later.
func (t *Topic) since(ms int64) (uint64, error) {
	if ms <= 0 {
		return t.First, nil // times are never negative
	}
	seq, err := t.Seek(ms)
	if err != nil {
		return 0, fmt.Errorf("looking for what may go from topic %q: %w", t.Name, err)
	}
	return seq, nil
}

// oversize returns how far retention by size reaches. It stops at the start of a
// segment, even below limit: records of a segment that stays would free nothing.
func (t *Topic) oversize(maxBytes int64, limit uint64) uint64 {
	var total int64
	for _, s := range t.Segments {
		total += s.Bytes
	}
	first := t.First
	for i := 0; i+1 < len(t.Segments) && total > maxBytes; i++ {
		next := t.Segments[i+1].Base
		if next > limit {
			break
		}
		total -= t.Segments[i].Bytes
		first = next
	}
	return first
}
