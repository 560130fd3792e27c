package worker

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestTimeout: the context has the claim's timeout as its deadline and ends
// with it; a processor that obeys costs nobody anything.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 1})
		defer closePool(t, p)
		f.proc("a").timeout = 5 * time.Second
		f.add("a", "1")
		add(t, p, Job{Proc: "a", Fn: func(ctx context.Context, w *Work) error {
			if w.Attempt() > 1 {
				return nil
			}
			start := time.Now()
			end, ok := ctx.Deadline()
			<-ctx.Done()
			if d := time.Since(start); d != 5*time.Second || !ok || end.Sub(start) != d || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("%v, deadline %v, %v", d, end.Sub(start), ctx.Err())
			}
			return ctx.Err()
		}})
		elapse(time.Hour)
		calls := f.trace()
		if len(calls) == 4 && calls[1] == "reclaim a: context deadline exceeded" {
			calls[1] = "timeout a" // the pool was before the Source
		}
		if !slices.Equal(calls, []string{"claim a 0-0", "timeout a", "claim a 0-0", "ack a"}) {
			t.Errorf("%q", calls)
		}
		if s := p.Stats(); s.Hung != 0 || s.Workers != 1 || s.Running != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestNoTimeout: a claim that never times out has no deadline.
func TestNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		defer closePool(t, p)
		f.add("a", "1")
		var after context.Context
		add(t, p, Job{Proc: "a", Fn: func(ctx context.Context, _ *Work) error {
			if _, ok := ctx.Deadline(); ok {
				t.Error("it has a deadline")
			}
			<-time.After(1000 * time.Hour)
			after = ctx
			return ctx.Err()
		}})
		elapse(1001 * time.Hour)
		f.expect(t, "claim a 0-0", "ack a")
		if after.Err() == nil {
			t.Error("the context has not ended with the claim")
		}
	})
}

// TestHang: a processor that runs on past its timeout is replaced at that
// moment: others continue, its proc is claimed again, and what it emits is
// dropped when it returns at last.
func TestHang(t *testing.T) {
	for name, end := range map[string]func() error{
		"returns": func() error { return nil },
		"fails":   func() error { return context.Canceled },
		"panics":  func() error { panic("late") },
		"Goexit":  func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				p := New(f, Options{Concurrency: 1})
				defer closePool(t, p)
				f.proc("a").timeout = time.Second
				f.add("a", "1")
				release := make(chan struct{})
				add(t, p, Job{Proc: "a", To: []string{"x"}, Fn: func(_ context.Context, w *Work) error {
					body := w.Records()[0].Body
					if string(body) == "1" && w.Attempt() == 1 {
						<-release
						w.Emit([]byte("late"))
						if string(body) != "1" {
							t.Errorf("the record has become %q", body)
						}
						return end()
					}
					w.Emit([]byte("again"))
					return nil
				}})
				synctest.Wait()
				f.add("b", "1")
				add(t, p, Job{Proc: "b", Fn: pass})
				elapse(time.Second - 1)
				f.expect(t, "claim a 0-0")
				elapse(1)
				synctest.Wait()
				calls := f.trace()
				slices.Sort(calls)
				if want := []string{"ack a", "ack b", "claim a 0-0", "claim b 0-0", "timeout a"}; !slices.Equal(calls, want) {
					t.Errorf("%q", calls)
				}
				if s := p.Stats(); s.Hung != 1 || s.Workers != 1 || s.Idle != 1 || s.Running != 0 {
					t.Errorf("%+v", s)
				}
				f.expect(t, f.trace()...)
				f.add("a", "2")
				synctest.Wait()
				f.expect(t, "claim a 1-1", "ack a")
				never := func(string) error { t.Error("the Source is called for a claim that has timed out"); return nil }
				f.on(&f.onAck, never)
				f.on(&f.onReclaim, never)
				close(release)
				synctest.Wait()
				f.expect(t)
				if want := []string{"x  again", "x  again"}; !slices.Equal(f.out, want) {
					t.Errorf("%q", f.out)
				}
				if s := p.Stats(); s.Hung != 0 || s.Workers != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestHangOfRemoved: others get the goroutine also when the proc of the one that
// hangs is not to be claimed again.
func TestHangOfRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 1})
		defer closePool(t, p)
		f.proc("a").timeout = time.Second
		f.add("a", "1")
		release := make(chan struct{})
		add(t, p, Job{Proc: "a", Fn: func(context.Context, *Work) error { <-release; return nil }})
		synctest.Wait()
		p.Remove("a")
		f.add("b", "1")
		add(t, p, Job{Proc: "b", Fn: pass})
		elapse(time.Minute)
		if f.acked("b") != 1 {
			t.Errorf("%q", f.trace())
		}
		close(release)
		synctest.Wait()
		if len(p.procs) != 1 {
			t.Errorf("%d procs are remembered", len(p.procs))
		}
	})
}

