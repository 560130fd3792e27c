package worker

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// TestInTurn: after one claim a proc goes to the end of the queue.
func TestInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 1})
		defer closePool(t, p)
		gate := make(chan struct{})
		var order []string
		for _, name := range []string{"a", "b", "c"} {
			f.numbered(name, 4)
			add(t, p, Job{Proc: name, Count: 2, Fn: func(_ context.Context, w *Work) error {
				<-gate
				order = append(order, w.Proc())
				return nil
			}})
			synctest.Wait()
		}
		close(gate)
		synctest.Wait()
		if want := []string{"a", "b", "c", "a", "b", "c"}; !slices.Equal(order, want) {
			t.Errorf("%q", order)
		}
	})
}

// TestNoneStarves: beside procs that always have more, one that has something
// now and then waits for one claim of each at most.
func TestNoneStarves(t *testing.T) {
	const greedy = 5
	f := newFake(t)
	f.loud = false
	p := New(f, Options{Concurrency: 1})
	defer closePool(t, p)
	var claims atomic.Int64
	for i := range greedy {
		name := fmt.Sprintf("greedy-%d", i)
		f.numbered(name, 1)
		add(t, p, Job{Proc: name, Fn: func(context.Context, *Work) error {
			claims.Add(1)
			f.add(name, "more")
			runtime.Gosched()
			return nil
		}})
	}
	served := make(chan int64)
	add(t, p, Job{Proc: "quiet", Fn: func(context.Context, *Work) error { served <- claims.Load(); return nil }})
	for range 200 {
		f.add("quiet", "now")
		before := claims.Load() // it is in the queue by now
		if n := <-served - before; n > greedy+1 {
			t.Fatalf("it waited for %d claims of others", n)
		}
	}
}

// TestSleeps: without work there is no claim, no wake-up and no timer, however
// much time passes.
func TestSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 8})
		defer closePool(t, p)
		for i := range 100 {
			name := fmt.Sprint("p", i)
			f.add(name, "1")
			f.proc(name).timeout = time.Minute
			add(t, p, Job{Proc: name, Fn: pass})
		}
		synctest.Wait()
		before := p.Stats()
		if before.Acked != 100 || before.Idle != before.Workers || before.Waiting != 0 {
			t.Errorf("%+v", before)
		}
		elapse(1000 * time.Hour)
		if after := p.Stats(); after != before {
			t.Errorf("%+v became %+v", before, after)
		}
		for i := range 100 {
			if n := f.asked(fmt.Sprint("p", i)); n > 3 {
				t.Errorf("p%d was claimed %d times", i, n)
			}
		}
	})
}

// TestStartsNothing: a pool has as many goroutines as there was work for.
func TestStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 8})
		defer closePool(t, p)
		if s := p.Stats(); s.Workers != 0 {
			t.Errorf("%+v", s)
		}
		for range 10 {
			f.add("a", "1")
			add(t, p, Job{Proc: "a", Fn: pass})
			synctest.Wait()
		}
		if s := p.Stats(); s.Workers != 1 || s.Acked != 10 {
			t.Errorf("%+v", s)
		}
	})
}

// idlePool returns a pool with n procs and as many sleeping goroutines.
func idlePool(t *testing.T, f *fake, n int) *Pool {
	p := New(f, Options{Concurrency: n})
	gate := make(chan struct{})
	for i := range n {
		name := fmt.Sprint("p", i)
		f.add(name, "1")
		add(t, p, Job{Proc: name, Fn: func(context.Context, *Work) error { <-gate; return nil }})
	}
	synctest.Wait()
	close(gate)
	synctest.Wait()
	if s := p.Stats(); s.Idle != n || s.Workers != n {
		t.Fatalf("%+v", s)
	}
	return p
}

