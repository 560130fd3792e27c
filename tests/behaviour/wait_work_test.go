package behaviour_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// WaitForWork returns when there is something to claim, and only then.
func TestWaitForWork(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		n.ensure(o)
		work := func() *result { return start(func() error { return n.WaitForWork(t.Context(), "p") }) }
		waits := func(r *result, what string) {
			t.Helper()
			if r.over() {
				t.Errorf("%s: it has returned, %v", what, r.err)
			}
		}
		woken := func(r *result, what string) {
			t.Helper()
			if !r.over() || r.err != nil {
				t.Errorf("%s: not woken, %v", what, r.err)
			}
		}
		r := work()
		waits(r, "no topic")
		n.commit("other", "x")
		waits(r, "another topic")
		n.commit("t", "0", "1")
		woken(r, "commit")
		woken(work(), "there is something")
		n.claim(o)
		r = work()
		n.commit("t", "2")
		waits(r, "an open claim")
		n.reclaim("p")
		woken(r, "reclaim")
		n.claim(o)
		r = work()
		waits(r, "an open claim")
		n.ack("p")
		woken(r, "ack")
		n.disable("p")
		r = work()
		waits(r, "disabled")
		n.resume("p")
		woken(r, "resume")
		n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: -1})
		n.ack("p")
		r = work()
		waits(r, "all seen")
		n.seek("p", ">")
		woken(r, "seek")
	})
}

func TestWaitForWorkEnds(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		if err := n.WaitForWork(ended(), "p"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := n.WaitForWork(ctx, "p"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		gone := start(func() error { return n.WaitForWork(t.Context(), "p") })
		if gone.over() {
			t.Fatal("there is no work")
		}
		n.destroy("p")
		if !gone.over() {
			t.Fatal("it waits for a proc that is gone")
		}
		wantCode(t, gone.err, "invalid_proc")
		n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		closed := start(func() error { return n.WaitForWork(t.Context(), "p") })
		if closed.over() {
			t.Fatal("there is no work")
		}
		n.shut()
		if !closed.over() {
			t.Fatal("it waits on")
		}
		wantCode(t, closed.err, "closed")
	})
}

// Nothing polls. A record is there for a waiter as soon as it is
// committed, and an idle node does nothing.
func TestWaitForWorkIsWokenAtOnce(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		_, err := n.DefineSystemProc(t.Context(), pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"},
			Processor: func(_ context.Context, w *pipeproc.Work) error { w.Emit(nil); return nil }})
		n.ok(err)
		n.ensure(pipeproc.ProcOptions{Name: "q", Topic: "u"})
		pass(1000 * time.Hour) // timers that fire all the time would make this take long
		begin := time.Now()
		for range 3 {
			work := start(func() error { return n.WaitForWork(t.Context(), "p") })
			through := start(func() error { return n.WaitForWork(t.Context(), "q") })
			n.commit("t", "0")
			if !work.over() || !through.over() || time.Since(begin) != 0 {
				t.Errorf("not at once: %v", time.Since(begin))
			}
			for _, o := range []pipeproc.ProcOptions{{Name: "p", Topic: "t"}, {Name: "q", Topic: "u"}} {
				n.claim(o)
				n.ack(o.Name)
			}
		}
	})
}
