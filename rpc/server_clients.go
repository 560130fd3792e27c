package rpc

import (
	"context"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc"
)

// clients tracks the connected clients and their ephemeral procs. A client's
// procs are destroyed a while after its last connection ends, except those that
// another client has named too.
type clients struct {
	n      *pipeproc.Node
	linger time.Duration

	mu     sync.Mutex
	known  map[[16]byte]*clientState
	closed bool
}

type clientState struct {
	conns int
	procs map[string]struct{}
	timer *time.Timer
	left  int // how often the last connection has ended
}

func (c *clients) state(id [16]byte) *clientState {
	if c.known == nil {
		c.known = make(map[[16]byte]*clientState)
	}
	s := c.known[id]
	if s == nil {
		s = &clientState{procs: make(map[string]struct{})}
		c.known[id] = s
	}
	return s
}

func (c *clients) come(id [16]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state(id)
	s.conns++
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

func (c *clients) leave(id [16]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state(id)
	if s.conns--; s.conns > 0 || c.closed {
		return
	}
	if len(s.procs) == 0 {
		delete(c.known, id)
		return
	}
	c.lingerOn(id, s)
}

// lingerOn lets the time run after which the procs of a client without connections end.
// The caller holds c.mu.
func (c *clients) lingerOn(id [16]byte, s *clientState) {
	s.left++
	left := s.left
	s.timer = time.AfterFunc(c.linger, func() { c.end(id, left) })
}

// own records that an ephemeral proc belongs to the client.
func (c *clients) own(id [16]byte, proc string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state(id)
	s.procs[proc] = struct{}{}
	if s.conns == 0 && s.timer == nil && !c.closed { // it left while the proc was made
		c.lingerOn(id, s)
	}
}

// end destroys the procs of a client that has not come back.
func (c *clients) end(id [16]byte, left int) {
	c.mu.Lock()
	s := c.known[id]
	if s == nil || s.conns > 0 || s.left != left || c.closed {
		c.mu.Unlock()
		return
	}
	delete(c.known, id)
	for _, other := range c.known { // what another client has named as well stays with that
		for name := range other.procs {
			delete(s.procs, name)
		}
	}
	c.mu.Unlock()
	c.destroy(s)
}

func (c *clients) destroy(s *clientState) {
	for name := range s.procs {
		// It is gone already, or the node is closing, which also ends it.
		_, _ = c.n.DestroyProc(context.Background(), name)
	}
}

func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, s := range c.known {
		if s.timer != nil {
			s.timer.Stop()
		}
	}
}
