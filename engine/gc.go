package engine

import (
	"context"
	"errors"
	"time"

	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
)

// GCSettings say how the node collects garbage.
type GCSettings struct {
	gcprune.Settings
	Interval time.Duration // between two collections
}

// Pruned is a topic that lost records to a collection.
type Pruned struct {
	Topic       string
	First, Next uint64 // sequences [First, Next) are gone
	Reason      gcprune.Reason
	Passed      []string // procs that had not seen them, which only Force allows
}

// GC prunes every topic as far as its rules allow, with set as the node's settings. An
// error in one topic does not stop the collection of the others.
func (e *Engine) GC(ctx context.Context, set gcprune.Settings) ([]Pruned, error) {
	e.gcMu.Lock()
	defer e.gcMu.Unlock()
	var out []Pruned
	var failed error
	now, wall := e.time()
	list, err := e.Topics()
	if err != nil {
		return nil, err
	}
	dead := e.deadLetterTopics()
	for _, t := range list {
		if ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
		rules := e.rules.Get(t.ID()).Resolve(set)
		if dead[t.Name()] && e.rules.Get(t.ID()).GC != gcprune.On {
			rules.GC = false // dead letters wait for a person to examine them
		}
		if !rules.Any() {
			continue
		}
		p, err := e.collect(ctx, t, rules, now, wall)
		if err != nil && !errors.Is(err, errs.InvalidTopic) { // it was deleted meanwhile
			failed = errors.Join(failed, err)
		}
		if p.Next > p.First {
			out = append(out, p)
		}
	}
	return out, failed
}

// deadLetterTopics returns the names of the topics that procs move dead letters to.
func (e *Engine) deadLetterTopics() map[string]bool {
	m := make(map[string]bool)
	for _, s := range e.procs.All() {
		if s.Def.OnMax == procstate.DeadLetter {
			m[s.Def.DeadLetter] = true
		}
	}
	return m
}

// collect prunes one topic. now is the store's time, wall what the clock says.
func (e *Engine) collect(ctx context.Context, t *topics.Topic, rules gcprune.Rules, now, wall int64) (Pruned, error) {
	g := gcprune.Topic{Name: t.Name(), First: t.First(), Seek: t.SeekTime, Procs: gcProcs(e.procs.OfTopic(nil, t.Name()))}
	g.Next = t.End() // read after the procs, so that none has acknowledged more
	if rules.MaxBytes > 0 {
		for _, f := range t.Files() {
			g.Segments = append(g.Segments, gcprune.Segment{Base: f.Base, Next: f.Next, Bytes: f.Size})
		}
	}
	mark, err := decideAt(&g, rules, now, wall)
	if err != nil || mark.First <= g.First {
		return Pruned{}, err
	}
	a := &adminCommand{kind: opPrune, name: t.Name(), first: mark.First, guard: &rules}
	if rules.Force && mark.Reason != gcprune.Acknowledged {
		a.guard = nil
	}
	if err := e.runAdmin(ctx, a); err != nil {
		return Pruned{}, err
	}
	return Pruned{Topic: t.Name(), First: g.First, Next: a.first, Reason: mark.Reason, Passed: mark.Passed}, nil
}

// decideAt decides what goes. In a store that is ahead of the clock, records that are
// not later than the clock were written before that, and have the age that the clock
// says: the store's time would make them too old. Those after them were written since,
// and have the age that the store's time says.
func decideAt(g *gcprune.Topic, rules gcprune.Rules, now, wall int64) (gcprune.Mark, error) {
	mark, err := gcprune.Decide(*g, rules, min(now, wall))
	if err != nil || wall >= now {
		return mark, err
	}
	since, err := g.Seek(wall + 1)
	if err != nil || mark.First < since {
		return mark, err
	}
	return gcprune.Decide(*g, rules, now)
}

func gcProcs(list []*procstate.State) []gcprune.Proc {
	out := make([]gcprune.Proc, len(list))
	for i, s := range list {
		out[i] = gcprune.Proc{Name: s.Def.Name, Disabled: s.Disabled, Acked: s.Next, Previous: s.PrevClaimed}
	}
	return out
}

// boundByProcs lowers the mark of a collection to what the procs of the topic allow when
// it is staged: one may have been created since the mark was decided.
func (e *Engine) boundByProcs(a *adminCommand) {
	if a.guard == nil || mutate.SkipGuard {
		return
	}
	procs := gcProcs(e.procs.StagedOfTopic(nil, a.name))
	if bound, any := gcprune.Bound(procs, a.guard.IgnoreDisabled); any {
		a.first = min(a.first, bound)
	}
}

// SetPolicy sets what may be pruned from a topic. The zero Policy removes it.
func (e *Engine) SetPolicy(ctx context.Context, topic string, p gcprune.Policy) error {
	t, err := e.Topic(topic)
	if err != nil {
		return err
	}
	err = e.runAdmin(ctx, &adminCommand{kind: opPolicy, name: topic, id: t.ID(), policy: gcprune.Op{Topic: t.ID(), Policy: p}})
	if err == nil {
		e.wakeGC()
	}
	return err
}

// Policy returns what may be pruned from a topic.
func (e *Engine) Policy(topic string) (gcprune.Policy, error) {
	t, err := e.Topic(topic)
	if err != nil {
		return gcprune.Policy{}, err
	}
	return e.rules.Get(t.ID()), nil
}

func (e *Engine) wakeGC() {
	select {
	case e.gcKick <- struct{}{}:
	default:
	}
}

// collector collects at the interval while there is a rule. It ends with ctx.
func (e *Engine) collector(ctx context.Context) {
	defer close(e.gcDone)
	var tick <-chan time.Time // nil while there is no rule
	for {
		on := e.cfg.GC.On || e.rules.Any()
		if on && tick == nil {
			tick = time.After(e.cfg.GC.Interval)
		} else if !on {
			tick = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-e.gcKick:
		case <-tick:
			tick = nil
			e.run("a collection", func() { e.collectAll(ctx) })
		}
	}
}

func (e *Engine) collectAll(ctx context.Context) {
	pruned, err := e.GC(ctx, e.cfg.GC.Settings)
	for _, p := range pruned {
		log := e.cfg.Logger.Debug
		if len(p.Passed) > 0 {
			log = e.cfg.Logger.Warn
		}
		log("pipeproc: pruned", "topic", p.Topic, "from", p.First, "to", p.Next, "rule", p.Reason.String(), "passed", p.Passed)
		e.event(Event{Kind: EventPruned, Name: p.Topic})
	}
	if err != nil && ctx.Err() == nil && e.writable() == nil {
		e.cfg.Logger.Warn("pipeproc: garbage collection", "err", err)
	}
}
