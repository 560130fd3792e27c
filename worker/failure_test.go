package worker

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

// TestFailures: whatever a processor does instead of returning nil, its claim is
// given back with the reason, its output is dropped, and the pool is none the
// worse.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		fail   func() error
		reason string
		stack  bool
	}{
		"error":        {func() error { return errs.Conflict }, "conflict", false},
		"panic":        {func() error { panic("at the disco") }, "the processor panicked: at the disco", true},
		"panic error":  {func() error { panic(errs.Conflict) }, "the processor panicked: conflict", true},
		"runtime":      {func() error { var v any = 1; return v.(error) }, "the processor panicked: interface conversion", true},
		"Goexit":       {func() error { runtime.Goexit(); return nil }, "the processor called runtime.Goexit", false},
		"Goexit later": {func() error { defer runtime.Goexit(); panic("first") }, "the processor called runtime.Goexit", false},
	} {
		for _, lanes := range []int{1, 3} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, l := newFake(t), new(logs)
					p := New(f, Options{Concurrency: 1, Logger: l.logger()})
					defer closePool(t, p)
					f.add("a", "1", "2", "3")
					add(t, p, Job{Proc: "a", To: []string{"x"}, Count: 3, Lanes: lanes, Fn: func(_ context.Context, w *Work) error {
						w.Emit(w.Records()[0].Body)
						if w.Attempt() < 3 && string(w.Records()[0].Body) == "1" {
							return c.fail()
						}
						return nil
					}})
					synctest.Wait()
					back := "reclaim a: " + c.reason
					calls := f.trace()
					for i, s := range calls {
						if strings.HasPrefix(s, back) {
							calls[i] = back // without what else the runtime says
						}
					}
					if !slices.Equal(calls, []string{"claim a 0-2", back, "claim a 0-2", back, "claim a 0-2", "ack a"}) {
						t.Errorf("%q", calls)
					}
					if len(f.out) != lanes {
						t.Errorf("%q", f.out)
					}
					if s := p.Stats(); s.Workers != 1 || s.Idle != 1 || s.Running != 0 {
						t.Errorf("%+v", s)
					}
					stacks := l.count("failure_test.go")
					if c.stack != (stacks >= 2) || l.count(c.reason) < 2 {
						t.Errorf("%d stacks in the log: %s", stacks, l.b.String())
					}
				})
			})
		}
	}
}

func TestPanicUnwraps(t *testing.T) {
	err := invoke(t.Context(), func(context.Context, *Work) error { panic(errs.Conflict) }, new(Work))
	if !errors.Is(err, errs.Conflict) {
		t.Error(err)
	}
	if err = invoke(t.Context(), func(context.Context, *Work) error { panic(1) }, new(Work)); errors.Unwrap(err) != nil {
		t.Error(err)
	}
}

// TestEach: in order, up to the first error, which names the record, and not
// after the context has ended.
func TestEach(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	w := &Work{records: []record.Record{{ID: record.ID{Millis: 5, Seq: 1}}, {ID: record.ID{Millis: 5, Seq: 2}}, {ID: record.ID{Millis: 5, Seq: 3}}}}
	var seen []uint64
	each := func(fn func(seq uint64) error) error {
		seen = nil
		return Each(func(_ context.Context, rec record.Record, x *Work) error {
			if x != w {
				t.Error("another Work")
			}
			seen = append(seen, rec.ID.Seq)
			return fn(rec.ID.Seq)
		})(ctx, w)
	}
	if err := each(func(uint64) error { return nil }); err != nil || !slices.Equal(seen, []uint64{1, 2, 3}) {
		t.Errorf("%v: %v", seen, err)
	}
	err := each(func(seq uint64) error {
		if seq == 2 {
			return errs.Conflict
		}
		return nil
	})
	if !errors.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "5-2") || !slices.Equal(seen, []uint64{1, 2}) {
		t.Errorf("%v: %v", seen, err)
	}
	if err = each(func(uint64) error { cancel(errs.Closed); return nil }); !errors.Is(err, errs.Closed) || len(seen) != 1 {
		t.Errorf("%v: %v", seen, err)
	}
}

