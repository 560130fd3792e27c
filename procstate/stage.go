package procstate

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/record"
)

// Errors of Stage for its caller to handle, not to report.
var (
	// ErrStale: the proc has changed since the proposal was made; make a new
	// one.
	ErrStale = errors.New("the proc has changed meanwhile")
	// ErrExists: there is a proc of that name, on the same topic.
	ErrExists = errors.New("the proc exists")
	// ErrSpent: this reclaim would be the last that is allowed, and the
	// strategy wants the records put into the dead-letter topic; propose Bury.
	ErrSpent = errors.New("the claim goes to the dead-letter topic")
)

// Kind says what an Op proposes.
type Kind uint8

// Kinds of proposals. The comments name the fields of Op that matter.
const (
	Create     Kind = iota + 1 // Def, Next, Floor
	Redefine                   // Def: other options for a proc that exists
	Take                       // Name, Seen, Range, Skipped: a claim
	Ack                        // Name, Token, Commit
	Reclaim                    // Name, Token
	Release                    // Name, Token: a reclaim that does not count
	Bury                       // Name, Token: the ack that goes with dead letters
	Stop                       // Name: disable
	Resume                     // Name
	Destroy                    // Name
	Seek                       // Name, Next, Floor
	PutSystem                  // System, SeenSystem
	DropSystem                 // Name
)

// Op is one proposal. Stage decides it and fills in the results.
type Op struct {
	Kind   Kind
	Name   string
	Def    Def
	System *System
	Next   uint64
	Floor  record.ID
	AtEnd  bool  // for the caller: set Next to the end of the topic when staging
	Token  Token // zero: the open claim, whichever it is
	Seen   *State
	// SeenSystem is the definition that PutSystem replaces, nil for none.
	SeenSystem *System
	Range      record.Range
	Skipped    uint64
	Commit     bool // the ack comes with records

	// Results. Claim is the one that was made, acknowledged or taken back;
	// State is the proc's state afterwards, or its last one if it was
	// destroyed.
	Claim OpenClaim
	State *State

	procs []change
	first [1]change
	cells []sysChange
}

type change struct {
	p             *Proc
	before, after *State
}

type sysChange struct {
	c             *systemCell
	before, after *System
}

// Stage decides a proposal against the state including everything in flight,
// for a command at time ms, in unix milliseconds. On error nothing is changed.
// Leader only.
func (m *Machine) Stage(op *Op, ms int64) error {
	op.procs, op.cells = op.first[:0], op.cells[:0]
	switch op.Kind {
	case Create:
		return m.stageCreate(op, ms)
	case PutSystem:
		c := m.cell(op.System.Name)
		if c.staged != op.SeenSystem {
			return ErrStale
		}
		s := *op.System
		s.CreatedAt = ms
		if c.staged != nil {
			s.CreatedAt = c.staged.CreatedAt
		}
		op.alter(c, &s)
		return nil
	case DropSystem:
		m.mu.RLock()
		c := m.systems[op.Name]
		m.mu.RUnlock()
		if c != nil && c.staged != nil {
			op.alter(c, nil)
		}
		return nil
	}
	name := op.Name
	if op.Kind == Redefine {
		name = op.Def.Name
	}
	m.mu.RLock()
	p := m.byName[name]
	m.mu.RUnlock()
	if p == nil || p.staged == nil {
		return unknown(name)
	}
	next, err := m.decide(op, p.staged, ms)
	if err != nil {
		return err
	}
	if op.Kind == Destroy {
		op.State = p.staged
		m.leaveSystem(op, p)
	} else {
		op.State = next
	}
	op.change(p, next)
	return nil
}

func (op *Op) change(p *Proc, after *State) {
	op.procs = append(op.procs, change{p, p.staged, after})
	p.staged = after
}

func (op *Op) alter(c *systemCell, after *System) {
	op.cells = append(op.cells, sysChange{c, c.staged, after})
	c.staged = after
}

func (m *Machine) stageCreate(op *Op, ms int64) error {
	m.mu.RLock()
	p := m.byName[op.Def.Name]
	m.mu.RUnlock()
	if p != nil && p.staged != nil { // else it is being destroyed
		if p.topic != op.Def.Topic {
			return NotUnique(p.staged.Def, op.Def.Topic)
		}
		op.State = p.staged
		return ErrExists
	}
	d := op.Def
	d.ID, d.CreatedAt = m.nextID, ms
	op.State = &State{Def: &d, Next: op.Next, Floor: op.Floor}
	op.change(m.add(&d), op.State)
	return nil
}

// NotUnique is the error for a proc that reads another topic than asked.
func NotUnique(d *Def, topic string) error {
	return errs.ProcNameNotUnique.With(fmt.Sprintf("proc %q reads topic %q, not %q; choose another name", d.Name, d.Topic, topic))
}

