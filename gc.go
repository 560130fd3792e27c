package pipeproc

import (
	"context"
	"time"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/internal/errs"
)

// GCOptions say how records that nobody needs are collected: those that all
// procs of a topic are done with, two claims behind, once they have the age,
// and on a topic without procs those that have the age. A proc protects what it
// has not acknowledged, a disabled one as well. DESIGN.md has the rules.
type GCOptions struct {
	// Interval is the time between two collections. Default 30 s.
	Interval time.Duration
	// MinAge is the age that records must have. Default 30 s.
	MinAge time.Duration
	// IgnoreDisabled lets disabled procs protect nothing.
	IgnoreDisabled bool
}

const defaultGCInterval = 30 * time.Second

// settings checks o; nil is off, but for the retention of topics.
func (o *GCOptions) settings() (engine.GCSettings, error) {
	s := engine.GCSettings{Interval: defaultGCInterval}
	if o != nil {
		if o.Interval < 0 {
			return s, errs.InvalidOptions.With("GC.Interval: it is negative")
		}
		s.Interval = or(o.Interval, defaultGCInterval)
		s.Settings = gcprune.Settings{On: true, MinAge: o.MinAge, IgnoreDisabled: o.IgnoreDisabled}
	}
	var err error
	s.Settings, err = s.Check()
	return s, err
}

// Retention says what may be pruned from one topic, besides what the node's GC
// option says. It never passes an active proc, unless Force is set; a proc that
// was passed is told by its next claim. The zero value takes it back.
type Retention = gcprune.Policy

// Switch is on, off, or as the node says.
type Switch = gcprune.Switch

// Positions of a Switch.
const (
	SwitchInherit = gcprune.Inherit
	SwitchOn      = gcprune.On
	SwitchOff     = gcprune.Off
)

// Pruned is a topic that lost records to a collection.
type Pruned = engine.Pruned

// SetRetention sets what may be pruned from a topic. It is kept in the store
// and done at the interval of the node's GC option, 30 s by default.
func (n *Node) SetRetention(ctx context.Context, topic string, r Retention) error {
	return n.e.SetPolicy(ctx, topic, r)
}

// Retention returns what may be pruned from a topic.
func (n *Node) Retention(ctx context.Context, topic string) (Retention, error) {
	if err := ctx.Err(); err != nil {
		return Retention{}, context.Cause(ctx)
	}
	return n.e.Policy(topic)
}

// GC collects now, by the rules that o and the retention of each topic make,
// and returns what went. Disk space is freed by whole segments, soon after.
func (n *Node) GC(ctx context.Context, o GCOptions) ([]Pruned, error) {
	s, err := o.settings()
	if err != nil {
		return nil, err
	}
	return n.e.GC(ctx, s.Settings)
}
