package engine

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/topics"
)

// watches are callbacks for whoever waits until a proc may have something to
// claim. Nothing polls: a commit to the topic, or a change of the proc, calls
// them. Without any, a commit looks at one counter.
type watches struct {
	n       atomic.Int64
	mu      sync.RWMutex
	byProc  map[string][]*watch
	byTopic map[string][]*watch
}

type watch struct{ fn func() }

// Watch calls fn after every change that may let a proc claim: records
// committed to its topic, an acknowledgement, a resume, the end of a wait
// before a retry. fn is called by whoever made the change, on the commit path:
// it must return at once and call nothing of the engine. It may be called
// without need. stop ends that; a call may still be under way when it returns.
func (e *Engine) Watch(proc, topic string, fn func()) (stop func()) {
	w, s := &watch{fn}, &e.watches
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byProc == nil {
		s.byProc, s.byTopic = make(map[string][]*watch), make(map[string][]*watch)
	}
	s.byProc[proc] = append(s.byProc[proc], w)
	s.byTopic[topic] = append(s.byTopic[topic], w)
	s.n.Add(1)
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		drop(s.byProc, proc, w)
		drop(s.byTopic, topic, w)
		s.n.Add(-1)
	})
}

func drop(m map[string][]*watch, name string, w *watch) {
	list := slices.DeleteFunc(slices.Clone(m[name]), func(x *watch) bool { return x == w })
	if len(list) == 0 {
		delete(m, name)
	} else {
		m[name] = list
	}
}

func (s *watches) call(m map[string][]*watch, name string) {
	for _, w := range m[name] {
		w.fn()
	}
}

// committed calls those who watch the topics of a batch.
func (s *watches) committed(b *topics.Batch) {
	if s.n.Load() == 0 {
		return
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b.Slots(func(t *topics.Topic, _ bool, _ []topics.Block) { s.call(s.byTopic, t.Name()) })
}

// changed calls those who watch a proc.
func (s *watches) changed(proc string) {
	if s.n.Load() == 0 {
		return
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.call(s.byProc, proc)
}
