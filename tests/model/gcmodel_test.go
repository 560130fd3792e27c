package model

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/pipeproc/pipeproc"
)

// Retention and collection in the model, by the rules as package gcprune has them,
// record by record.

// gcWant is what a collection must do to one topic.
type gcWant struct {
	first  uint64 // it is kept from here on, except by retention by size
	limit  uint64 // retention by size goes no further
	sized  bool
	passed func(first uint64) []string // procs that have not seen all below first
}

// collected says how far a topic may be pruned at time now.
func (s *state) collected(name string, o pipeproc.GCOptions, now int64) gcWant {
	t := s.topics[name]
	r := t.policy
	gc := r.GC != pipeproc.SwitchOff && (r.GC == pipeproc.SwitchOn || !s.isDeadLetters(name))
	ignore := r.IgnoreDisabled == pipeproc.SwitchOn || r.IgnoreDisabled == pipeproc.SwitchInherit && o.IgnoreDisabled
	age := cmp.Or(r.MinAge, o.MinAge, 30*time.Second).Milliseconds()
	var procs []*procState // those that protect
	bound := t.next        // of what all of them have acknowledged
	for _, n := range s.procNames() {
		if p := s.procs[n]; p.topic == name && (!p.disabled || !ignore) {
			procs = append(procs, p)
			bound = min(bound, p.next)
		}
	}
	w := gcWant{first: t.first, limit: t.next, sized: r.MaxBytes > 0}
	raise := func(to uint64) { w.first = max(w.first, min(to, t.next)) }
	if gc && len(procs) == 0 {
		raise(t.youngerThan(now - age))
	} else if gc {
		// The two latest claims of every proc stay.
		var oldest *pipeproc.ID
		for _, p := range procs {
			if q := p.prevClaimed; !q.Empty() && (oldest == nil || q.First.Seq < oldest.Seq) {
				oldest = &q.First
			}
		}
		if oldest != nil && oldest.Millis <= now-age {
			raise(min(oldest.Seq, bound))
		}
	}
	if !r.Force {
		w.limit = min(w.limit, bound)
	}
	if r.MaxAge > 0 {
		raise(min(t.youngerThan(now-r.MaxAge.Milliseconds()-1), w.limit))
	}
	w.passed = func(first uint64) []string {
		var out []string
		for _, p := range procs {
			if p.next < first {
				out = append(out, p.name)
			}
		}
		return out
	}
	return w
}

// isDeadLetters reports whether a proc puts its dead letters into a topic. They
// stay until somebody has looked at them, unless its policy says otherwise.
func (s *state) isDeadLetters(topic string) bool {
	for _, p := range s.procs {
		if p.onMax == pipeproc.StrategyDeadLetter && p.dead == topic {
			return true
		}
	}
	return false
}

// collectedAt says how far a collection prunes a topic, at least and at most, when the
// clock says wall and the node has the time now. If the clock is behind, what was written
// before it got there has the age that the clock says. By size more may go.
func (s *state) collectedAt(name string, o pipeproc.GCOptions, now, wall int64) (least, most gcWant) {
	least, most = s.collected(name, o, min(now, wall)), s.collected(name, o, now)
	switch t := s.topics[name]; {
	case t.at(least.first) >= t.at(t.youngerThan(wall)):
		least = most
	case !least.sized:
		most = least
	}
	return least, most
}

// youngerThan returns the first sequence whose record has a time above ms.
func (t *topicState) youngerThan(ms int64) uint64 {
	if ms < 0 {
		return t.first
	}
	for _, r := range t.live() {
		if r.id.Millis > ms {
			return r.id.Seq
		}
	}
	return t.next
}

