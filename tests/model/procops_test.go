package model

import (
	"cmp"
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

// procNames are the procs of the random test. Those with an e are ephemeral.
var procNames = []string{"p1", "p2", "p3", "p4", "e1", "e2", "a proc with a ü and spaces", "sys", "multi", "multi__a", "multi__b"}

func (w *world) procName() string { return procNames[w.rng.IntN(len(procNames))] }

// someProc usually returns the name of a proc that exists.
func (w *world) someProc() string {
	if list := w.st.procNames(); len(list) > 0 && w.rng.IntN(12) > 0 {
		return list[w.rng.IntN(len(list))]
	}
	return w.procName()
}

func (w *world) pick(list ...string) string { return list[w.rng.IntN(len(list))] }

// offset makes an offset, at times a bad one.
func (w *world) offset(topic string) string {
	t := w.st.topics[topic]
	if t == nil {
		t = &topicState{}
	}
	switch w.rng.IntN(6) {
	case 0, 1, 2:
		return w.pick("", ">", "$>")
	case 3:
		if n := len(t.recs); n > 0 { // somewhere below the end, to skip little
			return fmt.Sprintf(":%d", t.recs[w.rng.IntN(n)].id.Seq)
		}
	case 4: // in the future
		return fmt.Sprint(w.st.at(w.now()) + w.rng.Int64N(50))
	}
	return w.randomBound(t)
}

// backoffs are those of procs: none, or so long that none ends while a node is
// open.
func (w *world) backoffs() (backoff, longest time.Duration) {
	switch w.rng.IntN(4) {
	case 0:
		return hour, 0
	case 1:
		return 2 * hour, 8 * hour
	}
	return 0, 0
}

// procOptions makes options for a proc. One that exists keeps its own options and
// must be given its own topic, which it is in all but one of right cases.
func (w *world) procOptions(name string, right int) pipeproc.ProcOptions {
	o := pipeproc.ProcOptions{Name: name, Topic: w.pick(w.name(), "a", "b", "c"), Retry: pipeproc.RetryPolicy{ReclaimTimeout: never}, Ephemeral: name[0] == 'e'}
	if p := w.st.procs[name]; p != nil && w.rng.IntN(right) > 0 {
		o.Topic = p.topic
	}
	if w.rng.IntN(2) == 0 {
		o.Retry.ReclaimTimeout = hour
	}
	o.Retry.MaxReclaims = []int{0, -1, 1, 2, 3}[w.rng.IntN(5)]
	o.Retry.OnMaxReclaims = pipeproc.Strategy(w.rng.IntN(3))
	if o.Retry.OnMaxReclaims == pipeproc.StrategyDeadLetter {
		o.Retry.MaxReclaims = 1 + w.rng.IntN(2)
		if o.Topic != "dead" && (len(o.Topic) > 200 || w.rng.IntN(3) > 0) { // with __dead appended that would be no name
			o.Retry.DeadLetterTopic = "dead"
		}
	}
	o.Retry.Backoff, o.Retry.MaxBackoff = w.backoffs()
	o.Offset = w.offset(o.Topic)
	return o
}

// exactly runs a call that becomes one command, none, or an error, as the model
// says.
func (w *world) exactly(c *command, want error, durable bool, fn func() error) error {
	switch {
	case want != nil:
		return w.refused(want, fn)
	case c == nil:
		return w.nothing(fn)
	}
	return w.write(*c, durable, fn)
}

// nothing runs a call that must succeed and change nothing.
func (w *world) nothing(fn func() error) error {
	before := w.node.Stats().Position
	if err := fn(); err != nil {
		return err
	}
	if after := w.node.Stats().Position; after != before {
		return fmt.Errorf("a call without effect moved the position from %d to %d", before, after)
	}
	return nil
}

// said compares what a call returned with the model as it is now.
func (w *world) said(got pipeproc.ProcInfo, name string) error {
	if err := sameInfo(got, w.st.info(w.st.procs[name])); err != nil {
		return fmt.Errorf("the call returned: %w", err)
	}
	return checkProc(w.node, w.st, name)
}

func (w *world) always() bool { return w.cfg.mode == pipeproc.SyncAlways }

// ensure makes a proc, or finds it.
func (w *world) ensure() error {
	o := w.procOptions(w.procName(), 4)
	c, want := w.st.ensure(o, w.now())
	var got pipeproc.ProcInfo
	err := w.exactly(c, want, w.always(), func() (err error) {
		got, err = w.node.EnsureProc(bg, o)
		return err
	})
	if err != nil || want != nil {
		return err
	}
	return w.said(got, o.Name)
}

// badProc tries to make procs that are not allowed.
func (w *world) badProc() error {
	good := pipeproc.ProcOptions{Name: "bad", Topic: "a", Retry: pipeproc.RetryPolicy{ReclaimTimeout: never}}
	bad := []func(o *pipeproc.ProcOptions){
		func(o *pipeproc.ProcOptions) { o.Name = w.pick("", "a\nb", "\xff", string(make([]byte, 256))) },
		func(o *pipeproc.ProcOptions) { o.Retry.MaxReclaims = -2 },
		func(o *pipeproc.ProcOptions) { o.Retry.Backoff = -1 },
		func(o *pipeproc.ProcOptions) { o.Retry.OnMaxReclaims = 3 },
		func(o *pipeproc.ProcOptions) { o.Retry.DeadLetterTopic = "dead" },
		func(o *pipeproc.ProcOptions) {
			o.Retry.OnMaxReclaims, o.Retry.DeadLetterTopic = pipeproc.StrategyDeadLetter, w.pick("a", "a b")
		},
		func(o *pipeproc.ProcOptions) {
			o.Retry.OnMaxReclaims, o.Retry.MaxReclaims = pipeproc.StrategyDeadLetter, -1
		},
		func(o *pipeproc.ProcOptions) { o.Topic = w.pick("", "a b") },
	}
	k := w.rng.IntN(len(bad))
	bad[k](&good)
	want := pipeproc.ErrInvalidProcOptions
	if k == len(bad)-1 {
		want = pipeproc.ErrInvalidTopicFormat
	}
	return w.refused(want, func() error { _, err := w.node.Claim(bg, good); return err })
}

// claim claims for a proc, which it makes if there is none.
func (w *world) claim() error { return w.claimFor(w.someProc()) }

func (w *world) claimFor(name string) error {
	o := w.procOptions(name, 50)
	o.Count = []int{0, 1, 2, 5, 20, -1}[w.rng.IntN(6)]
	now := w.now()
	made, want := w.st.ensure(o, now)
	if want != nil {
		return w.refused(want, func() error { _, err := w.node.Claim(bg, o); return err })
	}
	next := w.st // with the proc made
	var cs []*command
	if made != nil {
		cs = append(cs, made)
		next = w.st.with(made)
	}
	take, recs, want := next.take(o.Name, cmp.Or(o.Count, 1), now)
	if want != nil {
		return w.refused(want, func() error { _, err := w.node.Claim(bg, o); return err })
	}
	if p := next.procs[o.Name]; w.held(p) {
		take, recs = nil, nil
	} else if take != nil && p.retryAt > 0 { // its wait ended at opening, or ends now
		if err := w.hasWork(o.Name); err != nil {
			return err
		}
	}
	if take != nil {
		cs = append(cs, take)
		w.count("records claimed")
	}
	_, skipped := next.position(next.procs[o.Name])
	call := func() error {
		got, err := w.node.Claim(bg, o)
		if err != nil {
			return err
		}
		if take != nil && got.Skipped != skipped {
			return fmt.Errorf("skipped %d, want %d", got.Skipped, skipped)
		}
		return w.claimed(got, take, recs)
	}
	var err error
	if len(cs) == 0 {
		err = w.nothing(call)
	} else {
		err = w.writeAll(cs, b2i(made != nil && w.always()), call)
	}
	if err != nil {
		return err
	}
	return checkProc(w.node, w.st, o.Name)
}

// claimed checks a claim, and tells the model its token.
func (w *world) claimed(got pipeproc.Claim, take *command, recs []rec) error {
	if len(got.Records) != len(recs) {
		return fmt.Errorf("claimed %d records (%v), want %d (%v)", len(got.Records), got.Range, len(recs), idRange(recs))
	}
	if take == nil {
		return nil
	}
	p := take.procs[0].st
	if got.Proc != p.name || got.Topic != p.topic || got.Range != p.claimed || got.Attempt != p.reclaims+1 || got.Timeout != p.timeout {
		return fmt.Errorf("claim %+v, want proc %+v", got, *p)
	}
	for i := range recs {
		if err := same(&got.Records[i], p.topic, &recs[i]); err != nil {
			return fmt.Errorf("claim: %w", err)
		}
	}
	p.token = got.Token
	delete(w.waits.freed, p.name)
	return w.tokens.add(got.Token)
}

// with returns the state with one more command about procs; s stays as it is.
func (s *state) with(c *command) *state {
	n := *s
	n.procs = make(map[string]*procState, len(s.procs)+1)
	for name, p := range s.procs {
		n.procs[name] = p
	}
	n.applyProcs(c)
	return &n
}
