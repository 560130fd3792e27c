package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/pipeproc/pipeproc"
)

// until runs fn again and again until stop is closed.
func (l *lab) until(stop <-chan struct{}, fn func(i int) error) *result {
	return l.start(func() error {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return nil
			default:
			}
			if err := fn(i); err != nil {
				return err
			}
		}
	})
}

var concurrentTests = []test{
	{name: "claims beside commits", run: func(l *lab) {
		const total = 150
		commits := l.start(func() error {
			for i := range total {
				if _, err := l.Commit(l.ctx, recordsOf("t", fmt.Sprint(i))...); err != nil {
					return err
				}
			}
			return nil
		})
		o := procOn("t")
		o.Count = 7
		l.ensure(o)
		for next := 0; next < total; {
			l.ok(l.WaitForWork(l.ctx, "p"))
			c := l.claim(o)
			if c.Empty() {
				l.t.Fatal("told of records that are not there")
			}
			for _, r := range c.Records {
				if string(r.Body) != fmt.Sprint(next) || r.ID.Seq != uint64(next) {
					l.t.Fatalf("record %v %s, want %d", r.ID, r.Body, next)
				}
				next++
			}
			l.ack("p")
		}
		l.ok(commits.wait())
	}},
	{name: "a batch is visible whole", run: func(l *lab) {
		l.create("t")
		stop := make(chan struct{})
		commits := l.until(stop, func(int) error {
			_, err := l.Commit(l.ctx, recordsOf("t", "0", "1", "2", "3", "4")...)
			return err
		})
		for range 50 {
			if n := l.length("t"); n%5 != 0 {
				l.t.Errorf("%d records of batches of five", n)
			}
		}
		close(stop)
		l.ok(commits.wait())
	}},
	{name: "a batch over topics is visible in order", run: func(l *lab) {
		// A reader that sees the second topic's record also finds the first one's.
		l.create("a")
		l.create("b")
		stop := make(chan struct{})
		commits := l.until(stop, func(int) error {
			_, err := l.Commit(l.ctx, pipeproc.Record{Topic: "a"}, pipeproc.Record{Topic: "b"})
			return err
		})
		for range 50 {
			if b, a := l.length("b"), l.length("a"); a < b {
				l.t.Errorf("%d of b and %d of a", b, a)
			}
		}
		close(stop)
		l.ok(commits.wait())
	}},
	{name: "a range beside commits has no holes", run: func(l *lab) {
		l.create("t")
		stop := make(chan struct{})
		commits := l.until(stop, func(i int) error {
			_, err := l.Commit(l.ctx, recordsOf("t", fmt.Sprint(i))...)
			return err
		})
		for range 15 {
			fwd := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{}))
			back := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{Reverse: true}))
			if len(back) < len(fwd) {
				l.t.Errorf("%d records, then %d", len(fwd), len(back))
			}
			for i, seq := range fwd {
				if seq != uint64(i) || back[len(back)-1-i] != seq {
					l.t.Fatalf("record %d has sequence %d, backwards %d", i, seq, back[len(back)-1-i])
				}
			}
		}
		close(stop)
		l.ok(commits.wait())
	}},
	{name: "exactly once over workers that fail", o: Options{Workers: 4}, run: func(l *lab) {
		var runs atomic.Int64
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b", "c"}, To: []string{"out"}, Count: 4, Retry: pipeproc.RetryPolicy{MaxReclaims: -1, Backoff: -1},
			Processor: func(_ context.Context, w *pipeproc.Work) error {
				for _, r := range w.Records() {
					w.EmitRecord(r)
				}
				if runs.Add(1)%3 == 0 {
					return errProcessor
				}
				return nil
			}})
		want := map[string]bool{}
		for i := range 90 {
			topic := []string{"a", "b", "c"}[i%3]
			body := fmt.Sprint(topic, i)
			l.commit(topic, body)
			want[body] = true
		}
		l.settled()
		out := l.bodies("out")
		for _, body := range out {
			delete(want, body)
		}
		if len(out) != 90 || len(want) != 0 {
			l.t.Errorf("%d records came of 90, %d are missing", len(out), len(want))
		}
	}},
	{name: "definitions that change while they run", run: func(l *lab) {
		l.ok(l.Register("s", nop))
		stop := make(chan struct{})
		may := func(err error) error {
			for _, ok := range []error{pipeproc.ErrInvalidProc, pipeproc.ErrProcNameNotUnique, pipeproc.ErrProcAlreadyDisabled, pipeproc.ErrProcAlreadyActive} {
				if errors.Is(err, ok) {
					return nil
				}
			}
			return err
		}
		define := func(from ...string) error {
			_, err := l.DefineSystemProc(l.ctx, pipeproc.SystemProcOptions{Name: "s", From: from, PerTopic: true, Replace: true})
			return err
		}
		from := [][]string{{"a"}, {"a", "b"}, {"b", "c"}, {"a", "b", "c"}}
		all := []*result{
			l.until(stop, func(i int) error { return may(define(from[i%4]...)) }),
			l.until(stop, func(i int) error { return may(define(from[(i+2)%4]...)) }),
			l.until(stop, func(i int) error {
				_, err := l.DestroyProc(l.ctx, fmt.Sprint("s__", []string{"a", "b", "c"}[i%3]))
				return may(err)
			}),
			l.until(stop, func(i int) error {
				if i%2 == 0 {
					_, err := l.DisableProc(l.ctx, "s__b")
					return may(err)
				}
				_, err := l.ResumeProc(l.ctx, "s__b")
				return may(err)
			}),
		}
		for i := range 60 {
			l.commit([]string{"a", "b", "c"}[i%3], "x")
		}
		close(stop)
		for _, r := range all {
			l.ok(r.wait())
		}
		l.ok(define("a", "b", "c"))
		if l.info("s__b").Disabled {
			l.resume("s__b")
		}
		l.settled()
		for _, topic := range []string{"a", "b", "c"} {
			l.commit(topic, "x")
		}
		l.settled()
	}},
	{name: "closing beside all that", run: func(l *lab) {
		var all []*result
		for i := range 3 {
			all = append(all, l.start(func() error {
				for {
					o := pipeproc.SystemProcOptions{Name: fmt.Sprint("s", i), From: []string{"t"}, To: []string{"u"}, Processor: through}
					_, err := l.DefineSystemProc(l.ctx, o)
					if err == nil {
						_, err = l.Commit(l.ctx, recordsOf("t", "x")...)
					}
					if err == nil {
						_, err = l.DestroyProc(l.ctx, o.Name)
					}
					if err != nil {
						return err
					}
				}
			}))
		}
		l.ok(l.WaitForRecord(l.ctx, "t", 5))
		l.shut()
		for _, r := range all {
			// A command in flight when the connection was closed may have taken effect.
			if err := r.wait(); !errors.Is(err, pipeproc.ErrClosed) && !errors.Is(err, pipeproc.ErrOutcomeUnknown) {
				l.t.Error(err)
			}
		}
	}},
}
