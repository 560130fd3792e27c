package transport

import (
	"context"
	"slices"
)

// A client enforces the node's limits itself: a call that would exceed them
// waits here. So the node never has to stop reading, and the frames that it
// must always be able to read, cancel and credit, get through.

// admit makes p a call in flight when its turn has come.
func (c *Conn) admit(ctx context.Context, p *pending) error {
	c.mu.Lock()
	if err := c.refusal(); err != nil {
		c.mu.Unlock()
		return err
	}
	queue := c.queueOf(p)
	if len(*queue) == 0 && c.fits(p) {
		c.add(p)
		c.mu.Unlock()
		return nil
	}
	p.admit = make(chan error, 1)
	*queue = append(*queue, p)
	c.mu.Unlock()
	select {
	case err := <-p.admit:
		return err
	case <-ctx.Done():
	}
	c.mu.Lock()
	last := false
	queue = c.queueOf(p)
	if i := slices.Index(*queue, p); i >= 0 {
		*queue = slices.Delete(*queue, i, i+1)
		c.admitQueued() // p may have blocked smaller calls
	} else if c.calls[p.id] == p {
		last = c.remove(p)
	}
	c.mu.Unlock()
	c.closeIfLast(last)
	return &withdrawnError{context.Cause(ctx)}
}

// refusal returns why no call can begin, or nil if one can. mu is held.
func (c *Conn) refusal() error {
	switch {
	case c.err != nil:
		return &lostError{cause: c.err, notSent: true}
	case c.goingAway:
		return errGoingAway.With("the node is shutting down")
	}
	return nil
}

// queueOf returns the queue of calls like p. mu is held.
func (c *Conn) queueOf(p *pending) *[]*pending {
	if p.lasting {
		return &c.lastingQueue
	}
	return &c.queue
}

// kept returns how many of the node's places are kept for calls that do not last.
func (c *Conn) kept() int { return int(c.welcome.Limits.MaxCalls / 16) }

// fits reports whether the node accepts p now. mu is held.
func (c *Conn) fits(p *pending) bool {
	l := &c.welcome.Limits
	calls := len(c.calls)
	if p.lasting && c.lasting > 0 && c.lasting >= int(l.MaxCalls)-c.kept() {
		return false
	}
	return calls == 0 || int64(calls) < int64(l.MaxCalls) && c.heldBytes+int64(p.cost) <= int64(l.MaxBytes)
}

// add makes p a call in flight. mu is held.
func (c *Conn) add(p *pending) {
	c.calls[p.id] = p
	c.heldBytes += int64(p.cost)
	c.inFlight.Add(1)
	if p.lasting {
		c.lasting++
	}
	c.waits(p)
}

// remove removes a call that has ended, and admits those whose turn it is. It
// reports whether it was the last call of a connection that is going away. mu
// is held.
func (c *Conn) remove(p *pending) (last bool) {
	delete(c.calls, p.id)
	c.heldBytes -= int64(p.cost)
	c.inFlight.Add(-1)
	if p.lasting {
		c.lasting--
	}
	if !p.idle {
		c.alive.waiting--
	}
	c.admitQueued()
	return c.goingAway && len(c.calls) == 0
}

// admitQueued admits the calls whose turn it is. mu is held.
func (c *Conn) admitQueued() {
	for _, queue := range []*[]*pending{&c.queue, &c.lastingQueue} {
		for len(*queue) > 0 && c.fits((*queue)[0]) {
			q := (*queue)[0]
			*queue = slices.Delete(*queue, 0, 1)
			c.add(q)
			q.admit <- nil
		}
	}
}
