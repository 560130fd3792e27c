package engine

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/topics"
)

// watches holds the callbacks of waiters for a proc to have something to claim. Nothing
// polls: a commit to the topic or a change of the proc calls them. If there are none, a
// commit only reads one counter. Callbacks run without mu held, so that they may take
// locks under which Watch is called.
type watches struct {
	count   atomic.Int64
	mu      sync.Mutex // changes
	byProc  sync.Map   // name: []*watch, never changed
	byTopic sync.Map
}

type watch struct{ fn func() }

// Watch calls fn after every change that may let a proc claim: records committed to its
// topic, an acknowledgement, a resume, the end of a wait before a retry. fn runs on the
// commit path, in the goroutine that makes the change: it must return at once and must
// not call the engine. It may be called when there is nothing to claim. stop ends the
// watch; a call of fn may still be running when stop returns.
func (e *Engine) Watch(proc, topic string, fn func()) (stop func()) {
	w, s := &watch{fn}, &e.watches
	s.mu.Lock()
	defer s.mu.Unlock()
	addWatch(&s.byProc, proc, w)
	addWatch(&s.byTopic, topic, w)
	s.count.Add(1)
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		removeWatch(&s.byProc, proc, w)
		removeWatch(&s.byTopic, topic, w)
		s.count.Add(-1)
	})
}

func watchesOf(m *sync.Map, name string) []*watch {
	v, _ := m.Load(name)
	l, _ := v.([]*watch)
	return l
}

func addWatch(m *sync.Map, name string, w *watch) {
	m.Store(name, append(slices.Clip(watchesOf(m, name)), w))
}

func removeWatch(m *sync.Map, name string, w *watch) {
	l := slices.DeleteFunc(slices.Clone(watchesOf(m, name)), func(x *watch) bool { return x == w })
	if len(l) == 0 {
		m.Delete(name)
	} else {
		m.Store(name, l)
	}
}

func callWatches(m *sync.Map, name string) {
	for _, w := range watchesOf(m, name) {
		w.fn()
	}
}

// callForBatch calls the watchers of the topics of a batch.
func (s *watches) callForBatch(b *topics.Batch) {
	if s.count.Load() > 0 {
		b.Slots(func(t *topics.Topic, _ bool, _ []topics.Block) { callWatches(&s.byTopic, t.Name()) })
	}
}

// callAll calls every watcher.
func (s *watches) callAll() {
	s.byProc.Range(func(name, _ any) bool {
		callWatches(&s.byProc, name.(string))
		return true
	})
}

// callForProc calls the watchers of a proc.
func (s *watches) callForProc(proc string) {
	if s.count.Load() > 0 {
		callWatches(&s.byProc, proc)
	}
}
