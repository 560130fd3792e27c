package model

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/pipeproc/pipeproc"
)

// What the fixed history does about procs. Every step is one command, if all
// goes well, and at most one otherwise.

func letters(topics ...string) *draft {
	d := &draft{topics: topics}
	for i := range topics {
		d.recs = append(d.recs, rec{key: []byte{byte(i)}, body: []byte("made of a claim")})
	}
	return d
}

var (
	histProc   = pipeproc.ProcOptions{Name: "p", Topic: "alpha", Count: 3, Retry: pipeproc.RetryPolicy{ReclaimTimeout: never, MaxReclaims: 2, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "dead"}}
	histTimed  = pipeproc.ProcOptions{Name: "timed", Topic: "gamma", Count: 2, Retry: pipeproc.RetryPolicy{ReclaimTimeout: hour}}
	histShort  = pipeproc.ProcOptions{Name: "ephemeral", Topic: "beta", Count: -1, Retry: pipeproc.RetryPolicy{ReclaimTimeout: never}, Ephemeral: true}
	histFuture = pipeproc.ProcOptions{Name: "future", Topic: "zipped", Offset: "1700000000400", Count: 5, Retry: pipeproc.RetryPolicy{ReclaimTimeout: never, Backoff: hour}}
	histBegins = pipeproc.ProcOptions{Name: "begins", Topic: "imported", Retry: pipeproc.RetryPolicy{ReclaimTimeout: never, MaxReclaims: 1}}
	histSystem = pipeproc.SystemProcOptions{Name: "sys", From: []string{"gamma", "alpha"}, To: []string{"dead"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: never, Backoff: -1}}
	histPolicy = pipeproc.Retention{GC: pipeproc.SwitchOn, MinAge: time.Millisecond, IgnoreDisabled: pipeproc.SwitchOn}
	histWider  = pipeproc.SystemProcOptions{Name: "sys", From: []string{"gamma", "alpha", "zipped"}, To: []string{"dead"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: never, Backoff: hour}, Replace: true}
)

// procSteps are put into the history at six places.
var procSteps = [][]hstep{
	{
		{do: "ensure", proc: histProc}, {do: "ensure", proc: histTimed}, {do: "ensure", proc: histShort}, {do: "ensure", proc: histBegins},
		{do: "system", system: histSystem}, {do: "claim", proc: histProc}, {do: "ack", name: "p"}, {do: "claim", proc: histShort},
	}, {
		{do: "claim", proc: histProc}, {do: "ackcommit", name: "p", draft: letters("out1", "out2", "out1")},
		{do: "claim", proc: histTimed}, {do: "retention", topic: "alpha", policy: histPolicy}, {do: "ensure", proc: histFuture},
	}, {
		{do: "claim", proc: histProc}, {do: "reclaim", name: "p"}, {do: "claim", proc: histProc}, {do: "reclaim", name: "p"}, // to the dead letters
		{do: "disable", name: "timed"}, {do: "claim", proc: pipeproc.ProcOptions{Name: "sys__alpha", Topic: "alpha", Count: 4}},
		{do: "ack", name: "sys__alpha"}, {do: "claim", proc: pipeproc.ProcOptions{Name: "sys__alpha", Topic: "alpha", Count: 4}},
	}, {
		{do: "import", topic: "imported"}, {do: "claim", proc: histBegins}, {do: "seek", name: "begins", offset: ":17"},
		{do: "ackcommit", name: "sys__alpha", draft: letters("out2")}, {do: "claim", proc: histProc}, {do: "gc", topic: "alpha"},
		{do: "system", system: histWider}, {do: "resume", name: "timed"},
	}, {
		{do: "ack", name: "timed"}, {do: "claim", proc: histBegins}, {do: "reclaim", name: "begins"}, {do: "resume", name: "begins"},
		{do: "claim", proc: histTimed},
	}, {
		{do: "ackcommit", name: "p", draft: letters("out1", "dead", "out2")}, {do: "claim", proc: histFuture}, {do: "reclaim", name: "future"},
		{do: "destroy", name: "sys__gamma"}, {do: "seek", name: "p", offset: "$>"}, {do: "gc", topic: "alpha"}, {do: "claim", proc: histBegins},
	},
}

// histImport is what the history imports.
func histImport() []rec {
	var recs []rec
	for i, seq := range []uint64{10, 11, 12, 17, 18, 40, 41} {
		recs = append(recs, rec{id: pipeproc.ID{Millis: 1_600_000_000_000 + int64(i), Seq: seq}, body: []byte{byte(i)}})
	}
	return recs
}

