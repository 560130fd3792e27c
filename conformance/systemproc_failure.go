package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc"
)

// failing is a test of a processor that fails three times and then succeeds.
func failing(name string, fail func() error) test {
	return test{name: "a processor that fails is tried again, " + name, o: Options{Workers: 1}, run: func(l *lab) {
		var runs atomic.Int64
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{MaxReclaims: -1, ReclaimTimeout: -1, Backoff: time.Millisecond},
			Processor: func(_ context.Context, w *pipeproc.Work) error {
				w.Emit(fmt.Append(nil, w.Attempt()))
				if runs.Add(1) < 4 {
					return fail()
				}
				return nil
			}})
		l.commit("t", "0")
		l.settled()
		l.wantTopic("u", "4")
		if i := l.info("s"); i.Next != 1 || i.Reclaims != 0 {
			l.t.Errorf("%+v", i)
		}
	}}
}

var errProcessor = errors.New("no good")

var failureTests = []test{
	failing("error", func() error { return errProcessor }),
	failing("panic", func() error { panic("no good") }),
	failing("panic with an error", func() error { panic(errProcessor) }),
	failing("end of its goroutine", func() error { runtime.Goexit(); return nil }),
	failing("error without text", func() error { return errors.New("") }),
	{name: "failures disable at the limit", run: func(l *lab) {
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Retry: pipeproc.RetryPolicy{MaxReclaims: 3, Backoff: -1},
			Processor: func(context.Context, *pipeproc.Work) error { return errProcessor }})
		l.commit("t", "0")
		l.eventually("it is disabled", func() bool { return l.info("s").Disabled })
		if i := l.info("s"); i.Reclaims != 3 || i.Next != 0 {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "the reason goes with the dead letters", run: func(l *lab) {
		fail := map[string]func() error{
			"no good": func() error { return fmt.Errorf("wrapped: %w", errProcessor) },
			"ouch":    func() error { panic("ouch") },
			"Goexit":  func() error { runtime.Goexit(); return nil },
		}
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{MaxReclaims: 2, OnMaxReclaims: pipeproc.StrategyDeadLetter, Backoff: -1},
			Processor: func(_ context.Context, w *pipeproc.Work) error {
				w.Emit(w.Records()[0].Body)
				if f := fail[string(w.Records()[0].Body)]; f != nil {
					return f()
				}
				return nil
			}})
		l.commit("t", "0", "no good", "1", "ouch", "Goexit", "2")
		l.settled()
		l.wantTopic("u", "0", "1", "2")
		l.wantTopic("t__dead", "no good", "ouch", "Goexit")
		for _, r := range l.records("t__dead") {
			if !strings.Contains(header(r, pipeproc.HeaderDeadReason), string(r.Body)) || header(r, pipeproc.HeaderDeadAttempts) != "2" || header(r, pipeproc.HeaderDeadProc) != "s" {
				l.t.Errorf("%s %s", r.Body, r.Headers)
			}
		}
	}},
	{name: "output to a topic that cannot be is a failure", run: func(l *lab) {
		l.badOutput(func(w *pipeproc.Work) { w.EmitTo("a b", pipeproc.Record{}) })
	}},
	{name: "output that is too large is a failure", o: Options{MaxBody: 1000}, run: func(l *lab) {
		l.badOutput(func(w *pipeproc.Work) { w.Emit(make([]byte, 1001)) })
	}},
	{name: "the timeout ends a processor's context", o: Options{Workers: 1}, run: func(l *lab) {
		var told atomic.Value
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: 5 * short, MaxReclaims: -1},
			Processor: func(ctx context.Context, w *pipeproc.Work) error {
				w.Emit([]byte("x"))
				if told.Load() != nil {
					return nil
				}
				<-ctx.Done()
				told.Store(ctx.Err())
				return context.Cause(ctx)
			}})
		l.commit("t", "0")
		l.settled()
		l.wantTopic("u", "x")
		if err := told.Load().(error); !errors.Is(err, context.DeadlineExceeded) {
			l.t.Error(err)
		}
	}},
	{name: "a processor that does not return hinders nobody", o: Options{Workers: 1}, run: func(l *lab) {
		free := make(chan struct{})
		var first atomic.Bool
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: 5 * short, MaxReclaims: -1},
			Processor: func(_ context.Context, w *pipeproc.Work) error {
				if !first.Swap(true) {
					w.Emit([]byte("late"))
					<-free
					return nil
				}
				w.Emit([]byte("again"))
				return nil
			}})
		l.commit("t", "0")
		l.settled()
		close(free)
		l.commit("t", "1")
		l.settled()
		l.wantTopic("u", "again", "again")
	}},
	{name: "disabled it rests, and resumed it runs on", run: func(l *lab) {
		var c calls
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: c.note})
		l.disable("s")
		l.system(pipeproc.SystemProcOptions{Name: "after", From: []string{"t"}, Processor: nop})
		l.commit("t", "0")
		l.settled("after")
		if got := c.take(); len(got) != 0 {
			l.t.Errorf("ran while it was disabled: %q", got)
		}
		l.resume("s")
		l.settled()
		if got := c.take(); len(got) != 1 {
			l.t.Errorf("%q", got)
		}
		l.seek("s", ">")
		l.settled()
		if got := c.take(); len(got) != 1 {
			l.t.Errorf("after a seek: %q", got)
		}
	}},
}

