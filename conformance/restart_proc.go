package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc"
)

var restartProcTests = []test{
	{name: "procs in all states stay", run: func(l *lab) {
		for i := range 6 {
			l.commit("t", fmt.Sprint(i))
		}
		o := func(name string) pipeproc.ProcOptions {
			return pipeproc.ProcOptions{Name: name, Topic: "t", Count: 2, Retry: pipeproc.RetryPolicy{MaxReclaims: 7, ReclaimTimeout: time.Hour, Backoff: time.Hour}}
		}
		l.ensure(o("new"))
		l.claim(o("claimed"))
		l.claimAck(o("acked"), 1)
		l.claimAck(o("claimed again"), 1)
		l.claim(o("claimed again"))
		l.claim(o("given back"))
		l.reclaim("given back")
		l.claim(o("disabled"))
		l.disable("disabled")
		l.claim(o("destroyed"))
		l.destroy("destroyed")
		l.ensure(pipeproc.ProcOptions{Name: "$", Topic: "t", Offset: "$>", Retry: pipeproc.RetryPolicy{MaxReclaims: -1, ReclaimTimeout: -1, OnMaxReclaims: pipeproc.StrategyContinue}})
		l.ensure(pipeproc.ProcOptions{Name: "dead", Topic: "t", Offset: ":2", Retry: pipeproc.RetryPolicy{OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "d"}})
		l.ensure(pipeproc.ProcOptions{Name: "later", Topic: "nowhere", Offset: "2000000000000-7"})
		l.ok(l.Prune(l.ctx, "t", 1))
		l.claim(o("skipped"))
		before := l.procs()
		for range 2 {
			l.restart()
			if after := l.procs(); !slices.Equal(after, before) {
				for i := range before {
					if i >= len(after) || after[i] != before[i] {
						l.t.Errorf("%+v\nbecame %+v", before[i], after[min(i, len(after)-1)])
					}
				}
			}
		}
		// And they work.
		l.want(o("new"), "1", "2")
		l.want(o("claimed"))
		l.want(o("acked"), "2", "3")
		l.want(o("claimed again"))
		l.want(o("given back"))
		l.want(o("$"))
		l.want(o("dead"), "3", "4")
	}},
	{name: "names of all kinds stay", run: func(l *lab) {
		names := []string{"a#b", "#", "~~system~~#proc#t#x#status", "a b", "größe", "日本", "a/b", "..", strings.Repeat("n", 255)}
		l.commit("t", "0", "1")
		for _, name := range names {
			l.claimAck(pipeproc.ProcOptions{Name: name, Topic: "t"}, 1)
		}
		l.restart()
		for _, name := range names {
			l.want(pipeproc.ProcOptions{Name: name, Topic: "t"}, "1")
		}
	}},
	{name: "claims and their tokens stay", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := procOn("t")
		first := l.want(o, "0")
		l.reclaim("p")
		second := l.want(o, "0")
		l.restart()
		l.stale("p", first.Token)
		l.want(o)
		_, err := l.Ack(l.ctx, "p", second.Token)
		l.ok(err)
		third := l.want(o, "1")
		if third.Token == first.Token || third.Token == second.Token {
			l.t.Errorf("token %v was there before", third.Token)
		}
		l.stale("p", second.Token)
		l.restart()
		l.stale("p", second.Token)
		l.reclaim("p")
		l.restart()
		l.stale("p", third.Token)
		l.want(o, "1")
	}},
	{name: "a timeout goes on", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: short, MaxReclaims: -1}}
		l.want(o, "0")
		l.restart()
		l.timedOut("p", 1)
		l.want(o, "0")
	}},
	{name: "a backoff goes on", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: time.Hour}}
		l.want(o, "0")
		l.reclaim("p")
		before := l.info("p")
		l.restart()
		l.want(o)
		if after := l.info("p"); after != before {
			l.t.Errorf("%+v became %+v", before, after)
		}
	}},
	{name: "acknowledgement and records stay together", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		o := procOn("t")
		for i := range 3 {
			c := l.claim(o)
			l.ackCommit("p", "out", string(c.Records[0].Body))
			l.restart()
			if p := l.info("p"); p.Next != uint64(i+1) || p.LastAcked != c.Range {
				l.t.Errorf("%+v", p)
			}
		}
		l.wantTopic("out", "0", "1", "2")
		l.want(o)
	}},
	{name: "dead letters stay in one place", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 2, ReclaimTimeout: -1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
		l.want(o, "0")
		l.reclaim("p")
		l.restart()
		l.wantTopic("t__dead")
		l.want(o, "0")
		l.restart()
		l.reclaim("p")
		l.restart()
		l.wantTopic("t__dead", "0")
		l.want(o, "1")
	}},
	{name: "what was skipped is told once", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3", "4", "5")
		o := procOn("t")
		l.claimAck(o, 1)
		l.ok(l.Prune(l.ctx, "t", 4))
		l.restart()
		l.skip(o, 3, "4")
		l.restart()
		if i := l.info("p"); i.Skipped != 3 || i.Next != 4 {
			l.t.Errorf("%+v", i)
		}
		l.reclaim("p")
		l.skip(o, 0, "4")
	}},
	{name: "a deleted topic's procs stay reset", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.claimAck(procOn("t"), 1)
		l.ok(l.DeleteTopic(l.ctx, "t"))
		l.restart()
		if i := l.info("p"); i.Next != 0 || i.Pending != 0 {
			l.t.Errorf("%+v", i)
		}
		l.commit("t", "new")
		l.restart()
		l.want(procOn("t"), "new")
	}},
	{name: "a seek stays", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		l.ensure(procOn("t"))
		l.disable("p")
		l.seek("p", ":0")
		l.restart()
		_, err := l.Claim(l.ctx, procOn("t"))
		l.wantErr(err, pipeproc.ErrProcDisabled)
		l.resume("p")
		l.want(procOn("t"), "1")
	}},
	{name: "destroyed procs stay away", run: func(l *lab) {
		l.commit("t", "0", "1")
		for _, name := range []string{"a", "ab", "b", "c"} {
			l.claimAck(pipeproc.ProcOptions{Name: name, Topic: "t"}, 1)
		}
		l.destroy("a")
		l.restart()
		if names := namesOf(l.procs()); !slices.Equal(names, []string{"ab", "b", "c"}) {
			l.t.Errorf("%q", names)
		}
		l.want(pipeproc.ProcOptions{Name: "a", Topic: "t"}, "0")
	}},
	{name: "ephemeral procs go", run: func(l *lab) {
		l.commit("t", "0")
		l.want(pipeproc.ProcOptions{Name: "e", Topic: "t", Ephemeral: true}, "0")
		l.want(procOn("t"), "0")
		l.wantNext(l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst}), "0")
		l.restart()
		_, err := l.InspectProc(l.ctx, "e")
		l.wantErr(err, pipeproc.ErrInvalidProc)
		if names := namesOf(l.procs()); !slices.Equal(names, []string{"p"}) {
			l.t.Errorf("%q", names)
		}
		l.want(pipeproc.ProcOptions{Name: "e", Topic: "t", Ephemeral: true}, "0")
	}},
	{name: "a live proc with a name goes on", run: func(l *lab) {
		o := pipeproc.LiveOptions{Name: "mine", Topic: "t"}
		p := l.live(o)
		l.commit("t", "0", "1")
		l.wantNext(p, "0")
		_, err := p.Ack(l.ctx)
		l.ok(err)
		l.restart()
		l.wantNext(l.live(o), "1")
	}},
}
