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

// deadlines holds the timers of procs: when an open claim is taken back, and when a
// proc that waits before a retry may claim again. Timers measure elapsed time, so that
// a clock that jumps expires nothing. The clock counts only for claims and waits left
// by an earlier opening of the store.
type deadlines struct {
	mu     sync.Mutex
	procs  map[uint64]*procTimer
	closed bool
	wg     sync.WaitGroup // timers that are armed or whose call is running
}

// procTimer is the timer of one proc, reused for every claim and wait. All fields
// except e and p are guarded by deadlines.mu.
type procTimer struct {
	e       *Engine
	p       *procstate.Proc
	timer   *time.Timer
	token   procstate.Token // the claim being timed, or zero
	retryAt int64           // State.RetryAt of the wait being timed, or 0
	armed   bool
	lapsed  bool // the claim timed out while the proc was disabled
	stale   int  // calls still to come for an earlier claim or wait: fire ignores as many
}

// expireRetry is the wait before a claim that could not be taken back, usually because
// the disk was full, is tried again.
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
	// A state can be visible before its timer is set. So the wait is over only if
	// a timer was set for this wait and has run out.
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

// procChanged reacts to a change of a proc's visible state: it sets the timer and wakes
// watchers. s is nil if the proc was destroyed. The commit leader calls it.
func (e *Engine) procChanged(p *procstate.Proc, s *procstate.State) {
	e.arm(p, s, 0)
	e.watches.callForProc(p.Name())
}

// arm sets the timer that state s needs. ran is the time that has passed since the
// state was created.
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

// fire is the function that the timer calls.
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
		t.e.run("a timeout", func() { t.expire(token) })
	}
}

// expire takes back a claim that has timed out. The proposal carries the claim's token,
// and does nothing if the claim is no longer open.
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
	default: // usually there is no space
		e.cfg.Logger.Warn("pipeproc: a claim that timed out could not be taken back, trying again", "proc", t.p.Name(), "err", err)
		e.deadlines.mu.Lock()
		if t.token == token && !t.armed {
			t.start(&e.deadlines, expireRetry)
		}
		e.deadlines.mu.Unlock()
	}
}

// wakeProcs makes up for the time while the store was closed and sets the timers of all
// procs. It destroys ephemeral procs of earlier openings, and takes back claims that
// have timed out and all claims of system procs, whose processors ended with their
// process. These count as failures, so that a processor that kills its process every
// time is not started forever. If a proposal fails now, the timers try again.
func (e *Engine) wakeProcs() {
	now, _ := e.time()
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

// elapsed returns the time between two unix milliseconds, or 0 if it is negative.
func elapsed(from, to int64) time.Duration { return time.Duration(max(to-from, 0)) * time.Millisecond }
