package procstate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// Machine holds all procs and system procs of a node. One goroutine at a time,
// the commit leader, stages, applies and publishes; any goroutine may read.
type Machine struct {
	mu      sync.RWMutex // the maps
	byName  map[string]*Proc
	byID    map[uint64]*Proc
	byTopic map[string][]*Proc
	systems map[string]*systemCell

	waitMu  sync.Mutex
	wake    chan struct{} // closed at the next publication; made by the first waiter
	waiting atomic.Int32
	closed  chan struct{}

	// Leader only.
	epoch   uint64
	serial  uint64
	nextID  uint64
	changed []*Proc
	altered []*systemCell
}

// Proc is one proc. Its state is replaced, never changed.
type Proc struct {
	name, topic string
	id          uint64
	shown       atomic.Pointer[State] // visible to readers; nil if the proc does not exist
	prev        *Proc                 // previous proc of the name, until this one is visible; under Machine.mu
	// Leader only: the applied state, and the state including everything in
	// flight.
	applied, staged *State
}

// Name returns the proc's name.
func (p *Proc) Name() string { return p.name }

// Topic returns the name of the topic that the proc reads.
func (p *Proc) Topic() string { return p.topic }

// ID returns the proc's number, which is never reused.
func (p *Proc) ID() uint64 { return p.id }

// State returns the visible state, or nil if the proc does not exist.
func (p *Proc) State() *State { return p.shown.Load() }

type systemCell struct {
	name            string
	shown           atomic.Pointer[System]
	applied, staged *System
}

// New returns an empty machine whose claims carry tokens of the given epoch.
func New(epoch uint64) *Machine {
	return &Machine{epoch: epoch, nextID: 1, byName: map[string]*Proc{}, byID: map[uint64]*Proc{},
		byTopic: map[string][]*Proc{}, systems: map[string]*systemCell{}, closed: make(chan struct{})}
}

// Close wakes all waiting goroutines.
func (m *Machine) Close() { close(m.closed) }

// Get returns a proc by name. The error is ErrInvalidProc.
func (m *Machine) Get(name string) (*Proc, *State, error) {
	m.mu.RLock()
	p := m.byName[name]
	p, s := p.visible()
	m.mu.RUnlock()
	if s == nil {
		return nil, nil, unknown(name)
	}
	return p, s, nil
}

// visible returns the proc of p's name that readers see. Machine.mu is held.
func (p *Proc) visible() (*Proc, *State) {
	for ; p != nil; p = p.prev {
		if s := p.State(); s != nil {
			return p, s
		}
	}
	return nil, nil
}

func unknown(name string) error {
	return errs.InvalidProc.With(fmt.Sprintf("there is no proc %q", name))
}

// Len returns the number of procs.
func (m *Machine) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.byName)
}

// All returns the states of all procs, by name.
func (m *Machine) All() []*State {
	m.mu.RLock()
	list := make([]*State, 0, len(m.byName))
	for _, p := range m.byName {
		if _, s := p.visible(); s != nil {
			list = append(list, s)
		}
	}
	m.mu.RUnlock()
	slices.SortFunc(list, func(a, b *State) int { return cmp.Compare(a.Def.Name, b.Def.Name) })
	return list
}

// OfTopic appends the visible states of the procs on a topic to dst.
func (m *Machine) OfTopic(dst []*State, topic string) []*State {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, p := range m.byTopic[topic] {
		if s := p.State(); s != nil {
			dst = append(dst, s)
		}
	}
	return dst
}

// StagedOfTopic appends the states of the procs on a topic, including
// everything in flight, to dst. Leader only.
func (m *Machine) StagedOfTopic(dst []*State, topic string) []*State {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, p := range m.byTopic[topic] {
		if p.staged != nil {
			dst = append(dst, p.staged)
		}
	}
	return dst
}

// System returns a system proc's definition, or nil.
func (m *Machine) System(name string) *System {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if c := m.systems[name]; c != nil {
		return c.shown.Load()
	}
	return nil
}

