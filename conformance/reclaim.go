package conformance

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

var reclaimTests = []test{
	{name: "the records come again", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		o := procOn("t")
		o.Count = 2
		c := l.want(o, "0", "1")
		l.reclaim("p")
		if i := l.info("p"); i.Reclaims != 1 || i.Disabled || i.Claim != (pipeproc.Token{}) || !i.RetryAt.IsZero() {
			l.t.Errorf("%+v", i)
		}
		again := l.want(o, "0", "1")
		if again.Attempt != 2 || again.Token == c.Token || again.Range != c.Range {
			l.t.Errorf("%+v after %+v", again, c)
		}
		l.ack("p")
		l.want(o, "2")
	}},
	{name: "by token", run: func(l *lab) {
		l.commit("t", "0")
		c := l.want(procOn("t"), "0")
		_, err := l.Reclaim(l.ctx, "p", c.Token, "because")
		l.ok(err)
		l.want(procOn("t"), "0")
	}},
	{name: "returns the range before", run: func(l *lab) {
		ids := l.commit("t", "0", "1")
		o := procOn("t")
		l.claim(o)
		if r := l.reclaim("p"); !r.Empty() || r.String() != "" {
			l.t.Errorf("after a first claim: %v", r)
		}
		l.claim(o)
		l.ack("p")
		l.want(o, "1")
		if r := l.reclaim("p"); r.First != ids[0] || r.Last != ids[0] {
			l.t.Errorf("%v, want %v", r, ids[0])
		}
	}},
	{name: "refused", run: func(l *lab) {
		l.commit("t", "0", "1")
		refused := func(want error) {
			l.t.Helper()
			_, err := l.Reclaim(l.ctx, "p", pipeproc.Token{}, "")
			l.wantErr(err, want)
		}
		refused(pipeproc.ErrInvalidProc)
		o := procOn("t")
		l.ensure(o)
		refused(pipeproc.ErrNothingToReclaim)
		l.claim(o)
		l.ack("p")
		refused(pipeproc.ErrNothingToReclaim)
		l.claim(o)
		l.disable("p")
		refused(pipeproc.ErrProcDisabled)
		l.resume("p")
		l.reclaim("p")
		refused(pipeproc.ErrNothingToReclaim)
		if i := l.info("p"); i.Reclaims != 1 {
			l.t.Errorf("%d reclaims", i.Reclaims)
		}
	}},
	{name: "disables at the limit", run: func(l *lab) {
		l.commit("t", "0")
		for _, limit := range []int{1, 2, 5} {
			o := pipeproc.ProcOptions{Name: fmt.Sprint("p", limit), Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: limit}}
			for i := range limit {
				l.want(o, "0")
				l.reclaim(o.Name)
				if p := l.info(o.Name); p.Reclaims != i+1 || p.Disabled != (i+1 == limit) {
					l.t.Errorf("limit %d, reclaim %d: %+v", limit, i+1, p)
				}
			}
			_, err := l.Claim(l.ctx, o)
			l.wantErr(err, pipeproc.ErrProcDisabled, fmt.Sprint(limit))
			l.resume(o.Name)
			if c := l.want(o, "0"); c.Attempt != 1 {
				l.t.Errorf("attempt %d after a resume", c.Attempt)
			}
		}
	}},
	{name: "without a limit", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: -1}}
		for i := range 15 {
			if c := l.want(o, "0"); c.Attempt != i+1 {
				l.t.Errorf("attempt %d, want %d", c.Attempt, i+1)
			}
			l.reclaim("p")
		}
		if i := l.info("p"); i.Reclaims != 15 || i.Disabled {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "continue counts on without effect", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyContinue}}
		for i := range 3 {
			l.want(o, "0")
			l.reclaim("p")
			if p := l.info("p"); p.Reclaims != i+1 || p.Disabled {
				l.t.Errorf("%+v", p)
			}
		}
	}},
	{name: "counts are forgotten on ack, ackCommit and resume only", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 5}}
		count := func(want int) {
			l.t.Helper()
			if i := l.info("p"); i.Reclaims != want {
				l.t.Errorf("%d reclaims, want %d", i.Reclaims, want)
			}
		}
		l.claim(o)
		l.reclaim("p")
		l.claim(o)
		count(1)
		l.ack("p")
		count(0)
		l.claim(o)
		l.reclaim("p")
		l.claim(o)
		l.ackCommit("p", "out", "x")
		count(0)
		l.claim(o)
		l.reclaim("p")
		l.disable("p")
		count(1)
		l.resume("p")
		count(0)
	}},
	{name: "of a first claim keeps the offset", run: func(l *lab) {
		ids := l.offsetTopic()
		offsets := []string{">", ":1", ids[1].String(), fmt.Sprint(ids[3].Millis), "$>"}
		for i, offset := range offsets {
			l.ensure(pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: "t", Offset: offset})
		}
		l.commit("t", "6")
		for i := range offsets {
			o := pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: "t"}
			first := l.claim(o)
			l.reclaim(o.Name)
			if again := l.claim(o); again.Range != first.Range || first.Empty() {
				l.t.Errorf("%v came again as %v", first.Range, again.Range)
			}
		}
	}},
	{name: "then another count", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		l.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 3}, "0", "1", "2")
		l.reclaim("p")
		l.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 1}, "0")
		l.ack("p")
		l.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 9}, "1", "2")
	}},
	{name: "backoff keeps the records back", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: time.Hour, MaxReclaims: -1}}
		before := time.Now()
		l.want(o, "0")
		l.reclaim("p")
		l.want(o)
		if i := l.info("p"); i.RetryAt.UnixMilli() < before.Add(time.Hour-time.Minute).UnixMilli() || i.RetryAt.UnixMilli() > time.Now().Add(time.Hour+time.Minute).UnixMilli() {
			l.t.Errorf("retry at %v", i.RetryAt)
		}
		l.commit("t", "2") // does not cut it short
		l.want(o)
	}},
	{name: "backoff ends by itself, and wakes", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: short}}
		l.want(o, "0")
		l.reclaim("p")
		l.ok(l.WaitForWork(l.ctx, "p"))
		if c := l.want(o, "0"); c.Attempt != 2 {
			l.t.Errorf("attempt %d", c.Attempt)
		}
	}},
	{name: "backoff doubles", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: short, MaxBackoff: time.Hour, MaxReclaims: -1}}
		l.ensure(o)
		last := time.Duration(0)
		for range 4 { // a slow machine sees longer waits, never shorter ones
			l.ok(l.WaitForWork(l.ctx, "p"))
			l.want(o, "0")
			before := time.Now().Truncate(time.Millisecond)
			l.reclaim("p")
			wait := l.info("p").RetryAt.Sub(before)
			if wait < max(2*last, short) {
				l.t.Errorf("%v, after %v", wait, last)
			}
			last = max(2*last, short)
		}
	}},
	{name: "backoff ends with a resume and with a seek", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: time.Hour}}
		l.want(o, "0")
		l.reclaim("p")
		l.disable("p")
		l.resume("p")
		l.want(o, "0")
		l.reclaim("p")
		l.want(o)
		l.seek("p", ">")
		l.want(o, "0")
	}},
}
