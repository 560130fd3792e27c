package worker

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// TestDisabled: a proc that is disabled, or does not exist, is left alone until
// the Source calls, and the log says so once.
func TestDisabled(t *testing.T) {
	for _, refusal := range []error{errs.ProcDisabled, errs.InvalidProc} {
		synctest.Test(t, func(t *testing.T) {
			f, l := newFake(t), new(logs)
			p := New(f, Options{Logger: l.logger()})
			defer closePool(t, p)
			var refuse atomic.Bool
			refuse.Store(true)
			f.onClaim = func(string) error {
				if refuse.Load() {
					return refusal
				}
				return nil
			}
			add(t, p, Job{Proc: "a", Fn: pass})
			elapse(1000 * time.Hour)
			if n := f.asked("a"); n != 1 {
				t.Errorf("%v: it was claimed %d times", refusal, n)
			}
			for range 3 {
				f.disable("a", false) // calls without need
				synctest.Wait()
			}
			if n := l.count("cannot be claimed"); n != 1 || f.asked("a") != 4 {
				t.Errorf("%v: %d lines, %d claims", refusal, n, f.asked("a"))
			}
			refuse.Store(false)
			f.add("a", "1")
			synctest.Wait()
			if f.acked("a") != 1 {
				t.Errorf("%v: %q", refusal, f.trace())
			}
			refuse.Store(true)
			f.add("a", "2")
			synctest.Wait()
			if n := l.count("cannot be claimed"); n != 2 {
				t.Errorf("%v: %d lines after it had worked between", refusal, n)
			}
		})
	}
}

// TestClaimErrors: other errors are waited out, longer each time, without a
// goroutine and whatever the Source calls; a success begins anew.
func TestClaimErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, l := newFake(t), new(logs)
		p := New(f, Options{Concurrency: 1, Logger: l.logger()})
		defer closePool(t, p)
		var at []time.Duration
		start := time.Now()
		fails := 0
		f.onClaim = func(proc string) error {
			if proc != "a" {
				return nil
			}
			at = append(at, time.Since(start))
			if fails--; fails >= 0 {
				return errs.NoSpace
			}
			return nil
		}
		fails = 12
		add(t, p, Job{Proc: "a", Fn: pass})
		synctest.Wait()
		if s := p.Stats(); s.Waiting != 1 || s.Idle != 1 || s.Running != 0 {
			t.Errorf("%+v", s)
		}
		f.disable("a", false) // a call does not cut the wait short
		f.add("b", "1")
		add(t, p, Job{Proc: "b", Fn: pass})
		synctest.Wait()
		if f.acked("b") != 1 {
			t.Errorf("b waits for a: %q", f.trace())
		}
		elapse(time.Hour)
		want := []time.Duration{0, 10 * ms, 30 * ms, 70 * ms, 150 * ms, 310 * ms, 630 * ms, 1270 * ms, 2550 * ms,
			5110 * ms, 8110 * ms, 11110 * ms, 14110 * ms}
		if !slices.Equal(at, want) {
			t.Errorf("%v", at)
		}
		if n := l.count("cannot be claimed"); n != 1 {
			t.Errorf("%d lines in the log", n)
		}
		start, at, fails = time.Now(), nil, 2
		f.disable("a", false)
		elapse(time.Hour)
		if want := []time.Duration{0, 10 * ms, 30 * ms}; !slices.Equal(at, want) {
			t.Errorf("after a success: %v", at)
		}
	})
}

// TestRemoveWhileWaiting: a proc that waits after an error is forgotten at once,
// and begins afresh when it is added again.
func TestRemoveWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		defer closePool(t, p)
		f.add("a", "1")
		f.onClaim = func(string) error { return errs.Overloaded }
		add(t, p, Job{Proc: "a", Fn: pass})
		elapse(time.Minute)
		p.Remove("a")
		if s := p.Stats(); s.Waiting != 0 || len(p.procs) != 0 {
			t.Errorf("%+v", s)
		}
		f.mu.Lock()
		f.calls = nil
		f.mu.Unlock()
		f.on(&f.onClaim, nil)
		add(t, p, Job{Proc: "a", Fn: pass})
		synctest.Wait()
		if f.acked("a") != 1 {
			t.Errorf("%q", f.trace())
		}
	})
}

// TestStoppedTooLate: a wait that is ended while its timer is on the way to the
// lock does not bring the proc back.
func TestStoppedTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		defer closePool(t, p)
		f.onClaim = func(string) error { return errs.NoSpace }
		add(t, p, Job{Proc: "a", Fn: pass})
		synctest.Wait()
		p.mu.Lock()
		<-time.After(minDelay) // the timer fires, and waits for the lock
		e := p.procs["a"]
		e.retryTimer.Stop() // as Remove does
		e.retryTimer = nil
		p.mu.Unlock()
		synctest.Wait()
		if n := f.asked("a"); n != 1 {
			t.Errorf("%d claims", n)
		}
	})
}

// TestSourceCloses: when the Source says that it is closed, the pool stops by
// itself, whichever call said it.
func TestSourceCloses(t *testing.T) {
	closed := func(string) error { return errs.Closed }
	for name, set := range map[string]func(f *fake){
		"claim":   func(f *fake) { f.on(&f.onClaim, closed) },
		"ack":     func(f *fake) { f.on(&f.onAck, closed) },
		"reclaim": func(f *fake) { f.on(&f.onReclaim, closed) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				p := New(f, Options{Concurrency: 4})
				f.add("long", "1")
				var cause error
				add(t, p, Job{Proc: "long", Fn: func(ctx context.Context, _ *Work) error {
					<-ctx.Done()
					cause = context.Cause(ctx)
					return nil
				}})
				synctest.Wait()
				set(f)
				f.add("a", "1")
				add(t, p, Job{Proc: "a", Fn: func(context.Context, *Work) error {
					if name == "reclaim" {
						return errs.Conflict
					}
					return nil
				}})
				synctest.Wait()
				if s := p.Stats(); !s.Stopping || s.Workers != 0 || f.watched() != 0 || !errors.Is(cause, errs.Closed) {
					t.Errorf("%+v, %d watches, cause %v", s, f.watched(), cause)
				}
				if err := p.Add(Job{Proc: "b", Topic: "b", Fn: pass}); !errors.Is(err, errs.Closed) {
					t.Errorf("Add: %v", err)
				}
				closePool(t, p)
			})
		})
	}
}