// procStep predicts a step about procs: its command, nil for none, or the error.
func (s *state) procStep(h *hstep, now int64) (*command, error) {
	token := pipeproc.Token{}
	if p := s.procs[h.name]; p != nil {
		token = p.token
	}
	switch h.do {
	case "ensure":
		return s.ensure(h.proc, now)
	case "claim":
		if s.procs[h.proc.Name] == nil {
			return s.ensure(h.proc, now) // a step before has failed
		}
		c, _, err := s.take(h.proc.Name, cmp.Or(h.proc.Count, 1), now)
		if c != nil {
			c.procs[0].st.token = anyToken
		}
		return c, err
	case "ack":
		c, _, err := s.ack(h.name, token, pipeproc.ErrInvalidAck, now)
		return c, err
	case "ackcommit":
		c, _, err := s.ack(h.name, token, pipeproc.ErrInvalidAckCommit, now)
		if err != nil {
			return nil, err
		}
		both, _ := s.commit(h.draft, now)
		both.procs = c.procs
		return &both, nil
	case "reclaim":
		c, _, err := s.reclaim(h.name, token, "reclaimed", now)
		return c, err
	case "disable", "resume":
		return s.stop(h.name, h.do == "disable", now)
	case "seek":
		return s.seek(h.name, h.offset, now)
	case "destroy":
		return s.destroy(h.name, now)
	case "system":
		return s.system(h.system, now)
	case "import":
		if t := s.topics[h.topic]; t != nil && len(t.recs) > 0 {
			return nil, pipeproc.ErrInvalidImport
		}
		return &command{kind: kCommit, ms: s.at(now), opts: s.defOpt, parts: partsOf(h.topic, histImport())}, nil
	}
	t := s.topics[h.topic]
	switch {
	case h.do == "retention" && t == nil:
		return nil, pipeproc.ErrInvalidTopic
	case h.do == "retention":
		return &command{kind: kPolicy, ms: s.at(now), topic: h.topic, policy: h.policy}, nil
	case h.do == "gc" && t != nil:
		if w := s.collected(h.topic, histGC, now); w.first > t.first {
			return &command{kind: kPrune, ms: s.at(now), topic: h.topic, first: w.first}, nil
		}
	}
	return nil, nil
}

// histGC is how the history collects: only topics with a policy are old enough.
var histGC = pipeproc.GCOptions{MinAge: 1000 * hour}

// playProc runs a step about procs.
func (p *player) playProc(h *hstep, now int64) error {
	c, want := p.st.procStep(h, now)
	call := func() error { return p.callProc(h, c) }
	if want == nil && c != nil {
		return p.write(*c, p.cfg.mode == pipeproc.SyncAlways && h.do != "claim", call)
	}
	err := call()
	switch {
	case want != nil && errors.Is(err, want):
		return nil
	case want != nil && err == nil:
		return wrongf("no error, want %v", want)
	}
	return err
}

func (p *player) callProc(h *hstep, c *command) (err error) {
	n := p.node
	token := pipeproc.Token{}
	if s := p.st.procs[h.name]; s != nil {
		token = s.token
	}
	switch h.do {
	case "claim":
		if p.st.procs[h.proc.Name] == nil {
			_, err = n.EnsureProc(bg, h.proc)
			return err
		}
		var got pipeproc.Claim
		got, err = n.Claim(bg, h.proc)
		if err == nil && got.Empty() != (c == nil) {
			return wrongf("claimed %v", got.Range)
		}
		if err == nil && c != nil { // a read that failed makes it shorter
			now := p.clock.ms.Load()
			short, _, _ := p.st.take(h.proc.Name, len(got.Records), now)
			if got.Range != short.procs[0].st.claimed || got.Range.Count > c.procs[0].st.claimed.Count {
				return wrongf("claimed %v, want %v", got.Range, c.procs[0].st.claimed)
			}
			c.procs[0].st = short.procs[0].st
			c.procs[0].st.token = got.Token
		}
	case "ensure":
		_, err = n.EnsureProc(bg, h.proc)
	case "ack":
		_, err = n.Ack(bg, h.name, token)
	case "ackcommit":
		_, err = n.AckCommitBatch(bg, h.name, token, h.draft.batch())
	case "reclaim":
		_, err = n.Reclaim(bg, h.name, token, "")
	case "disable":
		_, err = n.DisableProc(bg, h.name)
	case "resume":
		_, err = n.ResumeProc(bg, h.name)
	case "seek":
		_, err = n.SeekProc(bg, h.name, h.offset)
	case "destroy":
		_, err = n.DestroyProc(bg, h.name)
	case "system":
		_, err = n.DefineSystemProc(bg, h.system)
	case "import":
		_, err = n.Import(bg, h.topic, importSeq(histImport()), nil)
	case "retention":
		err = n.SetRetention(bg, h.topic, h.policy)
	case "gc":
		var list []pipeproc.Pruned
		list, err = n.GC(bg, histGC)
		if err == nil && (c != nil) != slices.ContainsFunc(list, func(p pipeproc.Pruned) bool { return p.Next == c.first }) {
			return wrongf("collected %+v", list)
		}
	default:
		panic(h.do)
	}
	return err
}
