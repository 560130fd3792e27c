package gcprune

import (
	"fmt"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// Switch is on, off, or inherited from the node.
type Switch uint8

// Positions of a Switch. The numbers are part of the format.
const (
	Inherit Switch = iota
	On
	Off
	numSwitches
)

var switchNames = [numSwitches]string{"inherit", "on", "off"}

// String returns "inherit", "on" or "off".
func (s Switch) String() string {
	if s < numSwitches {
		return switchNames[s]
	}
	return fmt.Sprintf("Switch(%d)", uint8(s))
}

// ParseSwitch is the inverse of String. The error is ErrInvalidOptions.
func ParseSwitch(s string) (Switch, error) {
	for i, n := range switchNames {
		if n == s {
			return Switch(i), nil
		}
	}
	return 0, errs.InvalidOptions.With(fmt.Sprintf("%q is none of %s", s, strings.Join(switchNames[:], ", ")))
}

// or returns the position as a bool, node for Inherit.
func (s Switch) or(node bool) bool {
	if s == Inherit {
		return node
	}
	return s == On
}

// Policy says what may be pruned from one topic. The zero Policy is what a
// topic without one has: the node's settings and no retention.
type Policy struct {
	// GC turns the acknowledgement rule on or off: records that every proc has
	// acknowledged are pruned, except those of its two latest claims; on a
	// topic without procs, every record that is old enough is.
	GC Switch
	// MinAge is the minimum age for the acknowledgement rule: of the earlier of
	// those claims, or of the record. 0: the node's.
	MinAge time.Duration
	// IgnoreDisabled lets disabled procs protect nothing, under all rules.
	IgnoreDisabled Switch

	// MaxAge lets older records be pruned. 0: no retention by age.
	MaxAge time.Duration
	// MaxBytes lets the oldest segments be removed, whole, while the topic's
	// segment files take more bytes. 0: no retention by size.
	MaxBytes int64
	// Force lets retention by age and size pass procs that have not
	// acknowledged. Without it such a proc keeps its records for as long as it
	// takes, and the topic may grow beyond both limits.
	Force bool
}

// maxDuration bounds ages; longer ones are mistakes.
const maxDuration = 100 * 365 * 24 * time.Hour

// Check returns p with durations rounded up to whole milliseconds, and refuses
// invalid values. The error is ErrInvalidOptions and names the field.
func (p Policy) Check() (Policy, error) {
	bad := func(name, format string, a ...any) (Policy, error) {
		return p, errs.InvalidOptions.With(name + ": " + fmt.Sprintf(format, a...))
	}
	if p.GC >= numSwitches {
		return bad("GC", "unknown position %d", p.GC)
	}
	if p.IgnoreDisabled >= numSwitches {
		return bad("IgnoreDisabled", "unknown position %d", p.IgnoreDisabled)
	}
	if p.MaxBytes < 0 {
		return bad("MaxBytes", "%d is negative; use 0 for no limit", p.MaxBytes)
	}
	if p.Force && p.MaxAge == 0 && p.MaxBytes == 0 {
		return bad("Force", "it goes with MaxAge or MaxBytes only")
	}
	var err error
	if p.MinAge, err = age("MinAge", p.MinAge); err != nil {
		return p, err
	}
	p.MaxAge, err = age("MaxAge", p.MaxAge)
	return p, err
}

// age checks one duration and rounds it up.
func age(name string, d time.Duration) (time.Duration, error) {
	switch {
	case d < 0:
		return d, errs.InvalidOptions.With(fmt.Sprintf("%s: %v is negative", name, d))
	case d > maxDuration:
		return d, errs.InvalidOptions.With(fmt.Sprintf("%s: %v is longer than a hundred years", name, d))
	}
	return roundUp(d), nil
}

// roundUp returns d in whole milliseconds, the unit of record times, so that a
// record is never taken for older than was asked.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

// prunes reports whether the policy by itself turns a rule on.
func (p Policy) prunes() bool { return p.GC == On || p.MaxAge > 0 || p.MaxBytes > 0 }