// retention sets the policy of a topic, at times a bad one.
func (w *world) retention() error {
	c := command{kind: kPolicy, topic: w.name()}
	var want error
	if w.st.topics[c.topic] == nil {
		want = pipeproc.ErrInvalidTopic
	}
	r := &c.policy
	if w.rng.IntN(5) > 0 {
		r.GC, r.IgnoreDisabled = pipeproc.Switch(w.rng.IntN(3)), pipeproc.Switch(w.rng.IntN(3))
		r.MinAge = []time.Duration{0, time.Millisecond, 20 * time.Millisecond, hour}[w.rng.IntN(4)]
		if w.rng.IntN(3) == 0 {
			r.MaxAge = []time.Duration{time.Millisecond, 50 * time.Millisecond, 48 * hour}[w.rng.IntN(3)]
		}
		if w.rng.IntN(3) == 0 {
			r.MaxBytes = 1 + w.rng.Int64N(150<<10)
		}
		r.Force = r.MaxAge+time.Duration(r.MaxBytes) > 0 && w.rng.IntN(2) == 0
	}
	given := c.policy
	switch w.rng.IntN(10) {
	case 0:
		given.MinAge += time.Microsecond // rounded up
		r.MinAge += time.Millisecond
	case 1:
		given.MaxBytes = -1
		want = cmp.Or(want, pipeproc.ErrInvalidOptions)
	}
	if err := w.admin(c, want, func() error { return w.node.SetRetention(bg, c.topic, given) }); err != nil {
		return err
	}
	if w.st.topics[c.topic] == nil {
		return nil
	}
	if got, err := w.node.Retention(bg, c.topic); err != nil || got != w.st.topics[c.topic].policy {
		return fmt.Errorf("retention of %s: %+v, %v, want %+v", c.topic, got, err, w.st.topics[c.topic].policy)
	}
	return nil
}

// gc collects. What goes by size depends on files, so that is only bounded.
func (w *world) gc() error {
	o := pipeproc.GCOptions{MinAge: []time.Duration{0, time.Millisecond, 20 * time.Millisecond, hour}[w.rng.IntN(4)], IgnoreDisabled: w.rng.IntN(2) == 0}
	now := w.now()
	pos := int64(len(w.cmds))
	w.tried.Store(pos + int64(len(w.st.topics)))
	got, err := w.node.GC(bg, o)
	if err != nil {
		return err
	}
	wall := w.clock.ms.Load()
	if wall < now {
		w.count("gc behind")
	}
	want := fold(w.cfg.topic, w.cmds) // as it was: a topic does not depend on others
	for _, name := range want.names() {
		var p pipeproc.Pruned
		if len(got) > 0 && got[0].Topic == name {
			p, got = got[0], got[1:]
		}
		least, most := want.collectedAt(name, o, now, wall)
		if err := prunedAs(least, most, want.topics[name], name, p); err != nil {
			return err
		}
		if p.Next > 0 {
			c := command{kind: kPrune, ms: w.st.at(now), topic: name, first: p.Next}
			w.cmds = append(w.cmds, c)
			w.st.apply(&c)
			w.count("collected for " + p.Reason.String())
		}
	}
	if len(got) > 0 {
		return fmt.Errorf("pruned of no topic: %+v", got)
	}
	all := int64(len(w.cmds))
	w.tried.Store(all)
	if p := int64(w.node.Stats().Position); p != all {
		return fmt.Errorf("position %d, want %d", p, all)
	}
	w.acked.Store(all)
	if w.always() && all > pos {
		w.durable.Store(all)
	}
	if err := w.noteDurable(); err != nil {
		return err
	}
	for _, name := range w.st.names() {
		if err := checkTopic(w.node, w.st, name); err != nil {
			return err
		}
	}
	return checkProcs(w.node, w.st)
}

// prunedAs compares what a collection did to a topic with what it had to do, at
// least and at most.
func prunedAs(want, most gcWant, t *topicState, name string, p pipeproc.Pruned) error {
	first := max(p.Next, t.first)
	at := t.at(first) // within a gap, all sequences are the same
	bad := at < t.at(want.first) || at > t.at(most.first) && !want.sized || p.Next > want.limit
	if bad || p.Next > 0 && (p.First != t.first || p.Next <= p.First || !slices.Equal(slices.Sorted(slices.Values(p.Passed)), want.passed(first))) {
		return fmt.Errorf("topic %s, first %d, next %d, %+v: pruned %+v, want first %d to %d, by size up to %d (%v), passed %q", name, t.first, t.next, t.policy,
			p, want.first, most.first, want.limit, want.sized, want.passed(first))
	}
	return nil
}
