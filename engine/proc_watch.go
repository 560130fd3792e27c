package engine

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/topics"
)

// watches holds the callbacks of waiters for a proc to have something to claim. Nothing
// polls: a commit to the topic or a change of the proc calls them. If there are none, a
// commit only reads one counter. Callbacks run without a lock held, so that they may take
// locks under which Watch is called.
type watches struct {
	count   atomic.Int64
	mu      sync.Mutex
	byProc  map[string]*watchList
	byTopic map[string]*watchList
}

// watchList is the watches of one name, in the order in which they came. To add and to
// remove one costs the same however many there are: thousands may wait for one record,
// and all of them come and go with each.
type watchList struct {
	all   []*watch // nil for one that is gone
	live  int
	calls []*watch // what is called: all without the gaps; nil after a change; never changed
}

type watch struct {
	fn            func()
	proc, topic   *watchList
	atProc, atTop int // places in their lists
}

// Watch calls fn after every change that may let a proc claim: records committed to its
// topic, an acknowledgement, a resume, the end of a wait before a retry. fn runs on the
// commit path, in the goroutine that makes the change: it must return at once and must
// not call the engine. It may be called when there is nothing to claim. stop ends the
// watch; a call of fn may still be running when stop returns.
func (e *Engine) Watch(proc, topic string, fn func()) (stop func()) {
	w, s := &watch{fn: fn}, &e.watches
	s.mu.Lock()
	defer s.mu.Unlock()
	w.proc, w.atProc = addWatch(&s.byProc, proc, w)
	w.topic, w.atTop = addWatch(&s.byTopic, topic, w)
	s.count.Add(1)
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if w.proc.remove(w.atProc, func(w *watch) *int { return &w.atProc }) {
			delete(s.byProc, proc)
		}
		if w.topic.remove(w.atTop, func(w *watch) *int { return &w.atTop }) {
			delete(s.byTopic, topic)
		}
		s.count.Add(-1)
	})
}

func addWatch(m *map[string]*watchList, name string, w *watch) (*watchList, int) {
	if *m == nil {
		*m = make(map[string]*watchList)
	}
	l := (*m)[name]
	if l == nil {
		l = &watchList{}
		(*m)[name] = l
	}
	l.all = append(l.all, w)
	l.live++
	l.calls = nil
	return l, len(l.all) - 1
}

// remove removes the watch at a place and reports whether the list is empty now. When
// most places are empty it closes the gaps; at gives the place of a watch.
func (l *watchList) remove(i int, at func(*watch) *int) bool {
	l.all[i] = nil
	l.live--
	l.calls = nil
	if len(l.all) > 16 && l.live < len(l.all)/2 {
		rest := l.all[:0]
		for _, w := range l.all {
			if w != nil {
				*at(w) = len(rest)
				rest = append(rest, w)
			}
		}
		clear(l.all[len(rest):])
		l.all = rest
	}
	return l.live == 0
}

// list returns the watches of a name. The result does not change.
func (s *watches) list(m *map[string]*watchList, name string) []*watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := (*m)[name]
	if l == nil {
		return nil
	}
	if l.calls == nil {
		l.calls = make([]*watch, 0, l.live)
		for _, w := range l.all {
			if w != nil {
				l.calls = append(l.calls, w)
			}
		}
	}
	return l.calls
}

func (s *watches) call(m *map[string]*watchList, name string) {
	for _, w := range s.list(m, name) {
		w.fn()
	}
}

// callForBatch calls the watchers of the topics of a batch.
func (s *watches) callForBatch(b *topics.Batch) {
	if s.count.Load() > 0 {
		b.Slots(func(t *topics.Topic, _ bool, _ []topics.Block) { s.call(&s.byTopic, t.Name()) })
	}
}

// callAll calls every watcher.
func (s *watches) callAll() {
	s.mu.Lock()
	names := slices.Collect(maps.Keys(s.byProc))
	s.mu.Unlock()
	for _, name := range names {
		s.call(&s.byProc, name)
	}
}

// callForProc calls the watchers of a proc.
func (s *watches) callForProc(proc string) {
	if s.count.Load() > 0 {
		s.call(&s.byProc, proc)
	}
}
