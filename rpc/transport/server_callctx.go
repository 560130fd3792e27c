package transport

import (
	"context"
	"sync"
	"time"
)

// callContext is the context of a call. It has the values of the context that
// the connection is served with. It ends when the call is canceled, when the
// connection ends, and when the handler has returned. It is part of the Call,
// and allocates a channel only if something waits for it.
type callContext struct {
	base context.Context

	mu    sync.Mutex
	done  chan struct{}
	err   error // context.Canceled once it has ended
	after map[*func()]struct{}
}

func (c *callContext) Deadline() (time.Time, bool) { return c.base.Deadline() }

func (c *callContext) Value(key any) any { return c.base.Value(key) }

func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// AfterFunc is the method that package context looks for, so that a derived
// context needs no goroutine.
func (c *callContext) AfterFunc(f func()) (stop func() bool) {
	key := &f
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = make(map[*func()]struct{})
	}
	c.after[key] = struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waits := c.after[key]
		delete(c.after, key)
		return waits
	}
}

func (c *callContext) cancel() {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = context.Canceled
	if c.done != nil {
		close(c.done)
	}
	after := c.after
	c.after = nil
	c.mu.Unlock()
	for f := range after {
		go (*f)()
	}
}
