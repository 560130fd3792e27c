package transport

import (
	"errors"
	"sync/atomic"
	"time"
)

// A call whose handler returns soon is run by the goroutine that reads the
// connection, which spares two switches of goroutines, and the answers to
// requests that came together are written together. If a handler does not return
// soon after all, the server's patrol has another goroutine read on, so that it
// holds up the calls behind it for patrolTime or two, and no longer.

const (
	// inlineBody is how large the body of such a call may be if others are there
	// already: those with more to do are faster at the same time.
	inlineBody = 4 << 10
	// inlineRun is how many answers are held back for one write at most.
	maxHeldReplies = 64
	// patrolTime is how long a handler may keep a connection from being read.
	inlineLimit = time.Millisecond
	// patrolQuiet is after how many rounds without a call the patrol goes home.
	inlineWatchIdle = 50
	// shyCalls is how many calls of a connection go to goroutines of their own
	// after one has taken too long; twice as many if that was soon after the one
	// before, up to shyMost times.
	cooldownCalls = 16
	maxBackoff    = 64
	backoffReset  = 1000
)

// errHandedOver ends a reading goroutine whose connection another one reads.
var errHandedOver = errors.New("another goroutine reads")

// turns are about the calls that a connection's reader runs itself.
type inlineState struct {
	// now is the number of the last one, times two, and one more while it runs.
	// Whoever takes that one away decides who reads on.
	seq     atomic.Uint64
	seenSeq uint64 // now, when the patrol came; guarded by Server.mu

	queued atomic.Int32 // calls that wait for a goroutine of their own

	// The reader's own.
	cooldown    int  // how many calls are not to be run here
	backoff     int  // shy is this times shyCalls next
	sinceSlow   int  // calls run here since
	heldReplies int  // answers that wait for a write
	corked      bool // the writer holds answers back
}

// inlines reports whether the reader is to run call.
func (c *serverConn) runsInline(call *Call) bool {
	fn := c.s.opts.Inline
	if fn == nil || c.inline.queued.Load() > 0 { // calls begin in order
		return false
	}
	if c.inline.cooldown > 0 {
		c.inline.cooldown--
		return false
	}
	if len(call.body) > inlineBody && c.r.whole() {
		return false
	}
	return fn(call)
}

// serveHere runs a call on the reading goroutine.
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

// uncork has the answers written that were held back. The reader must not wait
// for anything before.
func (c *serverConn) uncork() {
	if c.inline.corked {
		c.inline.corked, c.inline.heldReplies = false, 0
		c.w.uncork()
	}
}

// handOver has another goroutine read on, if the call of number now still runs.
func (c *serverConn) handOver(now uint64) {
	if c.inline.seq.CompareAndSwap(now, now+1) {
		go func() {
			c.inline.noteSlow()
			c.uncork()
			c.readLoop()
		}()
	}
}

// slow is called when a call has taken too long.
func (t *inlineState) noteSlow() {
	if t.sinceSlow > backoffReset {
		t.backoff = 0
	}
	t.backoff = min(max(2*t.backoff, 1), maxBackoff)
	t.cooldown, t.sinceSlow = t.backoff*cooldownCalls, 0
}

// sendPatrol sees to it that there is a patrol.
func (s *Server) ensureInlineWatch() {
	if !s.inlineWatched.Load() && s.inlineWatched.CompareAndSwap(false, true) {
		go s.watchInline()
	}
}

// patrol looks after readers that run calls, until there is none for a while.
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
	if s.checkInline() { // a call began before it could see that nobody is there
		s.ensureInlineWatch()
	}
}

// look hands over what is stuck since the last look. It reports whether there
// was a call since then.
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
