package model

import (
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/segment"
)

// The model of procs. Its states are replaced, never changed, so that commands
// can hold them: a command says what each proc that it touches is afterwards.

// procDef is what a proc was made with.
type procDef struct {
	name, topic, offset string
	made                int64
	maxReclaims         int
	timeout             time.Duration
	onMax               pipeproc.Strategy
	dead                string
	backoff, maxBackoff time.Duration
	ephemeral           bool
	system              string
}

// procState is one proc of the model.
type procState struct {
	procDef
	next                                uint64 // every sequence below is acknowledged
	floor                               pipeproc.ID
	disabled                            bool
	open                                bool // a claim is open, and what it is
	token                               pipeproc.Token
	claimed                             pipeproc.IDRange
	claimedAt                           int64
	lastClaimed, prevClaimed, lastAcked pipeproc.IDRange
	lastClaimedAt, lastAckedAt          int64
	reclaims                            int
	retryAt                             int64
	skipped                             uint64
}

// procSet says what a proc is after a command; nil for its end.
type procSet struct {
	name string
	st   *procState
}

// systemState is the definition of a system proc.
type systemState struct {
	processor    string
	from, to     []string
	many         bool
	count, lanes int
	made         int64
	options      procDef // of its procs
}

type systemSet struct {
	name string
	st   *systemState
}

func (s *state) applyProcs(c *command) {
	for _, k := range c.procs {
		if k.st == nil {
			delete(s.procs, k.name)
		} else {
			s.procs[k.name] = k.st
		}
	}
	for _, k := range c.systems {
		if k.st == nil {
			delete(s.systems, k.name)
		} else {
			s.systems[k.name] = k.st
		}
	}
}

// topicGone puts the procs of a deleted topic back to its start.
func (s *state) topicGone(topic string) {
	for name, p := range s.procs {
		if p.topic == topic {
			n := *p
			n.next, n.floor = 0, pipeproc.ID{}
			n.begin()
			s.procs[name] = &n
		}
	}
}

// topicBegins puts the procs of a topic to its first record, if that is not 0.
func (s *state) topicBegins(topic string, first uint64) {
	for name, p := range s.procs {
		if p.topic == topic && p.next < first {
			n := *p
			n.next = first
			s.procs[name] = &n
		}
	}
}

// begin forgets what belongs to an old position.
func (p *procState) begin() {
	p.drop()
	p.lastClaimed, p.prevClaimed = pipeproc.IDRange{}, pipeproc.IDRange{}
	p.reclaims, p.retryAt = 0, 0
}

func (p *procState) drop() {
	p.open, p.token, p.claimed, p.claimedAt = false, pipeproc.Token{}, pipeproc.IDRange{}, 0
}

// spent reports whether one more reclaim would be the last one allowed.
func (p *procState) spent() bool { return p.maxReclaims >= 0 && p.reclaims+1 >= p.maxReclaims }

// delay is the wait before the n-th retry.
func (p *procState) delay(n int) time.Duration {
	d := p.backoff
	for range n - 1 {
		d = min(2*d, p.maxBackoff)
	}
	return min(d, p.maxBackoff)
}

func idRange(recs []rec) pipeproc.IDRange {
	if len(recs) == 0 {
		return pipeproc.IDRange{}
	}
	return pipeproc.IDRange{First: recs[0].id, Last: recs[len(recs)-1].id, Count: uint64(len(recs))}
}

// position returns the first sequence that a proc has to see, and how many
// were pruned before it could.
func (s *state) position(p *procState) (from, skipped uint64) {
	t := s.topics[p.topic]
	if t == nil {
		return p.next, 0
	}
	if p.floor != (pipeproc.ID{}) {
		from = t.lower(p.floor)
	} else if t.first > p.next {
		skipped = t.first - p.next
	}
	return max(from, p.next, t.first), skipped
}

// pending returns how many sequences a proc has to see yet.
func (s *state) pending(p *procState) uint64 {
	t := s.topics[p.topic]
	if t == nil {
		return 0
	}
	from, _ := s.position(p)
	return t.next - min(from, t.next)
}

// available returns the records that a claim without a limit would get.
func (s *state) available(p *procState) []rec {
	t := s.topics[p.topic]
	if t == nil {
		return nil
	}
	from, _ := s.position(p)
	return t.recs[t.at(max(from, t.first)):]
}

