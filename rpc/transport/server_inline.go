package transport

import (
	"errors"
	"sync/atomic"
	"time"
)

// A call whose handler is expected to return soon runs on the goroutine that
// reads the connection. That saves two goroutine switches, and the answers to
// requests that arrived together are written together. If such a handler does
// not return soon, the server's inline monitor hands the reading to another
// goroutine, so that the handler delays the calls after it for one or two
// inlineLimits and no longer.

const (
	// inlineBody is the largest body, in bytes, of such a call if more requests
	// have arrived already: heavier calls are faster side by side.
	inlineBody = 4 << 10
	// maxHeldReplies is the most answers that are held back for one write.
	maxHeldReplies = 64
	// inlineLimit is how long a handler may keep its connection from being
	// read.
	inlineLimit = time.Millisecond
	// inlineWatchIdle is the number of rounds without a call after which the
	// monitor exits.
	inlineWatchIdle = 50
	// After a slow call, a connection runs its next cooldownCalls calls on
	// other goroutines. The count doubles, up to maxBackoff times that, if
	// fewer than backoffReset calls ran inline since the last slow one.
	cooldownCalls = 16
	maxBackoff    = 64
	backoffReset  = 1000
)

// errHandedOver ends a reading goroutine whose connection another goroutine now
// reads.
var errHandedOver = errors.New("another goroutine reads")

// inlineState is the state of the calls that a connection's reader runs itself.
type inlineState struct {
	// seq is twice the number of calls run inline so far, plus one while a call
	// runs. The goroutine that makes it even again, by compare-and-swap,
	// decides which goroutine continues reading.
	seq     atomic.Uint64
	seenSeq uint64 // seq at the monitor's last round; guarded by Server.mu

	queued atomic.Int32 // calls that wait for a worker goroutine

	// Used by the reader only.
	cooldown    int  // calls left that must not run inline
	backoff     int  // multiplier of the last cooldown
	sinceSlow   int  // calls run inline since the last slow one
	heldReplies int  // answers held back since the writer was corked
	corked      bool // the writer holds answers back
}

// runsInline reports whether the reader should run call itself.
func (c *serverConn) runsInline(call *Call) bool {
	fn := c.s.opts.Inline
	if fn == nil || c.inline.queued.Load() > 0 { // calls must begin in order
		return false
	}
	if c.inline.cooldown > 0 {
		c.inline.cooldown--
		return false
	}
	if len(call.body) > inlineBody && c.r.whole() {
		return false
	}
	if call.turn != 0 && !c.line.clear(call.turn) {
		return false
	}
	return fn(call)
}

// serveInline runs a call on the reading goroutine.
func (c *serverConn) serveInline(call *Call) error {
	t := &c.inline
	switch {
	case t.corked && t.heldReplies >= maxHeldReplies:
		c.uncork()
		fallthrough
	case !t.corked:
		if t.corked = c.r.whole(); t.corked {
			c.w.cork()
		}
	}
	t.heldReplies++
	t.sinceSlow++
	now := t.seq.Load() + 1
	t.seq.Store(now)
	c.s.ensureInlineWatch()
	returned := false
	defer func() {
		if !returned { // it called runtime.Goexit
			c.handOver(now)
		}
	}()
	call.serve(c.s.handler)
	returned = true
	if !t.seq.CompareAndSwap(now, now+1) {
		return errHandedOver
	}
	return nil
}

// uncork writes the answers that were held back. The reader must call it before
// it waits for anything.
func (c *serverConn) uncork() {
	if c.inline.corked {
		c.inline.corked, c.inline.heldReplies = false, 0
		c.w.uncork()
	}
}

// handOver makes another goroutine continue reading, if call number seq still
// runs.
func (c *serverConn) handOver(now uint64) {
	if c.inline.seq.CompareAndSwap(now, now+1) {
		go func() {
			c.inline.noteSlow()
			c.uncork()
			c.readLoop()
		}()
	}
}

// noteSlow is called when a call has taken too long.
func (t *inlineState) noteSlow() {
	if t.sinceSlow > backoffReset {
		t.backoff = 0
	}
	t.backoff = min(max(2*t.backoff, 1), maxBackoff)
	t.cooldown, t.sinceSlow = t.backoff*cooldownCalls, 0
}

// ensureInlineWatch starts the monitor if it does not run.
func (s *Server) ensureInlineWatch() {
	if !s.inlineWatched.Load() && s.inlineWatched.CompareAndSwap(false, true) {
		go s.watchInline()
	}
}

// watchInline monitors readers that run calls, until there has been no call for
// a while.
func (s *Server) watchInline() {
	t := time.NewTicker(inlineLimit)
	defer t.Stop()
	for quiet := 0; quiet < inlineWatchIdle; quiet++ {
		select {
		case <-t.C:
		case <-s.empty:
			return
		}
		if s.checkInline() {
			quiet = 0
		}
	}
	s.inlineWatched.Store(false)
	if s.checkInline() { // a call that began before the Store did not start a monitor
		s.ensureInlineWatch()
	}
}

// checkInline hands over connections whose call has not changed since the last
// round. It reports whether there were new calls.
func (s *Server) checkInline() (active bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		now := c.inline.seq.Load()
		switch {
		case now != c.inline.seenSeq:
			active = true
			c.inline.seenSeq = now
		case now&1 == 1:
			c.handOver(now)
		}
	}
	return active
}