// TestWakesOne: a call of a watch wakes one goroutine, further ones for the same
// proc none, and calls for different procs as many.
func TestWakesOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := idlePool(t, f, 8)
		defer closePool(t, p)
		before := p.Stats().Wakeups
		for i := range 8 {
			f.add(fmt.Sprint("p", i), "2")
			synctest.Wait()
			if n := p.Stats().Wakeups - before; n != uint64(i+1) {
				t.Fatalf("%d wake-ups for %d calls", n, i+1)
			}
		}
		before = p.Stats().Wakeups
		gate := make(chan struct{})
		f.onClaim = func(string) error { <-gate; return nil }
		for range 100 {
			f.add("p0", "more")
		}
		synctest.Wait()
		if n := p.Stats().Wakeups - before; n != 1 {
			t.Errorf("%d wake-ups for 100 calls for one proc", n)
		}
		for i := range 8 {
			f.add(fmt.Sprint("p", i), "more")
		}
		synctest.Wait()
		if s := p.Stats(); s.Wakeups-before != 8 || s.Idle != 0 || s.Running != 8 {
			t.Errorf("8 procs: %+v", s)
		}
		close(gate)
	})
}

// TestWakeDuringClaim: a call of the watch that comes after the Source has
// decided that there is nothing, and before the pool knows, is not lost.
func TestWakeDuringClaim(t *testing.T) {
	for name, c := range map[string]struct {
		result error // of the claim that is overtaken
		change func(f *fake)
	}{
		"nothing there": {nil, func(f *fake) { f.add("a", "1") }},
		"disabled":      {errs.ProcDisabled, func(f *fake) { f.add("a", "1"); f.disable("a", false) }},
		"unknown":       {errs.InvalidProc, func(f *fake) { f.add("a", "1") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				p := New(f, Options{Concurrency: 2})
				defer closePool(t, p)
				f.onClaim = func(string) error {
					f.on(&f.onClaim, nil)
					c.change(f)
					return c.result
				}
				add(t, p, Job{Proc: "a", Fn: pass})
				synctest.Wait()
				f.expect(t, "claim a 0-0", "ack a")
			})
		})
	}
}

// TestWakeDuringWork: records that arrive while the last claim runs, and are
// announced then only, are claimed after it, also after a failure.
func TestWakeDuringWork(t *testing.T) {
	for _, fail := range []error{nil, errs.Conflict} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			p := New(f, Options{Concurrency: 2})
			defer closePool(t, p)
			f.add("a", "1")
			add(t, p, Job{Proc: "a", Fn: func(_ context.Context, w *Work) error {
				if string(w.Records()[0].Body) == "1" && w.Attempt() == 1 {
					f.add("a", "2")
					return fail
				}
				return nil
			}})
			synctest.Wait()
			if n := f.acked("a"); n != 2 {
				t.Errorf("failure %v: %d records acknowledged: %q", fail, n, f.trace())
			}
		})
	}
}

// TestOneClaimAtATime: whatever the Source says, one proc runs once.
func TestOneClaimAtATime(t *testing.T) {
	const n = 500
	f := newFake(t)
	f.loud = false
	p := New(f, Options{Concurrency: 8})
	defer closePool(t, p)
	var running, asking atomic.Int32
	var once sync.Once
	done := make(chan struct{})
	f.onClaim = func(string) error {
		if asking.Add(1) != 1 {
			t.Error("two claims at once")
		}
		f.mu.Lock()
		f.procs["a"].notify() // without need
		f.mu.Unlock()
		asking.Add(-1)
		return nil
	}
	f.numbered("a", n)
	add(t, p, Job{Proc: "a", Fn: func(_ context.Context, w *Work) error {
		if running.Add(1) != 1 {
			t.Error("two processors at once")
		}
		f.add("a", "more")
		if w.Records()[0].ID.Seq == n {
			once.Do(func() { close(done) })
		}
		running.Add(-1)
		return nil
	}})
	<-done
}

// TestConcurrency: as many procs run side by side as Options say.
func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 3})
		defer closePool(t, p)
		gate := make(chan struct{})
		for i := range 10 {
			name := fmt.Sprint("p", i)
			f.add(name, "1")
			add(t, p, Job{Proc: name, Fn: func(context.Context, *Work) error { <-gate; return nil }})
		}
		synctest.Wait()
		if s := p.Stats(); s.Running != 3 || s.Ready != 7 || s.Workers != 3 || s.Jobs != 10 || s.Claims != 3 {
			t.Errorf("%+v", s)
		}
		close(gate)
		synctest.Wait()
		if s := p.Stats(); s.Running != 0 || s.Idle != 3 || s.Acked != 10 || s.Records != 10 {
			t.Errorf("%+v", s)
		}
	})
}
