package transport

import (
	"context"
	"slices"
	"sync"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// line keeps the ordered calls of a connection in the order in which their requests
// began. Each has a turn, from 1. A turn passes when the next call may go on, and ends
// with its call, or before, if no other is to wait for that.
type line struct {
	mu      sync.Mutex
	last    uint64            // the newest turn
	granted uint64            // the newest turn that need not wait until others have passed
	passed  uint64            // all turns up to this one have passed
	ended   uint64            // all turns up to this one have ended
	early   map[uint64]uint8  // what was reached by later turns
	next    map[uint64]waiter // those that wait until the turn before theirs has passed
	after   []afterAll        // those that wait until the turns before theirs have ended
	over    error             // the connection has ended: no turn is granted any more
}

// What a turn has reached.
const (
	hasPassed = 1 << iota
	hasEnded
)

type waiter chan struct{}

type afterAll struct {
	turn uint64
	done waiter
}

// take gives out the next turn.
func (l *line) take() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	return l.last
}

// clear reports whether all turns before this one have ended.
func (l *line) clear(turn uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended >= turn-1
}

// wait waits until the turns before this one have passed.
func (l *line) wait(ctx context.Context, turn uint64) error {
	l.mu.Lock()
	if l.over != nil || l.passed >= turn-1 {
		l.granted = max(l.granted, turn)
		defer l.mu.Unlock()
		return l.over
	}
	if l.next == nil {
		l.next = make(map[uint64]waiter)
	}
	done := make(waiter)
	l.next[turn] = done
	l.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// waitEnded waits until the turns before this one have ended.
func (l *line) waitEnded(ctx context.Context, turn uint64) error {
	if err := l.whenEnded(ctx, turn); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// drain waits until all turns have ended that were given out so far.
func (l *line) drain(ctx context.Context) error {
	l.mu.Lock()
	turn := l.last + 1
	l.mu.Unlock()
	return l.whenEnded(ctx, turn)
}

func (l *line) whenEnded(ctx context.Context, turn uint64) error {
	l.mu.Lock()
	if l.ended >= turn-1 {
		l.mu.Unlock()
		return nil
	}
	done := make(waiter)
	l.after = append(l.after, afterAll{turn, done})
	l.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reach notes that a turn has passed or ended, and wakes those who waited for that.
func (l *line) reach(turn uint64, what uint8) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if what&hasPassed != 0 {
		from := l.passed + 1
		l.passed = l.advance(l.passed, turn, hasPassed)
		for turn := from; turn <= l.passed+1 && len(l.next) > 0; turn++ {
			if done, ok := l.next[turn]; ok {
				delete(l.next, turn)
				l.granted = max(l.granted, turn)
				close(done)
			}
		}
	}
	if what&hasEnded != 0 {
		l.ended = l.advance(l.ended, turn, hasEnded)
		l.after = slices.DeleteFunc(l.after, func(w afterAll) bool {
			if w.turn-1 > l.ended {
				return false
			}
			close(w.done)
			return true
		})
	}
}

// advance returns the turn up to which all have reached what, now that turn has. mu is
// held.
func (l *line) advance(upTo, turn uint64, what uint8) uint64 {
	if turn > upTo+1 {
		if l.early == nil {
			l.early = make(map[uint64]uint8)
		}
		l.early[turn] |= what
		return upTo
	}
	upTo = max(upTo, turn)
	for len(l.early) > 0 {
		e, ok := l.early[upTo+1]
		if !ok || e&what == 0 {
			break
		}
		if e &^= what; e == 0 {
			delete(l.early, upTo+1)
		} else {
			l.early[upTo+1] = e
		}
		upTo++
	}
	return upTo
}

// back takes a turn back that has passed, unless another one has passed since, or is
// about to.
func (l *line) back(turn uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil || l.passed != turn || l.granted > turn {
		return false
	}
	l.passed = turn - 1
	return true
}

// close grants no more turns.
func (l *line) close(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = err
	for turn, done := range l.next {
		delete(l.next, turn)
		close(done)
	}
}

// Turn waits until the ordered calls whose requests began before that of c have passed:
// see Pass. The error is the cause of ctx, or why the connection has ended: then c must
// have no effect. Calls that are not ordered do not wait.
func (c *Call) Turn(ctx context.Context) error {
	if c.turn == 0 {
		return nil
	}
	return c.conn.line.wait(ctx, c.turn)
}

// Pass lets the next ordered call go on. Without it, that happens when c ends.
func (c *Call) Pass() {
	if c.turn != 0 {
		c.conn.line.reach(c.turn, hasPassed)
	}
}

// TakeBack takes Pass back, unless a later call has passed, or is about to.
func (c *Call) TakeBack() bool { return c.turn == 0 || c.conn.line.back(c.turn) }

// After lets no other call wait for c, and waits until the ordered calls whose requests
// began before that of c have ended. For errors see Turn.
func (c *Call) After(ctx context.Context) error {
	if c.turn == 0 {
		return nil
	}
	c.StandAside()
	return c.conn.line.waitEnded(ctx, c.turn)
}

// StandAside lets no other call wait for c.
func (c *Call) StandAside() {
	if c.turn != 0 {
		c.conn.line.reach(c.turn, hasPassed|hasEnded)
	}
}

// First waits until the ordered calls whose requests began before that of c have ended,
// and lets the later ones wait for c. For errors see Turn.
func (c *Call) First(ctx context.Context) error {
	if c.turn == 0 {
		return nil
	}
	return c.conn.line.waitEnded(ctx, c.turn)
}

var errFenced = errs.Closed.With("the client has connected again")

// Fence ends the connection: calls that have not passed have no effect. It waits until
// the ordered ones have ended.
func (p *Peer) Fence(ctx context.Context) error {
	p.conn.fail(errFenced)
	return p.Settled(ctx)
}

// Settled waits until the ordered calls of a connection that has ended have ended too.
func (p *Peer) Settled(ctx context.Context) error { return p.conn.line.drain(ctx) }