// fits returns the first records, those that one claim takes.
func (p *procState) fits(recs []rec, count int) []rec {
	size := 0
	for i := range recs {
		r := &recs[i]
		size += len(r.key) + len(r.body)
		for _, h := range r.headers {
			size += len(segment.AppendHeader(nil, h.Name, h.Value))
		}
		if p.onMax == pipeproc.StrategyDeadLetter {
			size += 2 << 10 // for what the record gets when it fails
		}
		if i+1 == count || size >= maxBatch {
			return recs[:i+1]
		}
	}
	return recs
}

// idle reports whether no proc that is not disabled has anything to do.
func (s *state) idle() bool {
	for _, p := range s.procs {
		if !p.disabled && s.topics[p.topic] != nil && (p.open || s.pending(p) > 0) {
			return false
		}
	}
	return true
}

// change returns the command that makes n of a proc at time now.
func (s *state) change(now int64, n *procState) *command {
	return &command{kind: kProcs, ms: s.at(now), procs: []procSet{{n.name, n}}}
}

// take predicts a claim: the command, nil for none, and its records.
func (s *state) take(name string, count int, now int64) (*command, []rec, error) {
	p := s.procs[name]
	switch {
	case p == nil:
		return nil, nil, pipeproc.ErrInvalidProc
	case p.disabled:
		return nil, nil, pipeproc.ErrProcDisabled
	case p.open:
		return nil, nil, nil
	}
	recs := p.fits(s.available(p), count)
	if len(recs) == 0 {
		return nil, nil, nil
	}
	_, skipped := s.position(p)
	n := *p
	n.open, n.claimed, n.claimedAt = true, idRange(recs), s.at(now)
	n.prevClaimed, n.lastClaimed, n.lastClaimedAt = p.lastClaimed, n.claimed, n.claimedAt
	n.retryAt = 0
	if skipped > 0 {
		n.next = recs[0].id.Seq
		n.skipped += skipped
	}
	return s.change(now, &n), recs, nil
}

// find predicts whether an acknowledgement or reclaim meets its claim; none is
// the error when the token is zero and no claim is open.
func (s *state) find(name string, token pipeproc.Token, none error) (*procState, error) {
	p := s.procs[name]
	switch {
	case p == nil:
		return nil, pipeproc.ErrInvalidProc
	case token == (pipeproc.Token{}) && !p.open:
		return p, none
	case token != (pipeproc.Token{}) && (!p.open || p.token != token):
		return p, pipeproc.ErrClaimLost
	}
	return p, nil
}

// ack predicts an acknowledgement. The range is what it returns.
func (s *state) ack(name string, token pipeproc.Token, none error, now int64) (*command, pipeproc.IDRange, error) {
	p, err := s.find(name, token, none)
	if err != nil {
		return nil, pipeproc.IDRange{}, err
	}
	n := s.acked(p, now)
	return s.change(now, n), n.lastAcked, nil
}

// acked returns what a proc is when its claim has been acknowledged.
func (s *state) acked(p *procState, now int64) *procState {
	n := *p
	n.next, n.floor = p.claimed.Last.Seq+1, pipeproc.ID{}
	n.lastAcked, n.lastAckedAt = p.claimed, s.at(now)
	n.reclaims, n.retryAt = 0, 0
	n.drop()
	return &n
}

// reclaim predicts a reclaim. The range is what it returns.
func (s *state) reclaim(name string, token pipeproc.Token, reason string, now int64) (*command, pipeproc.IDRange, error) {
	p := s.procs[name]
	if p != nil && p.disabled {
		return nil, pipeproc.IDRange{}, pipeproc.ErrProcDisabled
	}
	p, err := s.find(name, token, pipeproc.ErrNothingToReclaim)
	if err != nil {
		return nil, pipeproc.IDRange{}, err
	}
	if p.spent() && p.onMax == pipeproc.StrategyDeadLetter {
		c, _ := s.commit(s.deadLetters(p, reason), now)
		n := s.acked(p, now)
		c.procs = []procSet{{name, n}}
		return &c, n.lastClaimed, nil
	}
	n := *p
	n.drop()
	n.lastClaimed = p.prevClaimed
	n.reclaims++
	if p.spent() && p.onMax == pipeproc.StrategyDisable {
		n.disabled = true
	} else if d := n.delay(n.reclaims); d > 0 {
		n.retryAt = s.at(now) + d.Milliseconds()
	}
	return s.change(now, &n), n.lastClaimed, nil
}
