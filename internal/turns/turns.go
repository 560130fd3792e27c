// Package turns remembers in which order procs were served, so that a caller who
// asks for any of several is fair to all.
package turns

import (
	"cmp"
	"slices"
	"sync"
)

// Turns is the order. The zero value is ready for use, by many goroutines.
type Turns struct {
	mu   sync.Mutex
	n    uint64
	last map[string]uint64
}

// Order returns the indexes of names, those that were served longest ago first.
func (t *Turns) Order(names []string) []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]int, len(names))
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(t.last[names[a]], t.last[names[b]]) })
	return out
}

// Served puts a name at the end.
func (t *Turns) Served(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = make(map[string]uint64)
	}
	t.n++
	t.last[name] = t.n
}

// Forget drops a name.
func (t *Turns) Forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.last, name)
}
