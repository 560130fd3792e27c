package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

// waitsFor runs WaitForProcs.
func (l *lab) waitsFor(names ...string) *result {
	return l.start(func() error { return l.WaitForProcs(l.ctx, names...) })
}

// woken is a test of an event that completes a proc while a caller waits for
// it.
func woken(name string, do func(l *lab)) test {
	return test{name: "for procs, woken by " + name, run: func(l *lab) {
		timeout := time.Duration(-1)
		if name == "timeout" {
			timeout = short
		}
		l.commit("t", "0")
		l.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter, ReclaimTimeout: timeout}})
		wait := l.waitsFor()
		if timeout < 0 {
			l.commit("other", "x")
			wait.pending("there is a claim")
		}
		do(l)
		l.ok(wait.wait())
	}}
}

var waitTests = []test{
	{name: "for procs that have nothing to do", run: func(l *lab) {
		l.settled()
		l.settled("nobody")
		l.ensure(pipeproc.ProcOptions{Name: "no topic", Topic: "nowhere"})
		l.settled()
		l.create("empty")
		l.ensure(pipeproc.ProcOptions{Name: "empty", Topic: "empty"})
		l.settled()
		l.commit("t", "0", "1")
		l.ensure(pipeproc.ProcOptions{Name: "$", Topic: "t", Offset: "$>"})
		l.settled()
		l.want(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, "0")
		l.disable("disabled")
		l.settled()
		l.ensure(pipeproc.ProcOptions{Name: "behind", Topic: "t"})
		l.settled("$", "empty", "no topic", "disabled", "nobody", "$")
		l.ok(l.Prune(l.ctx, "t", 2))
		l.settled()
	}},
	{name: "for procs until all is acknowledged", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := procOn("t")
		l.ensure(o)
		named, all := l.waitsFor("p"), l.waitsFor()
		waits := func(what string) {
			l.t.Helper()
			l.commit("other", "x")
			named.pending(what)
			all.pending(what)
		}
		waits("never claimed")
		l.want(o, "0")
		waits("claimed")
		l.ack("p")
		waits("half of it acknowledged")
		l.want(o, "1")
		waits("all of it claimed")
		l.reclaim("p")
		waits("given back")
		l.want(o, "1")
		l.ack("p")
		l.ok(named.wait())
		l.ok(all.wait())
	}},
	woken("ack", func(l *lab) { l.ack("p") }),
	woken("ackCommit", func(l *lab) { l.ackCommit("p", "out", "x") }),
	woken("disable", func(l *lab) { l.disable("p") }),
	woken("destroy", func(l *lab) { l.destroy("p") }),
	woken("seek", func(l *lab) { l.seek("p", "$>") }),
	woken("deletion of the topic", func(l *lab) { l.ok(l.DeleteTopic(l.ctx, "t")) }),
	woken("dead letter", func(l *lab) { l.reclaim("p") }),
	woken("timeout", func(*lab) {}),
	{name: "for procs, woken by a prune", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.ensure(procOn("t"))
		wait := l.waitsFor()
		l.commit("other", "x")
		wait.pending("there is work")
		l.ok(l.Prune(l.ctx, "t", 2))
		l.ok(wait.wait())
		if i := l.info("p"); i.Pending != 0 {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "for procs ends with its context", run: func(l *lab) {
		l.commit("t", "0")
		l.ensure(procOn("t"))
		if err := l.WaitForProcs(ended()); !errors.Is(err, context.Canceled) {
			l.t.Error(err)
		}
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(l.ctx)
		wait := l.start(func() error { return l.WaitForProcs(ctx) })
		l.commit("other", "x")
		wait.pending("there is work")
		cancel(enough)
		if err := wait.wait(); !errors.Is(err, enough) {
			l.t.Error(err)
		}
		ctx, stop := context.WithTimeout(l.ctx, short)
		defer stop()
		if err := l.WaitForProcs(ctx); !errors.Is(err, context.DeadlineExceeded) {
			l.t.Error(err)
		}
	}},
	{name: "for procs ends with the store", run: func(l *lab) {
		l.commit("t", "0")
		l.ensure(procOn("t"))
		wait := l.waitsFor()
		l.commit("other", "x")
		wait.pending("there is work")
		l.shut()
		l.wantErr(wait.wait(), pipeproc.ErrClosed)
	}},
	{name: "for all procs at one moment", run: func(l *lab) {
		// A record circulates between two topics: some proc always has it.
		l.commit("a", "x")
		a, b := pipeproc.ProcOptions{Name: "a", Topic: "a", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}, pipeproc.ProcOptions{Name: "b", Topic: "b", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}
		l.ensure(a)
		l.ensure(b)
		ctx, cancel := context.WithCancel(l.ctx)
		defer cancel()
		var all []*result
		for range 3 {
			all = append(all, l.start(func() error { return l.WaitForProcs(ctx) }))
		}
		for i := range 60 {
			from, to := a, "b"
			if i%2 == 1 {
				from, to = b, "a"
			}
			if c := l.claim(from); c.Empty() {
				l.t.Fatal("the record is lost")
			}
			l.ackCommit(from.Name, to, "x")
		}
		cancel()
		for _, r := range all {
			if err := r.wait(); !errors.Is(err, context.Canceled) {
				l.t.Errorf("it saw a moment at which nobody had the record: %v", err)
			}
		}
	}},
	{name: "for procs beside commits", run: func(l *lab) {
		for p := range 2 {
			l.system(pipeproc.SystemProcOptions{Name: fmt.Sprint("p", p), From: []string{"t"}, Count: 7, Processor: nop})
		}
		var all []*result
		for range 2 {
			all = append(all, l.start(func() error {
				for range 10 {
					ids, err := l.Commit(l.ctx, recordsOf("t", "x")...)
					if err == nil {
						err = l.WaitForProcs(l.ctx)
					}
					if err != nil {
						return err
					}
					for p := range 2 {
						if i, err := l.InspectProc(l.ctx, fmt.Sprint("p", p)); err != nil || i.Next <= ids[0].Seq {
							return fmt.Errorf("%d is not acknowledged: %+v, %w", ids[0].Seq, i, err)
						}
					}
				}
				return nil
			}))
		}
		for _, r := range all {
			l.ok(r.wait())
		}
	}},
}