// TestAckLost: a claim that was taken back is dropped without a further call.
func TestAckLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, l := newFake(t), new(logs)
		p := New(f, Options{Logger: l.logger()})
		defer closePool(t, p)
		f.add("a", "1")
		tries := 0
		add(t, p, Job{Proc: "a", To: []string{"x"}, Fn: func(_ context.Context, w *Work) error {
			w.Emit(nil)
			if tries++; tries == 1 {
				_ = f.back("a", w.claim.Token, false, "somebody takes a")
			}
			return nil
		}})
		synctest.Wait()
		f.expect(t, "claim a 0-0", "somebody takes a", "claim a 0-0", "ack a")
		if len(f.out) != 1 || l.count("claim was lost") != 1 {
			t.Errorf("%q %s", f.out, l.b.String())
		}
	})
}

// TestAckFails: work whose acknowledgement fails is given back, and tried again
// after a wait that doubles.
func TestAckFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		defer closePool(t, p)
		f.add("a", "1", "2", "3")
		start := time.Now()
		var at []time.Duration
		results := []error{errs.NoSpace, errs.NoSpace, errs.NoSpace, nil, errs.NoSpace, nil, nil}
		f.onAck = func(string) error {
			at = append(at, time.Since(start))
			return results[len(at)-1]
		}
		add(t, p, Job{Proc: "a", Fn: pass})
		elapse(time.Minute)
		back := "reclaim a: no_space"
		f.expect(t, "claim a 0-0", back, "claim a 0-0", back, "claim a 0-0", back, "claim a 0-0", "ack a",
			"claim a 1-1", back, "claim a 1-1", "ack a", "claim a 2-2", "ack a")
		if want := []time.Duration{0, 10 * ms, 30 * ms, 70 * ms, 70 * ms, 80 * ms, 80 * ms}; !slices.Equal(at, want) {
			t.Errorf("%v", at)
		}
	})
}

const ms = time.Millisecond

// TestGiveBackFails: a claim that cannot be given back is owed, and given back
// before the next one is made, so that a proc whose claims never time out goes
// on. No goroutine waits for that.
func TestGiveBackFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 1})
		defer closePool(t, p)
		var full atomic.Bool
		full.Store(true)
		f.onReclaim = func(string) error {
			if full.Load() {
				return errs.NoSpace
			}
			return nil
		}
		f.add("a", "1")
		add(t, p, Job{Proc: "a", Fn: func(_ context.Context, w *Work) error {
			if w.Attempt() == 1 {
				return errs.Conflict
			}
			return nil
		}})
		elapse(time.Minute)
		f.expect(t, "claim a 0-0")
		f.add("b", "1")
		add(t, p, Job{Proc: "b", Fn: pass})
		synctest.Wait()
		f.expect(t, "claim b 0-0", "ack b")
		p.Remove("a") // the debt stays
		full.Store(false)
		elapse(maxDelay)
		f.expect(t, "reclaim a: conflict")
		add(t, p, Job{Proc: "a", Fn: pass})
		synctest.Wait()
		f.expect(t, "claim a 0-0", "ack a")
	})
}

// TestGiveBackGone: a claim that is gone when it is given back is no trouble.
func TestGiveBackGone(t *testing.T) {
	for _, gone := range []error{errs.ClaimLost, errs.NothingToReclaim, errs.InvalidProc} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			p := New(f, Options{})
			defer closePool(t, p)
			f.onReclaim = func(string) error {
				f.on(&f.onReclaim, nil)
				f.mu.Lock()
				defer f.mu.Unlock()
				f.end(f.procs["a"])
				return gone
			}
			f.add("a", "1")
			fail := errs.Conflict
			add(t, p, Job{Proc: "a", Fn: func(context.Context, *Work) error {
				defer func() { fail = nil }()
				if fail != nil {
					return fail
				}
				return nil
			}})
			synctest.Wait()
			f.expect(t, "claim a 0-0", "claim a 0-0", "ack a")
		})
	}
}
