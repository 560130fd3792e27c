package gcprune

import (
	"cmp"
	"slices"
	"sync"
)

// Entry is the policy of one topic.
type Entry struct {
	Topic  uint64 // its id
	Policy Policy // never zero
}

// Machine holds the policies of all topics that have one. One goroutine at a
// time, the commit leader, stages, applies and publishes; any goroutine may
// read.
type Machine struct {
	// A topic without an entry in one of these maps has the zero Policy there.

	mu     sync.RWMutex
	shown  map[uint64]Policy // what readers see
	active int               // of them, those that turn a rule on

	// Leader only: the applied state, that with everything in flight, and whose
	// policies were applied since the last publication.
	applied, staged map[uint64]Policy
	changed         []uint64
}

// New returns a machine without policies.
func New() *Machine {
	return &Machine{shown: map[uint64]Policy{}, applied: map[uint64]Policy{}, staged: map[uint64]Policy{}}
}

// Get returns the visible policy of a topic, zero when it has none.
func (m *Machine) Get(topic uint64) Policy {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.shown[topic]
}

// Any reports whether any visible policy turns a rule on, whatever the node's
// settings are.
func (m *Machine) Any() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.active > 0
}

// All returns all visible policies, by topic id.
func (m *Machine) All() []Entry {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return entries(m.shown)
}

// Publish makes everything applied visible. Leader only.
func (m *Machine) Publish() {
	if len(m.changed) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, topic := range m.changed {
		p := m.applied[topic]
		if m.shown[topic].prunes() {
			m.active--
		}
		if p.prunes() {
			m.active++
		}
		put(m.shown, topic, p)
	}
	m.changed = m.changed[:0]
}

// TopicGone forgets the policy of a deleted topic. It is part of deleting a
// topic; nothing may be in flight. Leader only.
func (m *Machine) TopicGone(topic uint64) {
	if m.applied[topic] != (Policy{}) {
		m.settle(topic, Policy{})
	}
}

// set applies a policy.
func (m *Machine) set(topic uint64, p Policy) {
	put(m.applied, topic, p)
	m.changed = append(m.changed, topic)
}

// settle makes p the applied and the staged policy of a topic.
func (m *Machine) settle(topic uint64, p Policy) {
	put(m.staged, topic, p)
	m.set(topic, p)
}

// put sets a policy, and keeps zero policies out of the maps.
func put(policies map[uint64]Policy, topic uint64, p Policy) {
	if p == (Policy{}) {
		delete(policies, topic)
	} else {
		policies[topic] = p
	}
}

func entries(policies map[uint64]Policy) []Entry {
	list := make([]Entry, 0, len(policies))
	for topic, p := range policies {
		list = append(list, Entry{topic, p})
	}
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.Topic, b.Topic) })
	return list
}