// decide returns the state that follows s, nil for its end.
func (m *Machine) decide(op *Op, s *State, ms int64) (*State, error) {
	n := *s
	switch op.Kind {
	case Redefine:
		d := *s.Def
		d.Options, d.System = op.Def.Options, op.Def.System
		d.Offset = s.Def.Offset
		n.Def = &d
	case Take:
		return m.take(op, s, ms)
	case Ack, Bury:
		if op.Kind == Bury && s.Disabled {
			return nil, Disabled(s)
		}
		if op.Kind == Bury && !s.Spent() && !mutate.SkipSpent {
			return nil, ErrStale
		}
		c, err := find(op, s, ms)
		if err != nil {
			return nil, err
		}
		op.Claim = c
		n.Claims = nil
		n.Next, n.Floor = c.Range.Last.Seq+1, record.ID{}
		n.LastAcked, n.LastAckedAt = c.Range, ms
		n.Reclaims, n.RetryAt = 0, 0
	case Reclaim, Release:
		return reclaim(op, s, ms)
	case Stop:
		if s.Disabled {
			return nil, errs.ProcAlreadyDisabled.With(fmt.Sprintf("proc %q is disabled already", s.Def.Name))
		}
		n.Disabled = true
	case Resume:
		if !s.Disabled {
			return nil, errs.ProcAlreadyActive.With(fmt.Sprintf("proc %q is active already", s.Def.Name))
		}
		n.Disabled, n.Reclaims, n.RetryAt = false, 0, 0
	case Seek:
		n.Next, n.Floor = op.Next, op.Floor
		n.begin()
	case Destroy:
		return nil, nil
	default:
		return nil, fmt.Errorf("unknown proposal %d", op.Kind)
	}
	return &n, nil
}

// begin resets the state that belongs to the old position.
func (s *State) begin() {
	s.Claims, s.LastClaimed, s.PrevClaimed = nil, record.Range{}, record.Range{}
	s.Reclaims, s.RetryAt = 0, 0
}

func (m *Machine) take(op *Op, s *State, ms int64) (*State, error) {
	switch {
	case s != op.Seen && !mutate.SkipSeen:
		return nil, ErrStale
	case s.Disabled || len(s.Claims) > 0 && !mutate.SkipOpenClaim || op.Range.Empty() || op.Range.First.Seq < s.Next:
		return nil, ErrStale // the proposer has checked this, so the state has changed
	}
	m.serial++
	op.Claim = OpenClaim{Token: Token{m.epoch, m.serial}, Range: op.Range, At: ms}
	if mutate.SkipTokenEpoch {
		op.Claim.Token.Epoch = 0
	}
	n := *s
	n.one[0] = op.Claim
	n.Claims = n.one[:]
	n.LastClaimed, n.PrevClaimed = op.Range, s.LastClaimed
	n.LastClaimedAt = ms
	n.RetryAt = 0
	if op.Skipped > 0 {
		n.Next = op.Range.First.Seq
		n.Skipped += op.Skipped
	}
	return &n, nil
}

// find returns the open claim that op refers to.
func find(op *Op, s *State, ms int64) (OpenClaim, error) {
	if op.Token == (Token{}) || mutate.SkipToken {
		if c := s.Claim(); c != nil {
			return *c, nil
		}
		if op.Commit {
			return OpenClaim{}, errs.InvalidAckCommit.With(fmt.Sprintf("proc %q has claimed nothing, so nothing was committed", s.Def.Name))
		}
		if op.Kind == Reclaim {
			return OpenClaim{}, errs.NothingToReclaim.With(fmt.Sprintf("proc %q has no unacknowledged claim", s.Def.Name))
		}
		return OpenClaim{}, errs.InvalidAck.With(fmt.Sprintf("proc %q has claimed nothing", s.Def.Name))
	}
	i := slices.IndexFunc(s.Claims, func(c OpenClaim) bool { return c.Token == op.Token })
	if i < 0 {
		return OpenClaim{}, errs.ClaimLost.With(fmt.Sprintf("claim %s of proc %q is not open any more: it timed out, was given back or was acknowledged already", op.Token, s.Def.Name))
	}
	return s.Claims[i], nil
}

func reclaim(op *Op, s *State, ms int64) (*State, error) {
	if op.Kind == Reclaim && s.Disabled {
		return nil, Disabled(s)
	}
	c, err := find(op, s, ms)
	if err != nil {
		return nil, err
	}
	if op.Kind == Reclaim && s.Def.OnMax == DeadLetter && s.Spent() {
		op.State, op.Claim = s, c
		return nil, ErrSpent
	}
	op.Claim = c
	n := *s
	n.Claims = nil
	n.LastClaimed = s.PrevClaimed
	if op.Kind == Release {
		return &n, nil
	}
	n.Reclaims++
	if s.Spent() && s.Def.OnMax == Disable {
		n.Disabled = true
	} else if d := s.Def.Delay(n.Reclaims); d > 0 {
		n.RetryAt = ms + int64(d/time.Millisecond)
	}
	return &n, nil
}

