package model

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/pipeproc/pipeproc"
)

// Where procs begin in the model, and what becomes of their records.

// lower returns the sequence at which a record of that id would stand: the
// first one at or above it, the topic's next when there is none.
func (t *topicState) lower(id pipeproc.ID) uint64 {
	from := func(ms int64) uint64 {
		for i := range t.recs {
			if t.recs[i].id.Millis >= ms {
				return t.recs[i].id.Seq
			}
		}
		return t.next
	}
	if id.Millis == math.MaxInt64 {
		return t.next
	}
	return min(max(id.Seq, from(id.Millis)), from(id.Millis+1))
}

// place resolves the text of an offset: a sequence, and an id below which the
// proc wants nothing.
func (s *state) place(topic, text string) (next uint64, floor pipeproc.ID, err error) {
	t := s.topics[topic]
	b, err := parseBound(text)
	switch {
	case text == "" || text == ">":
		if t == nil {
			return 0, floor, nil
		}
		return t.first, floor, nil
	case text == "$>":
		if t == nil {
			return 0, floor, nil
		}
		return t.next, floor, nil
	case err != nil:
		return 0, floor, pipeproc.ErrInvalidRangeOffset
	case b.form == 's' && t == nil:
		return 0, floor, pipeproc.ErrInvalidTopic
	case b.form == 's' && (b.seq < t.first || t.rec(b.seq) == nil):
		return 0, floor, pipeproc.ErrInvalidSequence
	case b.form == 's':
		return b.seq + 1, floor, nil
	case b.form == 'i' && b.seq == 1<<64-1 && b.ms < math.MaxInt64:
		floor = pipeproc.ID{Millis: b.ms + 1}
	case b.form == 'i' && b.seq == 1<<64-1:
		floor = pipeproc.ID{Millis: b.ms, Seq: b.seq}
	case b.form == 'i':
		floor = pipeproc.ID{Millis: b.ms, Seq: b.seq + 1}
	default:
		floor = pipeproc.ID{Millis: b.ms}
	}
	if t == nil {
		return 0, floor, nil
	}
	if next = max(t.lower(floor), t.first); next < t.next {
		return next, pipeproc.ID{}, nil
	}
	return t.next, floor, nil
}

// define makes a definition of options that are all right.
func define(o pipeproc.ProcOptions, made int64) procDef {
	d := procDef{name: o.Name, topic: o.Topic, offset: o.Offset, made: made, maxReclaims: o.Retry.MaxReclaims, timeout: o.Retry.ReclaimTimeout,
		onMax: o.Retry.OnMaxReclaims, dead: o.Retry.DeadLetterTopic, backoff: o.Retry.Backoff, maxBackoff: o.Retry.MaxBackoff, ephemeral: o.Ephemeral}
	if d.offset == "" {
		d.offset = ">"
	}
	if d.maxReclaims == 0 {
		d.maxReclaims = 10
	}
	if d.timeout < 0 {
		d.timeout = -time.Millisecond
	}
	if d.onMax == pipeproc.StrategyDeadLetter && d.dead == "" {
		d.dead = d.topic + "__dead"
	}
	if d.backoff > 0 && d.maxBackoff == 0 {
		d.maxBackoff = max(time.Minute, d.backoff)
	}
	return d
}

// ensure predicts EnsureProc: the command, nil when the proc exists.
func (s *state) ensure(o pipeproc.ProcOptions, now int64) (*command, error) {
	if p := s.procs[o.Name]; p != nil {
		if p.topic != o.Topic {
			return nil, pipeproc.ErrProcNameNotUnique
		}
		return nil, nil
	}
	next, floor, err := s.place(o.Topic, o.Offset)
	if err != nil {
		return nil, err
	}
	return s.change(now, &procState{procDef: define(o, s.at(now)), next: next, floor: floor}), nil
}

// seek predicts SeekProc.
func (s *state) seek(name, offset string, now int64) (*command, error) {
	p := s.procs[name]
	if p == nil {
		return nil, pipeproc.ErrInvalidProc
	}
	next, floor, err := s.place(p.topic, offset)
	if err != nil {
		return nil, err
	}
	n := *p
	n.next, n.floor = next, floor
	n.begin()
	return s.change(now, &n), nil
}