// TestHungLanes: lanes that hang are the proc's own, and it is claimed again.
func TestHungLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 1})
		defer closePool(t, p)
		f.proc("a").timeout = time.Second
		f.numbered("a", 4)
		release := make(chan struct{})
		add(t, p, Job{Proc: "a", Count: 4, Lanes: 4, Fn: func(ctx context.Context, w *Work) error {
			if w.Attempt() == 1 && w.Records()[0].ID.Seq == 2 {
				<-release
			}
			return nil
		}})
		elapse(time.Minute)
		f.expect(t, "claim a 0-3", "timeout a", "claim a 0-3", "ack a")
		if s := p.Stats(); s.Hung != 1 {
			t.Errorf("%+v", s)
		}
		close(release)
	})
}

// TestHangBound: a proc whose processors all hang is left alone after a number
// of them, and claimed again when one returns; others are not concerned.
func TestHangBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, l := newFake(t), new(logs)
		p := New(f, Options{Concurrency: 1, Logger: l.logger()})
		defer closePool(t, p)
		f.proc("a").timeout = time.Second
		f.add("a", "1")
		release := make(chan struct{})
		add(t, p, Job{Proc: "a", Fn: func(context.Context, *Work) error { <-release; return nil }})
		elapse(time.Hour)
		if s := p.Stats(); s.Hung != maxHung || s.Claims != maxHung || l.count("level=ERROR") != 1 {
			t.Errorf("%+v %s", s, l.b.String())
		}
		f.add("b", "1")
		add(t, p, Job{Proc: "b", Fn: pass})
		synctest.Wait()
		if f.acked("b") != 1 {
			t.Error("b is not served")
		}
		release <- struct{}{}
		elapse(time.Hour)
		if s := p.Stats(); s.Hung != maxHung || s.Claims != maxHung+2 {
			t.Errorf("%+v", s)
		}
		p.Remove("a")
		add(t, p, Job{Proc: "a", Fn: pass})
		elapse(time.Hour)
		if s := p.Stats(); s.Claims != maxHung+2 {
			t.Errorf("a new job makes the proc forget what hangs: %+v", s)
		}
		close(release)
		synctest.Wait()
		if s := p.Stats(); s.Hung != 0 || f.acked("a") != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestTimersOfOldClaims: a timer that fires while its claim ends does not count
// for the claim that follows. Real time, since that is a race.
func TestTimersOfOldClaims(t *testing.T) {
	const rounds = 300
	f := newFake(t)
	f.loud = false
	a := f.proc("a")
	a.quick, a.timeout = 100*time.Microsecond, time.Hour
	p := New(f, Options{Concurrency: 1})
	defer closePool(t, p)
	done := make(chan struct{})
	f.numbered("a", rounds)
	add(t, p, Job{Proc: "a", Fn: func(ctx context.Context, w *Work) error {
		last := w.Records()[0].ID.Seq == rounds-1
		if w.Attempt() == 1 {
			<-ctx.Done()
			if last { // and one that fires in time still counts
				<-done
			}
			return ctx.Err()
		}
		for range 10 {
			runtime.Gosched()
		}
		if w.Attempt() > 2 || ctx.Err() != nil {
			t.Errorf("attempt %d: %v", w.Attempt(), ctx.Err())
		}
		if last {
			close(done)
		}
		return nil
	}})
	<-done
}
