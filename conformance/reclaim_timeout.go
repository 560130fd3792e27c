package conformance

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

// timedOut waits until a proc's claim has been taken back for the n-th time.
func (l *lab) timedOut(proc string, n int) {
	l.t.Helper()
	l.eventually(fmt.Sprint("reclaim ", n), func() bool { return l.info(proc).Reclaims >= n })
}

var timeoutTests = []test{
	{name: "a timeout is the store's", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: short, MaxReclaims: -1}}
		l.want(o, "0")
		l.timedOut("p", 1) // nobody asks for a claim
		if i := l.info("p"); i.Claim != (pipeproc.Token{}) {
			l.t.Errorf("%+v", i)
		}
		if c := l.want(o, "0"); c.Attempt != 2 {
			l.t.Errorf("attempt %d", c.Attempt)
		}
	}},
	{name: "a timeout wakes", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: short}}
		l.want(o, "0")
		l.ok(l.WaitForWork(l.ctx, "p"))
		l.want(o, "0")
	}},
	{name: "a timeout disables at the limit", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 2, ReclaimTimeout: short}}
		l.want(o, "0")
		l.timedOut("p", 1)
		l.want(o, "0")
		l.timedOut("p", 2)
		if i := l.info("p"); !i.Disabled {
			l.t.Errorf("%+v", i)
		}
		_, err := l.Claim(l.ctx, o)
		l.wantErr(err, pipeproc.ErrProcDisabled)
	}},
	{name: "a timeout is followed by the backoff", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: short, Backoff: time.Hour}}
		l.want(o, "0")
		l.timedOut("p", 1)
		l.want(o)
		if i := l.info("p"); i.RetryAt.UnixMilli() < time.Now().Add(time.Hour-5*time.Minute).UnixMilli() {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "what was acknowledged does not time out", run: func(l *lab) {
		l.commit("t", "0")
		l.commit("u", "0")
		p := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: short}}
		acked := false // a slow machine may take longer than the timeout
		l.eventually("an ack in time", func() bool {
			c := l.claim(p)
			_, err := l.Ack(l.ctx, "p", c.Token)
			acked = err == nil && !c.Empty()
			return acked
		})
		// One that is claimed later times out later.
		l.want(pipeproc.ProcOptions{Name: "q", Topic: "u", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 2 * short}}, "0")
		l.timedOut("q", 1)
		if i := l.info("p"); i.Reclaims != 0 || i.Next != 1 {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "a disabled proc's claim waits for the resume", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 10 * short, MaxReclaims: -1}}
		l.want(o, "0")
		l.disable("p")
		before := l.info("p").Reclaims
		l.want(pipeproc.ProcOptions{Name: "q", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 12 * short}}, "0")
		l.timedOut("q", 1)
		if i := l.info("p"); i.Reclaims != before {
			l.t.Errorf("taken back while disabled: %+v", i)
		}
		l.resume("p")
		l.ok(l.WaitForWork(l.ctx, "p"))
		l.want(o, "0")
	}},
	{name: "a timeout that never comes", run: func(l *lab) {
		l.commit("t", "0")
		l.want(procOn("t"), "0")
		l.want(pipeproc.ProcOptions{Name: "q", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: short}}, "0")
		l.timedOut("q", 1)
		if i := l.info("p"); i.Claim == (pipeproc.Token{}) || i.Reclaims != 0 {
			l.t.Errorf("%+v", i)
		}
	}},
}
