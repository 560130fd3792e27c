package behaviour_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

var errProcessor = errors.New("no good")

// An error, a panic and the end of the goroutine give the claim back at once,
// counted and with backoff; nothing of the output is committed, and the pool
// goes on.
func TestSystemProcFailureIsReclaimed(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error":       func() error { return errProcessor },
		"panic":       func() error { panic("no good") },
		"panic error": func() error { panic(errProcessor) },
		"nil panic":   func() error { panic(nil) },
		"Goexit":      func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, &pipeproc.Options{Workers: 1}, func(t *testing.T, n *lab) {
				var times []time.Duration
				begin := time.Now()
				n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{MaxReclaims: -1},
					Processor: func(_ context.Context, w *pipeproc.Work) error {
						times = append(times, time.Since(begin))
						w.Emit(fmt.Append(nil, w.Attempt()))
						if len(times) < 5 {
							return fail()
						}
						return nil
					}})
				n.commit("t", "0")
				pass(0)
				if i := n.info("s"); i.Reclaims != 1 || i.Claim != (pipeproc.Token{}) || i.RetryAt.IsZero() {
					t.Errorf("not given back at once: %+v", i)
				}
				n.wantTopic("u")
				pass(time.Minute)
				// 10 ms, doubled each time.
				if fmt.Sprint(times) != "[0s 10ms 30ms 70ms 150ms]" {
					t.Errorf("%v", times)
				}
				n.wantTopic("u", "5")
				if i := n.info("s"); i.Next != 1 || i.Reclaims != 0 {
					t.Errorf("%+v", i)
				}
			})
		})
	}
}

// An error without a text is still an error.
func TestSystemProcErrorWithoutText(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter},
			Processor: func(context.Context, *pipeproc.Work) error { return errors.New("") }})
		pass(time.Second)
		n.wantTopic("t__dead", "0")
		if r := n.records("t__dead")[0]; header(r, pipeproc.HeaderDeadAttempts) != "1" {
			t.Errorf("%s", r.Headers)
		}
	})
}

// The backoff of a system proc goes up to three seconds.
func TestSystemProcBackoffIsCapped(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		var last time.Time
		var waits []time.Duration
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Retry: pipeproc.RetryPolicy{MaxReclaims: 14}, Processor: func(context.Context, *pipeproc.Work) error {
			if !last.IsZero() {
				waits = append(waits, time.Since(last))
			}
			last = time.Now()
			return errProcessor
		}})
		pass(time.Hour)
		want := "[10ms 20ms 40ms 80ms 160ms 320ms 640ms 1.28s 2.56s 3s 3s 3s 3s]"
		if fmt.Sprint(waits) != want {
			t.Errorf("%v, want %s", waits, want)
		}
		if i := n.info("s"); !i.Disabled || i.Reclaims != 14 {
			t.Errorf("%+v", i)
		}
	})
}

// The reason of the last failure goes with the dead letters: the error's text,
// or what was panicked with.
func TestSystemProcDeadLetterReason(t *testing.T) {
	for reason, fail := range map[string]func() error{
		"no good": func() error { return fmt.Errorf("wrapped: %w", errProcessor) },
		"ouch":    func() error { panic("ouch") },
		"Goexit":  func() error { runtime.Goexit(); return nil },
	} {
		bubble(t, nil, func(t *testing.T, n *lab) {
			n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{MaxReclaims: 2, OnMaxReclaims: pipeproc.StrategyDeadLetter},
				Processor: func(_ context.Context, w *pipeproc.Work) error {
					w.Emit(w.Records()[0].Body)
					if string(w.Records()[0].Body) == "bad" {
						return fail()
					}
					return nil
				}})
			n.commit("t", "0", "bad", "1")
			pass(time.Minute)
			n.wantTopic("u", "0", "1")
			n.wantTopic("t__dead", "bad")
			r := n.records("t__dead")[0]
			if !strings.Contains(header(r, pipeproc.HeaderDeadReason), reason) || header(r, pipeproc.HeaderDeadAttempts) != "2" || header(r, pipeproc.HeaderDeadProc) != "s" {
				t.Errorf("%s", r.Headers)
			}
		})
	}
}

// Output that can never be committed is a failure: nothing of it happens.
func TestSystemProcBadOutput(t *testing.T) {
	for name, emit := range map[string]func(w *pipeproc.Work){
		"bad topic": func(w *pipeproc.Work) { w.EmitTo("a b", pipeproc.Record{}) },
		"too large": func(w *pipeproc.Work) { w.Emit(make([]byte, 1001)) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, &pipeproc.Options{MaxBody: 1000}, func(t *testing.T, n *lab) {
				n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{MaxReclaims: 3},
					Processor: func(_ context.Context, w *pipeproc.Work) error {
						w.Emit([]byte("good"))
						emit(w)
						return nil
					}})
				n.commit("t", "0")
				pass(time.Minute)
				if i := n.info("s"); i.Next != 0 || i.Reclaims != 3 || !i.Disabled {
					t.Errorf("%+v", i)
				}
				n.wantTopic("u")
			})
		})
	}
}

// The context of a processor ends at the reclaim timeout, when the node takes
// the claim back; what it emitted is dropped. One that does not return does not
// hinder the others, nor the records themselves.
func TestSystemProcTimeout(t *testing.T) {
	for _, obeys := range []bool{true, false} {
		bubble(t, &pipeproc.Options{Workers: 1}, func(t *testing.T, n *lab) {
			begin := time.Now()
			var first, second time.Duration
			free := make(chan struct{})
			n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: 5 * time.Second},
				Processor: func(ctx context.Context, w *pipeproc.Work) error {
					w.Emit(fmt.Append(nil, w.Attempt()))
					if w.Attempt() > 1 {
						second = time.Since(begin)
						return nil
					}
					<-ctx.Done()
					first = time.Since(begin)
					if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
						t.Error(ctx.Err())
					}
					if obeys {
						return context.Cause(ctx)
					}
					<-free
					return nil
				}})
			n.commit("t", "0")
			pass(5 * time.Second)
			if first != 5*time.Second || n.info("s").Reclaims != 1 {
				t.Errorf("told after %v, %+v", first, n.info("s"))
			}
			pass(time.Second)
			if second != 5010*time.Millisecond { // after the backoff
				t.Errorf("again after %v", second)
			}
			close(free)
			pass(time.Second)
			n.wantTopic("u", "2")
			if i := n.info("s"); i.Next != 1 || i.Reclaims != 0 {
				t.Errorf("%+v", i)
			}
		})
	}
}

// A disabled system proc stops, and goes on when it is resumed.
func TestSystemProcDisableAndResume(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		var c calls
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: c.note})
		n.disable("s")
		n.commit("t", "0")
		pass(time.Hour)
		if got := c.take(); len(got) != 0 {
			t.Errorf("ran while it was disabled: %q", got)
		}
		n.resume("s")
		n.settled()
		if got := c.take(); len(got) != 1 {
			t.Errorf("%q", got)
		}
		n.seek("s", ">")
		n.settled()
		if got := c.take(); len(got) != 1 {
			t.Errorf("after a seek: %q", got)
		}
	})
}