// Disabled is the error for using a disabled proc.
func Disabled(s *State) error {
	why := ""
	if s.Def.MaxReclaims >= 0 && s.Reclaims >= s.Def.MaxReclaims {
		why = fmt.Sprintf(" after %d reclaims", s.Reclaims)
	}
	return errs.ProcDisabled.With(fmt.Sprintf("proc %q is disabled%s; resume it to go on", s.Def.Name, why))
}

// leaveSystem removes the topic of a destroyed proc from its system proc, which
// ends with its last topic.
func (m *Machine) leaveSystem(op *Op, p *Proc) {
	name := p.staged.Def.System
	if name == "" {
		return
	}
	c := m.cell(name)
	if c.staged == nil {
		return
	}
	if !c.staged.Reads(p.name, p.topic) {
		return // the proc is destroyed because the definition was replaced
	}
	s := *c.staged
	s.From = slices.DeleteFunc(slices.Clone(s.From), func(t string) bool { return t == p.topic })
	if len(s.From) == 0 {
		op.alter(c, nil)
		return
	}
	op.alter(c, &s)
}

// Undo takes back a staged proposal, in the reverse order of staging.
func (m *Machine) Undo(op *Op) {
	for i := len(op.procs) - 1; i >= 0; i-- {
		k := op.procs[i]
		k.p.staged = k.before
		m.keep(k.p)
	}
	for i := len(op.cells) - 1; i >= 0; i-- {
		op.cells[i].c.staged = op.cells[i].before
	}
	op.procs, op.cells = nil, nil
}

// keep restores the name of a proc whose destruction was undone, or forgets a
// proc whose creation was.
func (m *Machine) keep(p *Proc) {
	if p.staged == nil && p.applied == nil {
		m.remove(p)
	} else if p.staged != nil {
		m.mu.Lock()
		m.byName[p.name] = p // another one may have had the name meanwhile
		m.mu.Unlock()
	}
}

// Abort resets what a staged proposal touched to the applied state, when
// everything staged and not applied is discarded.
func (m *Machine) Abort(op *Op) {
	for _, k := range op.procs {
		k.p.staged = k.p.applied
		m.keep(k.p)
	}
	for _, k := range op.cells {
		k.c.staged = k.c.applied
	}
}

// Apply makes a staged proposal part of the applied state. It cannot fail.
func (m *Machine) Apply(op *Op) {
	for _, k := range op.procs {
		m.set(k.p, k.after)
	}
	for _, k := range op.cells {
		m.setSystem(k.c, k.after)
	}
}

// TopicGone moves the procs of a deleted topic to the start of any topic of
// that name created later. Their claims are lost. It is part of deleting a
// topic; nothing may be in flight.
func (m *Machine) TopicGone(topic string) {
	m.eachOf(topic, func(n *State) bool {
		n.Next, n.Floor = 0, record.ID{}
		n.begin()
		return true
	})
}

// TopicBegins raises the procs of a topic whose first record has sequence base
// to it. It is part of the first commit to the topic.
func (m *Machine) TopicBegins(topic string, base uint64) {
	m.eachOf(topic, func(n *State) bool {
		n.Next = max(n.Next, base)
		return n.Next == base
	})
}

// TopicPruned marks the procs of a topic as changed, so that goroutines that
// wait for them check again: nothing may be left to process.
func (m *Machine) TopicPruned(topic string) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, p := range m.byTopic[topic] {
		if p.applied != nil {
			m.changed = append(m.changed, p)
		}
	}
}

// eachOf calls fn with a copy of the state of every proc of a topic, and
// applies it if fn returns true.
func (m *Machine) eachOf(topic string, fn func(n *State) bool) {
	m.mu.RLock()
	list := slices.Clone(m.byTopic[topic])
	m.mu.RUnlock()
	for _, p := range list {
		if p.applied == nil {
			continue
		}
		if n := *p.applied; fn(&n) {
			m.settle(p, &n)
		}
	}
}

// Clamp moves procs beyond the end of their topic back to the end, after a
// repair has shortened the topic, and returns their number.
func (m *Machine) Clamp(end func(topic string) uint64) int {
	k := 0
	for _, p := range m.byID {
		if p.applied == nil || p.applied.Next <= end(p.topic) {
			continue
		}
		n := *p.applied
		n.Next = end(p.topic)
		n.begin()
		m.settle(p, &n)
		k++
	}
	return k
}
