package wal

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Ticket is one submission to a Group. It can be reused once Do has returned,
// and then allocates nothing.
type Ticket[T any] struct {
	Value T
	// Queued, if set, is told when the place of the ticket is fixed: what is
	// submitted from then on comes after it.
	Queued interface{ Pass() }
	ch     chan struct{}
	lead   bool // it was queued, and has to lead
	batch  []*Ticket[T]
}

// Group implements group commit: goroutines that submit while a batch runs are
// served together, by one of them, in order of submission. A goroutine that
// finds the group idle leads at once, without a goroutine switch. A leader runs
// one batch and then hands over to the next.
type Group[T any] struct {
	run   func(batch []*Ticket[T])
	max   int
	yield func() // nil: never

	state atomic.Int32
	last  int // size of the last batch; the leader's

	mu    sync.Mutex
	queue []*Ticket[T]
}

// The states of a group. It becomes crowded, and idle from that, with mu held. So who
// finds it idle, or ends as the only one, takes no lock.
const (
	idle    = iota
	lone    // a leader is at work, and nobody is queued
	crowded // a leader is at work, and others may be queued
)

// maxYields bounds how often a leader lets others run.
const maxYields = 4

// NewGroup returns a group that calls run for batches of at most max tickets.
// Calls of run never overlap. With yield, a leader yields before it closes its
// batch, once and then as long as more tickets arrive, which makes batches
// larger where each costs a sync. A leader that found the group idle does not
// yield if the last batch held a single ticket: yielding wakes a thread, for
// nothing.
func NewGroup[T any](max int, yield bool, run func(batch []*Ticket[T])) *Group[T] {
	g := &Group[T]{run: run, max: max}
	if yield {
		g.yield = runtime.Gosched
	}
	return g
}

// Do submits t and returns nil once run has returned for the batch that holds
// it. If ctx ends while t is still queued, t is withdrawn and the error is the
// cause of ctx; once a leader has taken t, Do waits for the result.
func (g *Group[T]) Do(ctx context.Context, t *Ticket[T]) error {
	t.lead = false
	if !g.state.CompareAndSwap(idle, lone) {
		if leads, err := g.enter(ctx, t); err != nil || !leads {
			return err
		}
	}
	if t.Queued != nil && !t.lead {
		t.Queued.Pass()
	}
	t.batch = append(t.batch[:0], t)
	shared := t.lead || g.last > 1 // others led just now, or were released
	if g.yield != nil && shared || g.state.Load() == crowded {
		g.gather(t, shared)
	}
	g.last = len(t.batch)

	defer g.release(t) // also if run panics
	g.run(t.batch)
	return nil
}

// enter queues t, unless the group is idle by now, and waits until t was served or leads.
func (g *Group[T]) enter(ctx context.Context, t *Ticket[T]) (leads bool, err error) {
	g.mu.Lock()
	if g.state.Swap(crowded) == idle {
		g.mu.Unlock()
		return true, nil
	}
	if t.ch == nil {
		t.ch = make(chan struct{}, 1)
	}
	g.queue = append(g.queue, t)
	g.mu.Unlock()
	if t.Queued != nil {
		t.Queued.Pass()
	}
	if err := g.wait(ctx, t); err != nil {
		return false, err
	}
	return t.lead, nil
}

// gather adds those who wait to the batch of t, its leader. It lets more arrive first, if
// the group is shared.
func (g *Group[T]) gather(t *Ticket[T], shared bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, n := 0, -1; g.yield != nil && shared && i < maxYields && n < len(g.queue) && len(g.queue) < g.max-1; i++ {
		n = len(g.queue)
		g.mu.Unlock()
		g.yield()
		g.mu.Lock()
	}
	n := min(len(g.queue), g.max-1)
	t.batch = append(t.batch, g.queue[:n]...)
	g.queue = slices.Delete(g.queue, 0, n)
}

// release ends the batch of t, its leader: it lets the next leader go, and all who were
// served.
func (g *Group[T]) release(t *Ticket[T]) {
	if !g.state.CompareAndSwap(lone, idle) {
		g.next()
	}
	for _, f := range t.batch[1:] {
		f.ch <- struct{}{}
	}
	clear(t.batch[1:]) // the first is t itself
}

// next lets the one who is queued for longest lead.
func (g *Group[T]) next() {
	g.mu.Lock()
	var next *Ticket[T]
	if len(g.queue) == 0 {
		g.state.Store(idle)
	} else {
		next = g.queue[0]
		g.queue = slices.Delete(g.queue, 0, 1)
		next.lead = true
	}
	g.mu.Unlock()
	if next != nil {
		next.ch <- struct{}{}
	}
}

func (g *Group[T]) wait(ctx context.Context, t *Ticket[T]) error {
	if ctx.Done() == nil { // cheaper than a select
		<-t.ch
		return nil
	}
	select {
	case <-t.ch:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	i := slices.Index(g.queue, t)
	if i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	}
	g.mu.Unlock()
	if i >= 0 {
		return context.Cause(ctx)
	}
	<-t.ch // a leader has taken it: its outcome must be known
	return nil
}
