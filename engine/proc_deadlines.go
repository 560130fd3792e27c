package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/procstate"
)

// deadlines are the timers of procs: when an open claim is taken back, and
// when a proc that waits before a retry may claim again. They measure elapsed
// time, so that a clock that jumps expires nothing; a time of the clock is
// looked at only for what an earlier opening of the store left.
type deadlines struct {
	mu     sync.Mutex
	procs  map[uint64]*procTimer
	closed bool
	wg     sync.WaitGroup // timers that run, or whose call is under way
}

// procTimer is the timer of one proc, which is used again for every claim.
// Everything but e and p is guarded by deadlines.mu.
type procTimer struct {
	e       *Engine
	p       *procstate.Proc
	timer   *time.Timer
	token   procstate.Token // the claim that is timed
	retryAt int64           // the retry that is waited for
	armed   bool
	lapsed  bool // the claim's time was up while the proc was disabled
	stale   int  // calls to come that are for what was timed before
}

// expireAgain is how long a claim that could not be taken back for want of
// space is left alone.
const expireRetry = time.Second

func (d *deadlines) close() {
	d.mu.Lock()
	d.closed = true
	for _, t := range d.procs {
		t.disarm(d)
	}
	d.mu.Unlock()
	d.wg.Wait()
}

// held reports whether the proc with state s waits before a retry.
func (d *deadlines) held(id uint64, s *procstate.State) bool {
	if s.RetryAt == 0 {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	// A state can be seen before its timer is set: only a timer that was set for
	// this wait, and has run out, says that it is over.
	t := d.procs[id]
	if mutate.SkipHeld && (t == nil || t.retryAt != s.RetryAt) {
		return false
	}
	return t == nil || t.armed || t.retryAt != s.RetryAt
}

func (t *procTimer) disarm(d *deadlines) {
	if t.armed {
		t.armed = false
		if t.timer.Stop() {
			d.wg.Done()
		} else {
			t.stale++
		}
	}
}

func (t *procTimer) start(d *deadlines, wait time.Duration) {
	if d.closed {
		return
	}
	d.wg.Add(1)
	t.armed = true
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, t.fire)
	} else {
		t.timer.Reset(wait)
	}
}

// procChanged follows the visible state of a proc. It is called by the commit
// leader, and while the store is opened.
func (e *Engine) procChanged(p *procstate.Proc, s *procstate.State) {
	e.arm(p, s, 0)
	e.watches.callForProc(p.Name())
}

// arm sets the timer that state s asks for. ran is the time that has passed
// since the state came to be.
func (e *Engine) arm(p *procstate.Proc, s *procstate.State, ran time.Duration) {
	var token procstate.Token
	var retryAt int64
	var wait time.Duration
	switch {
	case s == nil:
	case s.Claim() != nil && s.Def.ReclaimTimeout >= 0:
		token, wait = s.Claim().Token, max(s.Def.ReclaimTimeout-ran, 0)
	case s.Claim() == nil && s.RetryAt > 0 && !s.Disabled:
		retryAt, wait = s.RetryAt, max(s.Def.Delay(s.Reclaims)-ran, 0)
	}
	d := &e.deadlines
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.procs[p.ID()]
	if t == nil {
		if token == (procstate.Token{}) && retryAt == 0 {
			return
		}
		if d.procs == nil {
			d.procs = make(map[uint64]*procTimer)
		}
		t = &procTimer{e: e, p: p}
		d.procs[p.ID()] = t
	}
	same := t.token == token && t.retryAt == retryAt
	if same && t.lapsed && !s.Disabled {
		t.lapsed = false
		t.start(d, 0)
	}
	if !same {
		t.disarm(d)
		t.token, t.retryAt, t.lapsed = token, retryAt, false
		if token != (procstate.Token{}) || retryAt != 0 {
			t.start(d, wait)
		}
	}
	if s == nil {
		delete(d.procs, p.ID())
	}
}

