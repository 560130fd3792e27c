package pipeproc

import (
	"cmp"
	"context"
	"time"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/internal/errs"
)

// GCOptions say how records that no proc needs are collected: on a topic with procs,
// those older than MinAge that precede the last two claims of all procs; on a topic
// without procs, those older than MinAge. A proc, even a disabled one, protects what it
// has not acknowledged. DESIGN.md has the rules.
type GCOptions struct {
	// Interval is the time between two collections. Default 30 s.
	Interval time.Duration
	// MinAge is the age that records must have. Default 30 s.
	MinAge time.Duration
	// IgnoreDisabled means that disabled procs protect nothing.
	IgnoreDisabled bool
}

const defaultGCInterval = 30 * time.Second

// settings checks o. nil means off, except for the retention of topics.
func (o *GCOptions) settings() (engine.GCSettings, error) {
	s := engine.GCSettings{Interval: defaultGCInterval}
	if o != nil {
		if o.Interval < 0 {
			return s, errs.InvalidOptions.With("GC.Interval: it is negative")
		}
		s.Interval = cmp.Or(o.Interval, defaultGCInterval)
		s.Settings = gcprune.Settings{On: true, MinAge: o.MinAge, IgnoreDisabled: o.IgnoreDisabled}
	}
	var err error
	s.Settings, err = s.Check()
	return s, err
}

// Retention says what may be pruned from one topic, besides what the node's GC option
// says. It never prunes what an active proc has not acknowledged, unless Force is set; a
// proc learns from its next claim how much it missed. The zero value removes the
// retention.
type Retention struct {
	// GC turns the rule of GCOptions on or off for this topic.
	GC Switch
	// MinAge is as in GCOptions. 0: the node's.
	MinAge time.Duration
	// IgnoreDisabled means that disabled procs protect nothing, under all rules.
	IgnoreDisabled Switch
	// MaxAge is the age from which records are pruned. 0: no retention by age.
	MaxAge time.Duration
	// MaxBytes is the size of the topic's segment files, in bytes, above which the
	// oldest segments are pruned whole. 0: no retention by size.
	MaxBytes int64
	// Force lets retention by age and size prune records that procs have not
	// acknowledged. Without it such a proc keeps its records indefinitely, and the
	// topic may grow beyond both limits.
	Force bool
}

func (r Retention) policy() gcprune.Policy {
	return gcprune.Policy{GC: gcprune.Switch(r.GC), MinAge: r.MinAge, IgnoreDisabled: gcprune.Switch(r.IgnoreDisabled),
		MaxAge: r.MaxAge, MaxBytes: r.MaxBytes, Force: r.Force}
}

// Switch is on, off, or what the node's options say.
type Switch uint8

// Positions of a Switch.
const (
	SwitchInherit Switch = iota // what the node's options say
	SwitchOn
	SwitchOff
)

// String returns "inherit", "on" or "off".
func (s Switch) String() string { return gcprune.Switch(s).String() }

// ParseSwitch parses "inherit", "on" or "off". The error is ErrInvalidOptions.
func ParseSwitch(s string) (Switch, error) {
	v, err := gcprune.ParseSwitch(s)
	return Switch(v), err
}

// Pruned is a topic that lost records to a collection.
type Pruned struct {
	Topic       string
	First, Next uint64 // the sequences [First, Next) were pruned
	Reason      PruneReason
	Passed      []string // procs that had not acknowledged them, which only Retention.Force allows
}

// PruneReason is the rule by which a collection removed records. String returns
// its name.
type PruneReason uint8

// Reasons.
const (
	PrunedAcknowledged PruneReason = 1 + iota // all procs had acknowledged them
	PrunedByAge                               // Retention.MaxAge
	PrunedBySize                              // Retention.MaxBytes
)

// String returns "acknowledged", "age" or "size".
func (r PruneReason) String() string { return gcprune.Reason(r).String() }

// SetRetention sets what may be pruned from a topic. It is kept in the store and applied
// at the interval of the node's GC option, 30 s by default.
func (n *Node) SetRetention(ctx context.Context, topic string, r Retention) error {
	return n.e.SetPolicy(ctx, topic, r.policy())
}

// Retention returns what may be pruned from a topic.
func (n *Node) Retention(ctx context.Context, topic string) (Retention, error) {
	if ctx.Err() != nil {
		return Retention{}, context.Cause(ctx)
	}
	p, err := n.e.Policy(topic)
	return Retention{GC: Switch(p.GC), MinAge: p.MinAge, IgnoreDisabled: Switch(p.IgnoreDisabled), MaxAge: p.MaxAge,
		MaxBytes: p.MaxBytes, Force: p.Force}, err
}

// GC collects now, by the rules in o and the retention of each topic, and returns what
// was pruned. Disk space is freed by whole segments, soon after.
func (n *Node) GC(ctx context.Context, o GCOptions) ([]Pruned, error) {
	s, err := o.settings()
	if err != nil {
		return nil, err
	}
	list, err := n.e.GC(ctx, s.Settings)
	out := make([]Pruned, len(list))
	for i, p := range list {
		out[i] = Pruned{Topic: p.Topic, First: p.First, Next: p.Next, Reason: PruneReason(p.Reason), Passed: p.Passed}
	}
	return out, err
}
