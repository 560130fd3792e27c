package conformance

import (
	"time"

	"github.com/pipeproc/pipeproc"
)

// skip claims and checks how many sequences the claim reports as skipped.
func (l *lab) skip(o pipeproc.ProcOptions, skipped uint64, bodies ...string) {
	l.t.Helper()
	if c := l.want(o, bodies...); c.Skipped != skipped {
		l.t.Errorf("skipped %d, want %d", c.Skipped, skipped)
	}
}

var skippedTests = []test{
	{name: "skipped by a prune, told once", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3", "4", "5")
		o := procOn("t")
		l.claimAck(o, 1)
		l.ok(l.Prune(l.ctx, "t", 4))
		if i := l.info("p"); i.Pending != 2 || i.Skipped != 0 {
			l.t.Errorf("before the claim: %+v", i)
		}
		l.skip(o, 3, "4")
		if i := l.info("p"); i.Skipped != 3 || i.Next != 4 {
			l.t.Errorf("%+v", i)
		}
		l.reclaim("p")
		l.skip(o, 0, "4")
		l.ack("p")
		l.skip(o, 0, "5")
		if i := l.info("p"); i.Skipped != 3 {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "skipped adds up", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3", "4", "5")
		o := procOn("t")
		l.ensure(o)
		l.ok(l.Prune(l.ctx, "t", 1))
		l.ok(l.Prune(l.ctx, "t", 2))
		l.skip(o, 2, "2")
		l.ack("p")
		l.ok(l.Prune(l.ctx, "t", 5))
		l.skip(o, 2, "5")
		if i := l.info("p"); i.Skipped != 4 {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "skipped under a claim", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		o := procOn("t")
		o.Count = 2
		c := l.want(o, "0", "1")
		l.ok(l.Prune(l.ctx, "t", 3))
		if r, err := l.Ack(l.ctx, "p", c.Token); err != nil || r != c.Range {
			l.t.Errorf("%v, %v", r, err)
		}
		l.skip(o, 1, "3")
	}},
	{name: "skipped after a reclaim", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		o := procOn("t")
		o.Count = 2
		l.want(o, "0", "1")
		l.ok(l.Prune(l.ctx, "t", 1))
		l.reclaim("p")
		l.skip(o, 1, "1", "2")
	}},
	{name: "skipped all", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		o := procOn("t")
		l.ensure(o)
		l.ok(l.Prune(l.ctx, "t", 3))
		l.want(o)
		if i := l.info("p"); i.Pending != 0 {
			l.t.Errorf("%+v", i)
		}
		l.commit("t", "3")
		l.skip(o, 3, "3")
	}},
}

var deletedTopicTests = []test{
	{name: "a deleted topic resets its procs", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		l.commit("tt", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 5, Backoff: time.Hour}}
		l.claimAck(o, 1)
		l.want(o, "1")
		l.reclaim("p")
		claimed := l.want(pipeproc.ProcOptions{Name: "claimed", Topic: "t", Count: 2}, "0", "1")
		l.want(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, "0")
		l.disable("disabled")
		l.claimAck(pipeproc.ProcOptions{Name: "other", Topic: "tt"}, 1)
		l.ok(l.DeleteTopic(l.ctx, "t"))
		i := l.info("p")
		if i.Next != 0 || i.Pending != 0 || i.Reclaims != 0 || !i.RetryAt.IsZero() || !i.LastClaimed.Empty() || !i.PreviousClaimed.Empty() || i.Retry.MaxReclaims != 5 {
			l.t.Errorf("%+v", i)
		}
		l.stale("claimed", claimed.Token)
		l.want(o)
		if i := l.info("disabled"); !i.Disabled || i.Claim != (pipeproc.Token{}) {
			l.t.Errorf("%+v", i)
		}
		if i := l.info("other"); i.Next != 1 {
			l.t.Errorf("a proc of another topic: %+v", i)
		}
	}},
	{name: "a topic made again is another one", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		offsets := []string{">", "$>", ":1", "3000000000000"}
		for _, offset := range offsets {
			l.ensure(pipeproc.ProcOptions{Name: offset, Topic: "t", Offset: offset})
		}
		l.disable(":1")
		l.ok(l.DeleteTopic(l.ctx, "t"))
		work := l.start(func() error { return l.WaitForWork(l.ctx, ">") })
		l.commit("t", "new")
		l.ok(work.wait())
		_, err := l.Claim(l.ctx, pipeproc.ProcOptions{Name: ":1", Topic: "t"})
		l.wantErr(err, pipeproc.ErrProcDisabled)
		l.resume(":1")
		for _, offset := range offsets {
			l.skip(pipeproc.ProcOptions{Name: offset, Topic: "t"}, 0, "new")
		}
	}},
}
