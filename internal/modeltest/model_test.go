package modeltest

import (
	"maps"
	"slices"

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
)

// command is one entry of the commit order, with all that it does.
type command struct {
	kind  kind
	ms    int64
	topic string
	opts  pipeproc.TopicOptions // kCreate; kCommit: of topics that it makes
	first uint64                // kPrune
	parts []part                // kCommit
}

// part is what a commit appends to one topic.
type part struct {
	topic string
	recs  []rec
}

// topicState is one topic of the model. Its records are dense: recs[i] has
// sequence i, those below first are pruned.
type topicState struct {
	opts  pipeproc.TopicOptions
	made  int64
	first uint64
	recs  []rec
}

func (t *topicState) next() uint64 { return uint64(len(t.recs)) }

// live returns the records that can be read.
func (t *topicState) live() []rec { return t.recs[t.first:] }

// state is what a store must hold after some prefix of the commit order.
type state struct {
	topics map[string]*topicState
	floor  int64                 // time of the newest command
	defOpt pipeproc.TopicOptions // of topics made by their first commit from now on
}

func newState(def pipeproc.TopicOptions) *state {
	return &state{topics: map[string]*topicState{}, defOpt: def}
}

// apply is the model's whole semantics of writing.
func (s *state) apply(c *command) {
	s.floor = max(s.floor, c.ms)
	switch c.kind {
	case kCommit:
		for _, p := range c.parts {
			t := s.topics[p.topic]
			if t == nil {
				t = &topicState{opts: c.opts, made: c.ms}
				s.topics[p.topic] = t
			}
			t.recs = append(t.recs, p.recs...)
		}
	case kCreate:
		s.topics[c.topic] = &topicState{opts: c.opts, made: c.ms}
	case kDelete:
		delete(s.topics, c.topic)
	case kPrune:
		t := s.topics[c.topic]
		t.first = max(t.first, c.first)
	}
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
	c := command{kind: kCommit, ms: max(now, s.floor), opts: s.defOpt}
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
		next := uint64(len(p.recs))
		if t := s.topics[name]; t != nil {
			next += t.next()
		}
		r := d.recs[i]
		r.id = pipeproc.ID{Time: c.ms, Seq: next}
		p.recs = append(p.recs, r)
		ids[i] = r.id
	}
	return c, ids
}
