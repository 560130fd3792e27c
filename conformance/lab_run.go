package conformance

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc"
)

// result runs fn and keeps its error.
type result struct {
	l    *lab
	done chan struct{}
	err  error
}

func (l *lab) start(fn func() error) *result {
	r := &result{l: l, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = fn()
	}()
	return r
}

// pending checks that fn has not returned, as far as can be seen.
func (r *result) pending(what string) {
	r.l.t.Helper()
	select {
	case <-r.done:
		r.l.t.Errorf("%s: it has returned %v", what, r.err)
	default:
	}
}

// wait waits for fn and returns its error.
func (r *result) wait() error {
	r.l.t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(patience):
		r.l.t.Fatal("it waits on")
		return nil
	}
}

// ended returns a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// nop is a processor that does nothing.
func nop(context.Context, *pipeproc.Work) error { return nil }

// through emits what it gets.
func through(_ context.Context, w *pipeproc.Work) error {
	for _, r := range w.Records() {
		w.EmitRecord(r)
	}
	return nil
}

// calls records what a processor is called with.
type calls struct {
	mu   sync.Mutex
	list []string
}

// note is a processor that records its calls and does nothing else.
func (c *calls) note(_ context.Context, w *pipeproc.Work) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, strings.Join(bodiesOf(w.Records()), " "))
	return nil
}

func (c *calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}