// stop predicts DisableProc, or ResumeProc.
func (s *state) stop(name string, disable bool, now int64) (*command, error) {
	p := s.procs[name]
	switch {
	case p == nil:
		return nil, pipeproc.ErrInvalidProc
	case p.disabled && disable:
		return nil, pipeproc.ErrProcAlreadyDisabled
	case !p.disabled && !disable:
		return nil, pipeproc.ErrProcAlreadyActive
	}
	n := *p
	n.disabled = disable
	if !disable {
		n.reclaims, n.retryAt = 0, 0
	}
	return s.change(now, &n), nil
}

// destroy predicts DestroyProc.
func (s *state) destroy(name string, now int64) (*command, error) {
	p := s.procs[name]
	if p == nil {
		return nil, pipeproc.ErrInvalidProc
	}
	c := &command{kind: kProcs, ms: s.at(now), procs: []procSet{{name, nil}}}
	if y := s.systems[p.system]; y != nil {
		n := *y
		n.from = slices.DeleteFunc(slices.Clone(y.from), func(t string) bool { return t == p.topic })
		c.systems = []systemSet{{p.system, &n}}
		if len(n.from) == 0 {
			c.systems[0].st = nil
		}
	}
	return c, nil
}

// deadLetters returns the batch that a claim becomes when it has failed for
// good.
func (s *state) deadLetters(p *procState, reason string) *draft {
	d := &draft{}
	add := func(r rec, reason string) {
		id := r.id
		r.headers = slices.Clone(r.headers)
		for _, h := range [][2]string{{pipeproc.HeaderDeadTopic, p.topic}, {pipeproc.HeaderDeadID, id.String()}, {pipeproc.HeaderDeadProc, p.name},
			{pipeproc.HeaderDeadAttempts, strconv.Itoa(p.reclaims + 1)}, {pipeproc.HeaderDeadReason, reason}} {
			r.headers = append(r.headers, pipeproc.Header{Name: h[0], Value: []byte(h[1])})
		}
		d.topics, d.recs = append(d.topics, p.dead), append(d.recs, r)
	}
	for _, r := range s.topics[p.topic].live() {
		if r.id.Seq >= p.claimed.First.Seq && r.id.Seq <= p.claimed.Last.Seq {
			add(r, reason)
		}
	}
	if len(d.recs) == 0 {
		add(rec{id: p.claimed.First}, reason+"; the records were pruned")
	}
	return d
}

// procNames returns the procs in order.
func (s *state) procNames() []string { return slices.Sorted(maps.Keys(s.procs)) }

// due reports whether the time of a proc's claim is up at now.
func (p *procState) due(now int64) bool {
	return p.open && p.timeout >= 0 && max(now-p.claimedAt, 0) >= p.timeout.Milliseconds()
}

// wakes returns the commands that follow when a store in this state is opened.
// Claims whose time is up are taken back, and all those of system procs, whose
// processors are gone; ephemeral procs end. All of that is one command, after one
// for each claim that goes to a dead-letter topic.
func (s *state) wakes(now int64) []*command {
	s = s.clone()
	var out []*command
	all := &command{kind: kProcs, ms: s.at(now)}
	for _, name := range s.procNames() {
		p := s.procs[name]
		back := p.open && !p.disabled && (p.due(now) || p.system != "")
		var c *command
		switch {
		case p.ephemeral:
			c, _ = s.destroy(name, now)
		case back:
			c, _, _ = s.reclaim(name, p.token, "the node ended while it was being processed", now)
		default:
			continue
		}
		if c.kind == kCommit {
			out = append(out, c)
			s.apply(c)
			continue
		}
		all.procs = append(all.procs, c.procs...)
	}
	if len(all.procs) > 0 {
		out = append(out, all)
	}
	return out
}

// clone returns a copy that can be changed.
func (s *state) clone() *state {
	n := *s
	n.topics, n.procs, n.systems = make(map[string]*topicState), maps.Clone(s.procs), maps.Clone(s.systems)
	for name, t := range s.topics {
		k := *t
		k.recs = slices.Clip(t.recs)
		n.topics[name] = &k
	}
	return &n
}

// timedOut is the reason of a reclaim by the node.
func timedOut(p *procState) string { return "not acknowledged within " + p.timeout.String() }