// works runs WaitForWork for p.
func (l *lab) works() *result { return l.start(func() error { return l.WaitForWork(l.ctx, "p") }) }

// waking is a test of an event that wakes callers waiting for work.
func waking(name, reason string, before, do func(l *lab)) test {
	return test{name: "for work, woken by " + name, run: func(l *lab) {
		l.ensure(procOn("t"))
		before(l)
		r := l.works()
		l.commit("other", "x")
		r.pending(reason)
		do(l)
		l.ok(r.wait())
		l.ok(l.works().wait())
		if c := l.claim(procOn("t")); c.Empty() {
			l.t.Error("there is nothing")
		}
	}}
}

var workTests = []test{
	waking("commit", "no topic", func(*lab) {}, func(l *lab) { l.commit("t", "0") }),
	waking("commit to a topic that is all seen", "all seen", func(l *lab) { l.commit("t", "0"); l.claimAck(procOn("t"), 1) }, func(l *lab) { l.commit("t", "1") }),
	waking("ackCommit", "no topic", func(l *lab) {
		l.commit("in", "0")
		l.claim(pipeproc.ProcOptions{Name: "q", Topic: "in", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}})
	}, func(l *lab) { l.ackCommit("q", "t", "x") }),
	waking("reclaim", "an open claim", func(l *lab) { l.commit("t", "0", "1"); l.claim(procOn("t")) }, func(l *lab) { l.reclaim("p") }),
	waking("ack", "an open claim", func(l *lab) { l.commit("t", "0", "1"); l.claim(procOn("t")) }, func(l *lab) { l.ack("p") }),
	waking("resume", "disabled", func(l *lab) { l.commit("t", "0"); l.disable("p") }, func(l *lab) { l.resume("p") }),
	waking("seek", "all seen", func(l *lab) { l.commit("t", "0"); l.claimAck(procOn("t"), 1) }, func(l *lab) { l.seek("p", ">") }),
	{name: "for work that is there", run: func(l *lab) {
		l.commit("t", "0")
		l.ensure(procOn("t"))
		for range 3 {
			l.ok(l.WaitForWork(l.ctx, "p"))
		}
	}},
	{name: "for work ends with its context", run: func(l *lab) {
		l.ensure(procOn("t"))
		if err := l.WaitForWork(ended(), "p"); !errors.Is(err, context.Canceled) {
			l.t.Error(err)
		}
		ctx, stop := context.WithTimeout(l.ctx, short)
		defer stop()
		if err := l.WaitForWork(ctx, "p"); !errors.Is(err, context.DeadlineExceeded) {
			l.t.Error(err)
		}
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(l.ctx)
		r := l.start(func() error { return l.WaitForWork(ctx, "p") })
		l.commit("other", "x")
		cancel(enough)
		if err := r.wait(); !errors.Is(err, enough) {
			l.t.Error(err)
		}
	}},
	{name: "for work ends with the proc", run: func(l *lab) {
		l.ensure(procOn("t"))
		r := l.works()
		l.commit("other", "x")
		r.pending("there is no work")
		l.destroy("p")
		l.wantErr(r.wait(), pipeproc.ErrInvalidProc)
	}},
	{name: "for work ends with the store", run: func(l *lab) {
		l.ensure(procOn("t"))
		r := l.works()
		l.commit("other", "x")
		r.pending("there is no work")
		l.shut()
		l.wantErr(r.wait(), pipeproc.ErrClosed)
	}},
	{name: "for work, many of them", run: func(l *lab) {
		o := procOn("t")
		l.ensure(o)
		const records, waiters = 40, 4
		ctx, cancel := context.WithCancel(l.ctx)
		defer cancel()
		seen := make(chan uint64, records)
		var all []*result
		for range waiters {
			all = append(all, l.start(func() error {
				for l.WaitForWork(ctx, "p") == nil {
					c, err := l.Claim(ctx, o)
					if err != nil || c.Empty() {
						continue
					}
					if _, err := l.Ack(l.ctx, "p", c.Token); err != nil {
						return err
					}
					seen <- c.Records[0].ID.Seq
				}
				return nil
			}))
		}
		got := map[uint64]bool{}
		for range records {
			l.commit("t", "x")
			got[<-seen] = true
		}
		if len(got) != records {
			l.t.Errorf("%d different records of %d", len(got), records)
		}
		cancel()
		for _, r := range all {
			l.ok(r.wait())
		}
	}},
}
