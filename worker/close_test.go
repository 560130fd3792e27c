package worker

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// TestCloseSettles: processors are told, those that succeed are acknowledged,
// those that fail in any way are given back uncounted, and nothing is claimed.
func TestCloseSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 10})
		for name, end := range map[string]func(ctx context.Context) error{
			"good":   func(context.Context) error { return nil },
			"bad":    func(ctx context.Context) error { return ctx.Err() },
			"panics": func(context.Context) error { panic("at Close") },
			"exits":  func(context.Context) error { runtime.Goexit(); return nil },
		} {
			f.add(name, "1", "2")
			f.proc(name).timeout = time.Hour
			add(t, p, Job{Proc: name, To: []string{"x"}, Fn: func(ctx context.Context, w *Work) error {
				<-ctx.Done()
				if !errors.Is(ctx.Err(), context.Canceled) || !errors.Is(context.Cause(ctx), errs.Closed) {
					t.Errorf("%v, because of %v", ctx.Err(), context.Cause(ctx))
				}
				<-time.After(9 * time.Second) // less than the default grace
				w.Emit([]byte(w.Proc()))
				return end(ctx)
			}})
		}
		add(t, p, Job{Proc: "idle", Fn: pass})
		synctest.Wait()
		f.expect(t, f.trace()...)
		start := time.Now()
		closePool(t, p)
		if d := time.Since(start); d != 9*time.Second {
			t.Errorf("it took %v", d)
		}
		calls := f.trace()
		slices.Sort(calls)
		if want := []string{"ack good", "release bad", "release exits", "release panics"}; !slices.Equal(calls, want) {
			t.Errorf("%q", calls)
		}
		if !slices.Equal(f.out, []string{"x  good"}) || f.watched() != 0 {
			t.Errorf("%q, %d watches", f.out, f.watched())
		}
		f.add("idle", "1")
		if err := p.Add(Job{Proc: "a", Topic: "a", Fn: pass}); !errors.Is(err, errs.Closed) {
			t.Errorf("Add: %v", err)
		}
		if !p.Remove("idle") {
			t.Error("Remove")
		}
		closePool(t, p)
	})
}

// hanging returns a pool that runs processors of b and a that wait for release,
// and of c that hangs since its timeout.
func hanging(t *testing.T, f *fake, o Options) (p *Pool, release chan struct{}) {
	o.Concurrency = 3
	p, release = New(f, o), make(chan struct{})
	f.proc("c").timeout = time.Second
	for _, name := range []string{"b", "a", "c"} {
		f.add(name, "1")
		add(t, p, Job{Proc: name, To: []string{"x"}, Fn: func(_ context.Context, w *Work) error {
			if w.Attempt() == 1 {
				<-release
				w.Emit([]byte("late"))
			}
			return nil
		}})
	}
	elapse(time.Minute)
	f.expect(t, f.trace()...)
	return p, release
}

func wantStillRunning(t *testing.T, err, cause error) {
	t.Helper()
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), `"a", "b", "c"`) {
		t.Errorf("%v", err)
	}
}

// TestCloseGrace: Close waits for the grace, names what runs on, and what that
// does later is dropped.
func TestCloseGrace(t *testing.T) {
	for _, c := range []struct{ grace, wait time.Duration }{{0, 10 * time.Second}, {time.Minute, time.Minute}, {-1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			p, release := hanging(t, f, Options{Grace: c.grace})
			start := time.Now()
			wantStillRunning(t, p.Close(t.Context()), context.DeadlineExceeded)
			if d := time.Since(start); d != c.wait {
				t.Errorf("it took %v", d)
			}
			wantStillRunning(t, p.Close(t.Context()), context.DeadlineExceeded)
			if d := time.Since(start); d != c.wait {
				t.Errorf("the second time it took until %v", d)
			}
			out := len(f.out)
			close(release)
			synctest.Wait()
			f.expect(t)
			if len(f.out) != out {
				t.Errorf("%q", f.out)
			}
			closePool(t, p)
		})
	}
}

// TestCloseContext: Close does not wait after its context has ended.
func TestCloseContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p, release := hanging(t, f, Options{Grace: time.Hour})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errs.Conflict)
		defer cancel()
		wantStillRunning(t, p.Close(ctx), errs.Conflict)
		close(release)
		synctest.Wait()
		f.expect(t)
	})
}

// TestCloseWithEndedContext: with nothing to wait for, that is no error.
func TestCloseWithEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := New(newFake(t), Options{})
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestCloseTogether: each of several calls waits, and says the same.
func TestCloseTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		f.add("a", "1")
		add(t, p, Job{Proc: "a", Fn: func(ctx context.Context, _ *Work) error {
			<-ctx.Done()
			<-time.After(time.Second)
			return nil
		}})
		synctest.Wait()
		start := time.Now()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				closePool(t, p)
				if d := time.Since(start); d != time.Second {
					t.Errorf("it took %v", d)
				}
			})
		}
		wg.Wait()
		f.expect(t, "claim a 0-0", "ack a")
	})
}

// TestCloseDuringClaim: a claim that arrives while the pool closes is given
// back uncounted, and no processor sees it.
func TestCloseDuringClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		gate := make(chan struct{})
		f.onClaim = func(string) error { <-gate; return nil }
		f.add("a", "1")
		add(t, p, Job{Proc: "a", Fn: func(context.Context, *Work) error { t.Error("it ran"); return nil }})
		synctest.Wait()
		go func() {
			<-time.After(time.Second)
			close(gate)
		}()
		closePool(t, p)
		f.expect(t, "claim a 0-0", "release a")
	})
}

// TestCloseAmidCalls: a call of the Source that outlasts Close is the last one,
// whatever it brings.
func TestCloseAmidCalls(t *testing.T) {
	for name, set := range map[string]func(f *fake, h hook){
		"claim": func(f *fake, h hook) { f.onClaim = h },
		"ack":   func(f *fake, h hook) { f.onAck = h },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				p := New(f, Options{})
				gate := make(chan error)
				set(f, func(string) error { return <-gate })
				f.add("a", "1")
				add(t, p, Job{Proc: "a", Fn: pass})
				synctest.Wait()
				if err := p.Close(t.Context()); err == nil || !strings.Contains(err.Error(), `"a"`) {
					t.Error(err)
				}
				if name == "claim" {
					gate <- nil
				} else {
					gate <- errs.NoSpace
				}
				synctest.Wait()
				f.expect(t, "claim a 0-0")
				closePool(t, p)
			})
		})
	}
}

// TestCloseWhileWaiting: what waits after an error of the Source is not waited
// for.
func TestCloseWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		f.onClaim = func(string) error { return errs.NoSpace }
		add(t, p, Job{Proc: "a", Fn: pass})
		elapse(time.Minute)
		start := time.Now()
		closePool(t, p)
		n := f.asked("a")
		elapse(time.Minute)
		if f.asked("a") != n || time.Since(start) != time.Minute {
			t.Errorf("%d claims after Close, %v", f.asked("a")-n, time.Since(start))
		}
	})
}

// TestReleaseFails: on closing there is one try to give a claim back.
func TestReleaseFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		f.onRelease = func(string) error { return errs.NoSpace }
		f.add("a", "1")
		add(t, p, Job{Proc: "a", Fn: func(ctx context.Context, _ *Work) error { <-ctx.Done(); return ctx.Err() }})
		synctest.Wait()
		closePool(t, p)
		f.expect(t, "claim a 0-0")
	})
}
