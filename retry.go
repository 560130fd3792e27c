package pipeproc

import (
	"time"

	"github.com/pipeproc/pipeproc/procstate"
)

// RetryPolicy says what happens to records whose processing failed: how long a claim may
// stay open, how often and how soon its records are delivered again, and what happens
// after too many failures. Zero fields mean the defaults, which depend on the kind of
// proc. A claim fails when Reclaim or a processor's error gives it back, and when
// ReclaimTimeout passes; all of its records fail and are delivered again together.
type RetryPolicy struct {
	// MaxReclaims is how often the same records may fail before OnMaxReclaims is
	// applied. Default 10; -1: no limit.
	MaxReclaims int
	// ReclaimTimeout is how long a claim may stay unacknowledged before the node
	// takes it back. Default 10 s; negative: forever.
	ReclaimTimeout time.Duration
	// OnMaxReclaims says what happens after MaxReclaims failures. Default:
	// StrategyDisable for procs and system procs, StrategyContinue for live procs.
	OnMaxReclaims Strategy
	// DeadLetterTopic is where StrategyDeadLetter moves the records of the claim.
	// Default: the name of the topic they come from, followed by "__dead". It must not
	// be set with another strategy.
	DeadLetterTopic string
	// Backoff is the wait before records that failed can be claimed again. It doubles
	// each time, up to MaxBackoff. Default: no wait, and a MaxBackoff of 1 min; for
	// system procs 10 ms, and a MaxBackoff of 3 s; if Backoff is longer than that, it is
	// the MaxBackoff. A negative Backoff means no wait, but only for a system proc.
	Backoff, MaxBackoff time.Duration
}

// options returns the policy in the form that a proc's state holds, not checked yet.
func (r RetryPolicy) options(offset string) procstate.Options {
	return procstate.Options{Offset: offset, MaxReclaims: r.MaxReclaims, ReclaimTimeout: r.ReclaimTimeout,
		OnMax: r.OnMaxReclaims, DeadLetter: r.DeadLetterTopic, Backoff: r.Backoff, MaxBackoff: r.MaxBackoff}
}

// Strategy is what happens to a proc whose records failed as often as
// RetryPolicy.MaxReclaims allows. It is StrategyDisable, StrategyContinue or
// StrategyDeadLetter.
//
//	func (s Strategy) String() string  // "disable", "continue" or "deadletter"; ParseStrategy reads it
//
//	pipeproc.RetryPolicy{MaxReclaims: 3, OnMaxReclaims: pipeproc.StrategyDeadLetter}
type Strategy = procstate.Strategy

// Strategies.
const (
	StrategyDisable    = procstate.Disable    // the proc is disabled until it is resumed
	StrategyContinue   = procstate.Continue   // the records are delivered again, without limit
	StrategyDeadLetter = procstate.DeadLetter // the records move to DeadLetterTopic and the proc continues after them
)

// ParseStrategy parses "disable", "continue" or "deadletter". The error is
// ErrInvalidProcOptions.
func ParseStrategy(s string) (Strategy, error) { return procstate.ParseStrategy(s) }