func (l *lab) badOutput(emit func(w *pipeproc.Work)) {
	l.t.Helper()
	l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{MaxReclaims: 3, Backoff: -1},
		Processor: func(_ context.Context, w *pipeproc.Work) error {
			w.Emit([]byte("good"))
			emit(w)
			return nil
		}})
	l.commit("t", "0")
	l.eventually("it is disabled", func() bool { return l.info("s").Disabled })
	if i := l.info("s"); i.Next != 0 || i.Reclaims != 3 {
		l.t.Errorf("%+v", i)
	}
	l.wantTopic("u")
}

var laneTests = []test{
	{name: "lanes keep the order of each key", o: Options{Workers: 4}, run: func(l *lab) {
		const keys, each = 8, 20
		var recs []pipeproc.Record
		for i := range keys * each {
			recs = append(recs, pipeproc.Record{Topic: "t", Key: fmt.Append(nil, "k", i%keys), Body: fmt.Append(nil, i/keys)})
		}
		_, err := l.Commit(l.ctx, recs...)
		l.ok(err)
		var mu sync.Mutex
		next := map[string]int{}
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Count: 50, Lanes: 4, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1},
			Processor: pipeproc.Each(func(_ context.Context, r pipeproc.Record, w *pipeproc.Work) error {
				mu.Lock()
				if string(r.Body) != fmt.Sprint(next[string(r.Key)]) {
					l.t.Errorf("key %s: %s, want %d", r.Key, r.Body, next[string(r.Key)])
				}
				next[string(r.Key)]++
				mu.Unlock()
				w.EmitRecord(r)
				return nil
			})})
		l.settled()
		out := map[string][]string{}
		for _, r := range l.records("u") {
			out[string(r.Key)] = append(out[string(r.Key)], string(r.Body))
		}
		if len(out) != keys {
			l.t.Errorf("%d keys", len(out))
		}
		for key, list := range out {
			for i, body := range list {
				if len(list) != each || body != fmt.Sprint(i) {
					l.t.Fatalf("key %s: %q", key, list)
				}
			}
		}
	}},
	{name: "lanes run side by side", o: Options{Workers: 3}, run: func(l *lab) {
		var together sync.WaitGroup
		together.Add(3)
		l.commit("t", "0", "1", "2")
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 3, Lanes: 3, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}, Processor: func(context.Context, *pipeproc.Work) error {
			together.Done()
			together.Wait()
			return nil
		}})
		l.settled()
	}},
	{name: "lanes of records without a key", run: func(l *lab) {
		var c calls
		l.commit("t", "0", "1", "2", "3", "4", "5", "6")
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 7, Lanes: 3, Processor: c.note})
		l.settled()
		got := c.take()
		slices.Sort(got)
		if !slices.Equal(got, []string{"0 3 6", "1 4", "2 5"}) {
			l.t.Errorf("%q", got)
		}
	}},
	{name: "lanes fail together", o: Options{Workers: 3}, run: func(l *lab) {
		var stopped atomic.Int64
		var together sync.WaitGroup
		together.Add(3)
		l.commit("t", "0", "1", "2")
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Count: 3, Lanes: 3, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1},
			Processor: func(ctx context.Context, w *pipeproc.Work) error {
				w.Emit(w.Records()[0].Body)
				if w.Attempt() == 2 {
					return nil
				}
				together.Done()
				together.Wait()
				if string(w.Records()[0].Body) == "1" {
					return errProcessor
				}
				<-ctx.Done()
				stopped.Add(1)
				return nil
			}})
		l.settled()
		l.wantTopic("u", "0", "1", "2")
		if i := l.info("s"); i.Next != 3 || i.Reclaims != 0 || stopped.Load() != 2 {
			l.t.Errorf("%d lanes were stopped, %+v", stopped.Load(), i)
		}
	}},
	{name: "more lanes than records", run: func(l *lab) {
		var c calls
		l.commit("t", "0")
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Lanes: 16, Processor: c.note})
		l.settled()
		if got := c.take(); !slices.Equal(got, []string{"0"}) {
			l.t.Errorf("%q", got)
		}
	}},
}
