package gcprune

import (
	"cmp"
	"time"
)

// DefaultMinAge is the age that the acknowledgement rule asks for when
// neither policy nor node says another.
const DefaultMinAge = 30 * time.Second

// Settings are what a node says for all topics.
type Settings struct {
	On             bool          // the acknowledgement rule
	MinAge         time.Duration // 0: DefaultMinAge
	IgnoreDisabled bool          // disabled procs protect nothing
}

// Check returns s with the duration rounded up to whole milliseconds, and
// refuses what cannot be. The error is ErrInvalidOptions and names the field.
func (s Settings) Check() (Settings, error) {
	var err error
	s.MinAge, err = age("MinAge", s.MinAge)
	return s, err
}

// Rules are a policy with the node's settings filled in. Durations are whole
// milliseconds.
type Rules struct {
	GC             bool // the acknowledgement rule
	MinAge         time.Duration
	IgnoreDisabled bool
	MaxAge         time.Duration // 0: no retention by age
	MaxBytes       int64         // 0: no retention by size
	Force          bool
}

// Resolve returns the rules that hold for a topic with policy p on a node with
// settings s. Both have been checked.
func (p Policy) Resolve(s Settings) Rules {
	return Rules{
		GC:             p.GC.or(s.On),
		MinAge:         roundUp(cmp.Or(p.MinAge, s.MinAge, DefaultMinAge)),
		IgnoreDisabled: p.IgnoreDisabled.or(s.IgnoreDisabled),
		MaxAge:         roundUp(p.MaxAge),
		MaxBytes:       p.MaxBytes,
		Force:          p.Force,
	}
}

// Any reports whether a rule is on, so that [Decide] could find something.
func (r Rules) Any() bool { return r.GC || r.MaxAge > 0 || r.MaxBytes > 0 }