// fire is what the timer calls.
func (t *procTimer) fire() {
	d := &t.e.deadlines
	defer d.wg.Done()
	d.mu.Lock()
	if t.stale > 0 {
		t.stale--
		d.mu.Unlock()
		return
	}
	t.armed = false
	token := t.token
	d.mu.Unlock()
	if token == (procstate.Token{}) {
		t.e.watches.callForProc(t.p.Name())
	} else {
		t.expire(token)
	}
}

// expire takes back a claim whose time is up. The proposal carries the claim's
// token, and does nothing if the claim is not open any more.
func (t *procTimer) expire(token procstate.Token) {
	e := t.e
	s := t.p.State()
	if s == nil {
		return
	}
	if mutate.TimerWithoutToken {
		token = procstate.Token{}
	}
	_, err := e.Reclaim(context.Background(), t.p.Name(), token, fmt.Sprintf("not acknowledged within %v", s.Def.ReclaimTimeout))
	switch {
	case err == nil:
		e.cfg.Logger.Info("pipeproc: a claim timed out", "proc", t.p.Name())
		e.event(Event{Kind: EventClaimTimeout, Name: t.p.Name()})
	case errors.Is(err, errs.ClaimLost) || errors.Is(err, errs.InvalidProc) || errors.Is(err, errs.Closed) || e.writable() != nil:
	case errors.Is(err, errs.ProcDisabled):
		e.deadlines.mu.Lock()
		if t.token == token && !t.armed {
			t.lapsed = true
			if s := t.p.State(); s != nil && !s.Disabled { // resumed meanwhile
				t.lapsed = false
				t.start(&e.deadlines, 0)
			}
		}
		e.deadlines.mu.Unlock()
	default: // for want of space, mostly
		e.cfg.Logger.Warn("pipeproc: a claim that timed out could not be taken back, trying again", "proc", t.p.Name(), "err", err)
		e.deadlines.mu.Lock()
		if t.token == token && !t.armed {
			t.start(&e.deadlines, expireRetry)
		}
		e.deadlines.mu.Unlock()
	}
}

// wakeProcs sets the timers of procs that were restored, and brings them up to
// what has happened meanwhile: procs of an earlier opening end, claims whose time
// is up are taken back, and those of system procs, whose processors ended with the
// process, as well. They count: a processor that kills its process each time must
// come to an end. What cannot be written now is done by the timers.
func (e *Engine) wakeProcs() {
	now := e.cfg.Clock().UnixMilli()
	ctx := context.Background()
	var ops []*procstate.Op
	for _, s := range e.procs.All() {
		c := s.Claim()
		switch {
		case s.Def.Owner != 0:
			ops = append(ops, &procstate.Op{Kind: procstate.Destroy, Name: s.Def.Name})
		case c == nil || s.Disabled || s.Def.System == "" && (s.Def.ReclaimTimeout < 0 || elapsed(c.At, now) < s.Def.ReclaimTimeout):
		case s.Def.OnMax == procstate.DeadLetter && s.Spent():
			if _, err := e.Reclaim(ctx, s.Def.Name, c.Token, "the node ended while it was being processed"); err != nil {
				e.cfg.Logger.Warn("pipeproc: a claim of the last opening could not be taken back yet", "proc", s.Def.Name, "err", err)
			}
		default:
			ops = append(ops, &procstate.Op{Kind: procstate.Reclaim, Name: s.Def.Name, Token: c.Token})
		}
	}
	if len(ops) > 0 {
		if err := e.Propose(ctx, Buffered, ops...); err != nil {
			e.cfg.Logger.Warn("pipeproc: claims of the last opening could not be taken back yet", "err", err)
		}
	}
	for _, s := range e.procs.All() {
		p, _, err := e.procs.Get(s.Def.Name)
		if err != nil {
			continue
		}
		var ran time.Duration
		if c := s.Claim(); c != nil {
			ran = elapsed(c.At, now)
		} else if s.RetryAt > 0 {
			ran = s.Def.Delay(s.Reclaims) - elapsed(now, s.RetryAt)
		}
		e.arm(p, s, max(ran, 0))
	}
}

// elapsed returns the time from one unix millisecond to another, 0 when it is
// negative.
func elapsed(from, to int64) time.Duration { return time.Duration(max(to-from, 0)) * time.Millisecond }
