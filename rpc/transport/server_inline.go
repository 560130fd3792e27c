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
	inlineRun = 64
	// patrolTime is how long a handler may keep a connection from being read.
	patrolTime = time.Millisecond
	// patrolQuiet is after how many rounds without a call the patrol goes home.
	patrolQuiet = 50
	// shyCalls is how many calls of a connection go to goroutines of their own
	// after one has taken too long; twice as many if that was soon after the one
	// before, up to shyMost times.
	shyCalls = 16
	shyMost  = 64
	shySoon  = 1000
)

// errHandedOver ends a reading goroutine whose connection another one reads.
var errHandedOver = errors.New("another goroutine reads")

// turns are about the calls that a connection's reader runs itself.
type turns struct {
	// now is the number of the last one, times two, and one more while it runs.
	// Whoever takes that one away decides who reads on.
	now  atomic.Uint64
	seen uint64 // now, when the patrol came; guarded by Server.mu

	queued atomic.Int32 // calls that wait for a goroutine of their own

	// The reader's own.
	shy  int  // how many calls are not to be run here
	more int  // shy is this times shyCalls next
	well int  // calls run here since
	held int  // answers that wait for a write
	cork bool // the writer holds answers back
}

// inlines reports whether the reader is to run call.
func (c *serverConn) inlines(call *Call) bool {
	fn := c.s.opts.Inline
	if fn == nil || c.turns.queued.Load() > 0 { // calls begin in order
		return false
	}
	if c.turns.shy > 0 {
		c.turns.shy--
		return false
	}
	if len(call.body) > inlineBody && c.r.whole() {
		return false
	}
	return fn(call)
}

// serveHere runs a call on the reading goroutine.
func (c *serverConn) serveHere(call *Call) error {
	t := &c.turns
	switch {
	case t.cork && t.held >= inlineRun:
		c.uncork()
		fallthrough
	case !t.cork:
		if t.cork = c.r.whole(); t.cork {
			c.w.hold()
		}
	}
	t.held++
	t.well++
	now := t.now.Load() + 1
	t.now.Store(now)
	c.s.sendPatrol()
	returned := false
	defer func() {
		if !returned { // it called runtime.Goexit
			c.handOver(now)
		}
	}()
	call.serve(c.s.handler)
	returned = true
	if !t.now.CompareAndSwap(now, now+1) {
		return errHandedOver
	}
	return nil
}

// uncork has the answers written that were held back. The reader must not wait
// for anything before.
func (c *serverConn) uncork() {
	if c.turns.cork {
		c.turns.cork, c.turns.held = false, 0
		c.w.release()
	}
}

// handOver has another goroutine read on, if the call of number now still runs.
func (c *serverConn) handOver(now uint64) {
	if c.turns.now.CompareAndSwap(now, now+1) {
		go func() {
			c.turns.slow()
			c.uncork()
			c.readOn()
		}()
	}
}

// slow is called when a call has taken too long.
func (t *turns) slow() {
	if t.well > shySoon {
		t.more = 0
	}
	t.more = min(max(2*t.more, 1), shyMost)
	t.shy, t.well = t.more*shyCalls, 0
}

// sendPatrol sees to it that there is a patrol.
func (s *Server) sendPatrol() {
	if !s.patrolled.Load() && s.patrolled.CompareAndSwap(false, true) {
		go s.patrol()
	}
}

// patrol looks after readers that run calls, until there is none for a while.
func (s *Server) patrol() {
	t := time.NewTicker(patrolTime)
	defer t.Stop()
	for quiet := 0; quiet < patrolQuiet; quiet++ {
		select {
		case <-t.C:
		case <-s.deserted:
			return
		}
		if s.look() {
			quiet = 0
		}
	}
	s.patrolled.Store(false)
	if s.look() { // a call began before it could see that nobody is there
		s.sendPatrol()
	}
}

// look hands over what is stuck since the last look. It reports whether there
// was a call since then.
func (s *Server) look() (active bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		now := c.turns.now.Load()
		switch {
		case now != c.turns.seen:
			active = true
			c.turns.seen = now
		case now&1 == 1:
			c.handOver(now)
		}
	}
	return active
}