// Systems returns the definitions of all system procs, by name.
func (m *Machine) Systems() []*System {
	m.mu.RLock()
	list := make([]*System, 0, len(m.systems))
	for _, c := range m.systems {
		if s := c.shown.Load(); s != nil {
			list = append(list, s)
		}
	}
	m.mu.RUnlock()
	slices.SortFunc(list, func(a, b *System) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Changed returns a channel that is closed when any proc's visible state
// changes next. The caller must call stop when it stops waiting.
func (m *Machine) Changed() (ch <-chan struct{}, stop func()) {
	m.waiting.Add(1)
	m.waitMu.Lock()
	if m.wake == nil {
		m.wake = make(chan struct{})
	}
	ch = m.wake
	m.waitMu.Unlock()
	return ch, func() { m.waiting.Add(-1) }
}

// Wake wakes all goroutines that wait for a change.
func (m *Machine) Wake() {
	if m.waiting.Load() == 0 {
		return
	}
	m.waitMu.Lock()
	defer m.waitMu.Unlock()
	if m.wake != nil {
		close(m.wake)
		m.wake = nil
	}
}

// Done is closed when the machine is.
func (m *Machine) Done() <-chan struct{} { return m.closed }

// Wait returns when ch is closed, ctx ends or the machine is closed.
func (m *Machine) Wait(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.closed:
		return errs.Closed.With("the node was closed while waiting for procs")
	}
}

// add makes a proc known to the leader. It is visible once it is published.
func (m *Machine) add(d *Def) *Proc {
	p := &Proc{name: d.Name, topic: d.Topic, id: d.ID}
	m.mu.Lock()
	p.prev = m.byName[p.name]
	m.byName[p.name], m.byID[p.id] = p, p
	m.byTopic[p.topic] = append(m.byTopic[p.topic], p)
	m.mu.Unlock()
	m.nextID = max(m.nextID, d.ID+1)
	return p
}

// remove forgets a destroyed proc.
func (m *Machine) remove(p *Proc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byName[p.name] == p {
		delete(m.byName, p.name)
		if p.prev != nil && p.prev.State() != nil { // p was never published: the older proc keeps the name
			m.byName[p.name] = p.prev
		}
	}
	delete(m.byID, p.id)
	list := slices.DeleteFunc(m.byTopic[p.topic], func(q *Proc) bool { return q == p })
	if len(list) == 0 {
		delete(m.byTopic, p.topic)
	} else {
		m.byTopic[p.topic] = list
	}
}

func (m *Machine) cell(name string) *systemCell {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.systems[name]
	if c == nil {
		c = &systemCell{name: name}
		m.systems[name] = c
	}
	return c
}

// set applies a new state of p, nil for its end.
func (m *Machine) set(p *Proc, s *State) {
	p.applied = s
	m.changed = append(m.changed, p)
}

func (m *Machine) setSystem(c *systemCell, s *System) {
	c.applied = s
	m.altered = append(m.altered, c)
}

// Publish makes everything applied visible and calls fn for every proc that
// changed, with its new state, nil for a destroyed one.
func (m *Machine) Publish(fn func(p *Proc, s *State)) {
	if len(m.changed) == 0 && len(m.altered) == 0 {
		return
	}
	for _, c := range m.altered {
		c.shown.Store(c.applied)
		if c.applied == nil && c.staged == nil {
			m.mu.Lock()
			delete(m.systems, c.name)
			m.mu.Unlock()
		}
	}
	for _, p := range m.changed { // before destroyed ones, whose names they may have
		if p.applied != nil {
			p.shown.Store(p.applied)
			if p.prev != nil {
				m.mu.Lock()
				p.prev = nil
				m.mu.Unlock()
			}
		}
	}
	for _, p := range m.changed {
		if p.applied == nil {
			p.shown.Store(nil)
			m.remove(p)
		}
	}
	m.Wake()
	if fn != nil {
		for _, p := range m.changed {
			fn(p, p.applied)
		}
	}
	clear(m.changed)
	m.changed = m.changed[:0]
	clear(m.altered)
	m.altered = m.altered[:0]
}
