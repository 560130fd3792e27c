package model

import (
	"maps"
	"slices"
	"sort"

	"github.com/pipeproc/pipeproc"
)

// rec is one record as the model has it.
type rec struct {
	id      pipeproc.ID
	key     []byte
	headers []pipeproc.Header
	body    []byte
}

// kind is a kind of command.
type kind int

const (
	kCommit kind = iota
	kCreate
	kDelete
	kPrune
	kPolicy
	kProcs // changes of procs alone
)

// command is one entry of the commit order, with all that it does. What it
// does to procs was decided when it was made, as it is in the store.
type command struct {
	kind    kind
	ms      int64
	topic   string
	opts    pipeproc.TopicOptions // kCreate; kCommit: of topics that it makes
	first   uint64                // kPrune
	policy  pipeproc.Retention    // kPolicy
	parts   []part                // kCommit
	procs   []procSet             // kCommit, kProcs
	systems []systemSet           // kProcs
}

// part is what a commit appends to one topic.
type part struct {
	topic string
	recs  []rec
}

// topicState is one topic of the model. The sequences of its records rise by
// one, except for the gaps of an import; those below first are pruned.
type topicState struct {
	opts        pipeproc.TopicOptions
	made        int64
	first, next uint64
	recs        []rec
	policy      pipeproc.Retention
}

// at returns the index of the first record of sequence seq or above.
func (t *topicState) at(seq uint64) int {
	return sort.Search(len(t.recs), func(i int) bool { return t.recs[i].id.Seq >= seq })
}

// rec returns the record of sequence seq, nil if there never was one.
func (t *topicState) rec(seq uint64) *rec {
	if i := t.at(seq); i < len(t.recs) && t.recs[i].id.Seq == seq {
		return &t.recs[i]
	}
	return nil
}

// live returns the records that can be read.
func (t *topicState) live() []rec { return t.recs[t.at(t.first):] }

// state is what a store must hold after some prefix of the commit order.
type state struct {
	topics  map[string]*topicState
	procs   map[string]*procState
	systems map[string]*systemState
	floor   int64                 // no record has a lower time from now on
	defOpt  pipeproc.TopicOptions // of topics made by their first commit from now on
}

func newState(def pipeproc.TopicOptions) *state {
	return &state{topics: map[string]*topicState{}, procs: map[string]*procState{}, systems: map[string]*systemState{}, defOpt: def}
}

// at returns the time of a command that is made now.
func (s *state) at(now int64) int64 { return max(now, s.floor) }

// apply is the model's whole semantics of writing.
func (s *state) apply(c *command) {
	if c.kind != kPolicy && c.kind != kProcs {
		s.floor = max(s.floor, c.ms)
	}
	switch c.kind {
	case kCommit:
		for _, p := range c.parts {
			s.append(c, &p)
		}
	case kCreate:
		s.topics[c.topic] = &topicState{opts: c.opts, made: c.ms}
	case kDelete:
		delete(s.topics, c.topic)
		s.topicGone(c.topic)
	case kPrune:
		t := s.topics[c.topic]
		t.first = max(t.first, c.first)
	case kPolicy:
		s.topics[c.topic].policy = c.policy
	}
	s.applyProcs(c)
}

func (s *state) append(c *command, p *part) {
	t := s.topics[p.topic]
	if t == nil {
		t = &topicState{opts: c.opts, made: c.ms}
		s.topics[p.topic] = t
	}
	if len(t.recs) == 0 {
		t.first = p.recs[0].id.Seq
		s.topicBegins(p.topic, t.first)
	}
	t.recs = append(t.recs, p.recs...)
	last := t.recs[len(t.recs)-1].id
	t.next = last.Seq + 1
}

// fold returns the state after the given commands.
func fold(def pipeproc.TopicOptions, cmds []command) *state {
	s := newState(def)
	for i := range cmds {
		s.apply(&cmds[i])
	}
	return s
}

// names returns the topics in order.
func (s *state) names() []string { return slices.Sorted(maps.Keys(s.topics)) }

// draft is a batch on its way: records with topics, in the order added.
type draft struct {
	topics []string
	recs   []rec
}

// commit predicts the command that a draft becomes at time now, and the ids of
// its records in the order added.
func (s *state) commit(d *draft, now int64) (command, []pipeproc.ID) {
	c := command{kind: kCommit, ms: s.at(now), opts: s.defOpt}
	at := map[string]int{}
	ids := make([]pipeproc.ID, len(d.recs))
	for i, name := range d.topics {
		k, ok := at[name]
		if !ok {
			k = len(c.parts)
			at[name] = k
			c.parts = append(c.parts, part{topic: name})
		}
		p := &c.parts[k]
		next, ms := uint64(len(p.recs)), c.ms
		if t := s.topics[name]; t != nil {
			next += t.next
			if n := len(t.recs); n > 0 { // an import may have taken it ahead
				ms = max(ms, t.recs[n-1].id.Millis)
			}
		}
		r := d.recs[i]
		r.id = pipeproc.ID{Millis: ms, Seq: next}
		p.recs = append(p.recs, r)
		ids[i] = r.id
	}
	return c, ids
}
