package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/procstate"
)

// deadlines are the timers of procs: when an open claim is taken back, and
// when a proc that waits before a retry may claim again. They measure elapsed
// time, so that a clock that jumps expires nothing; a time of the clock is
// looked at only for what an earlier opening of the store left.
type deadlines struct {
	mu     sync.Mutex
	procs  map[uint64]*deadline
	closed bool
	wg     sync.WaitGroup
}

type deadline struct {
	token   procstate.Token // of the claim that is timed
	retryAt int64           // of the retry that is waited for
	timer   *time.Timer     // nil: the time was up while the proc was disabled
}

// expireAgain is how long a claim that could not be taken back for want of
// space is left alone.
const expireAgain = time.Second

func (d *deadlines) close() {
	d.mu.Lock()
	d.closed = true
	for id, t := range d.procs {
		d.drop(id, t)
	}
	d.procs = nil
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
	t := d.procs[id]
	return t != nil && t.retryAt == s.RetryAt
}

// set makes fn run after wait, in place of what was to happen for the proc, if
// that was something else.
func (d *deadlines) set(id uint64, want deadline, wait time.Duration, fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	if t := d.procs[id]; t != nil {
		if t.token == want.token && t.retryAt == want.retryAt && t.timer != nil {
			return
		}
		if t.token == want.token && want.token != (procstate.Token{}) {
			wait = 0 // it lapsed while the proc was disabled
		}
		d.drop(id, t)
	}
	if want == (deadline{}) {
		return
	}
	if d.procs == nil {
		d.procs = make(map[uint64]*deadline)
	}
	t := &want
	d.procs[id] = t
	d.wg.Add(1)
	t.timer = time.AfterFunc(wait, func() {
		defer d.wg.Done()
		fn()
	})
}

func (d *deadlines) drop(id uint64, t *deadline) {
	if t.timer != nil && t.timer.Stop() {
		d.wg.Done()
	}
	delete(d.procs, id)
}

// lapsed notes that a claim's time was up while its proc was disabled.
func (d *deadlines) lapsed(id uint64, want deadline) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed && d.procs[id] == nil {
		d.procs[id] = &want
	}
}

// over forgets a deadline that has come, and reports whether it was still the
// proc's.
func (d *deadlines) over(id uint64, want deadline) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.procs[id]
	if t == nil || t.token != want.token || t.retryAt != want.retryAt {
		return false
	}
	delete(d.procs, id)
	return true
}

// procChanged follows the visible state of a proc. It is called by the commit
// leader, and while the store is opened.
func (e *Engine) procChanged(p *procstate.Proc, s *procstate.State) {
	e.arm(p, s, 0)
	e.watches.changed(p.Name())
}

// arm sets the timer that state s asks for. ran is the time that has passed
// since the state came to be.
func (e *Engine) arm(p *procstate.Proc, s *procstate.State, ran time.Duration) {
	var want deadline
	switch {
	case s == nil:
		e.deadlines.set(p.ID(), want, 0, nil)
	case s.Disabled && s.Claim() != nil: // its time runs on
	case s.Claim() != nil && s.Def.ReclaimTimeout >= 0:
		want.token = s.Claim().Token
		e.deadlines.set(p.ID(), want, max(s.Def.ReclaimTimeout-ran, 0), func() { e.expire(p, s, want) })
	case s.Claim() == nil && s.RetryAt > 0 && !s.Disabled:
		want.retryAt = s.RetryAt
		e.deadlines.set(p.ID(), want, max(s.Def.Delay(s.Reclaims)-ran, 0), func() {
			if e.deadlines.over(p.ID(), want) {
				e.watches.changed(p.Name())
			}
		})
	default:
		e.deadlines.set(p.ID(), want, 0, nil)
	}
}

// expire takes back a claim whose time is up. The proposal carries the claim's
// token, and does nothing if the claim is not open any more.
func (e *Engine) expire(p *procstate.Proc, s *procstate.State, want deadline) {
	if !e.deadlines.over(p.ID(), want) {
		return
	}
	_, err := e.Reclaim(context.Background(), p.Name(), want.token, fmt.Sprintf("not acknowledged within %v", s.Def.ReclaimTimeout))
	switch {
	case err == nil:
		e.cfg.Logger.Info("pipeproc: a claim timed out", "proc", p.Name(), "records", s.Claim().Range.String())
		e.event(Event{Kind: EventClaimTimeout, Name: p.Name()})
	case errors.Is(err, errs.ProcDisabled):
		e.deadlines.lapsed(p.ID(), want)
	case errors.Is(err, errs.ClaimLost) || errors.Is(err, errs.InvalidProc) || errors.Is(err, errs.Closed) || e.writable() != nil:
	default: // for want of space, mostly
		e.cfg.Logger.Warn("pipeproc: a claim that timed out could not be taken back, trying again", "proc", p.Name(), "err", err)
		e.deadlines.set(p.ID(), want, expireAgain, func() { e.expire(p, s, want) })
	}
}

// wakeProcs sets the timers of procs that were restored, and ends those whose
// owner was an earlier opening of the store.
func (e *Engine) wakeProcs() {
	now := e.cfg.Clock().UnixMilli()
	since := func(ms int64) time.Duration {
		return time.Duration(max(now-ms, 0)) * time.Millisecond
	}
	for _, s := range e.procs.All() {
		p, _, err := e.procs.Get(s.Def.Name)
		if err != nil {
			continue
		}
		if s.Def.Owner != 0 {
			// What cannot be written now is tried at the next opening.
			_ = e.Propose(context.Background(), Buffered, &procstate.Op{Kind: procstate.Destroy, Name: s.Def.Name})
			continue
		}
		var ran time.Duration
		if c := s.Claim(); c != nil {
			ran = since(c.At)
		} else if s.RetryAt > 0 {
			ran = max(s.Def.Delay(s.Reclaims)-time.Duration(max(s.RetryAt-now, 0))*time.Millisecond, 0)
		}
		e.arm(p, s, ran)
	}
}
