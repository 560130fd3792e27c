package conformance

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc"
)

// options of procs that many tests use: claims that never time out.
func procOn(topic string) pipeproc.ProcOptions {
	return pipeproc.ProcOptions{Name: "p", Topic: topic, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}
}

var procTests = []test{
	{name: "an empty claim tells nothing of another one", run: func(l *lab) {
		l.commit("secret", "0")
		l.create("t")
		o := pipeproc.ProcOptions{Name: "of-secret", Topic: "secret"}
		for range 8 { // so that memory they share is reused
			c, err := l.Claim(l.ctx, o)
			l.ok(err)
			_, err = l.Reclaim(l.ctx, o.Name, c.Token, "")
			l.ok(err)
			c, err = l.Claim(l.ctx, pipeproc.ProcOptions{Name: "of-t", Topic: "t"})
			l.ok(err)
			if c.Topic != "" || c.Timeout != 0 || c.Attempt != 0 || c.Token != (pipeproc.Token{}) || !c.Empty() {
				l.t.Fatalf("%+v", c)
			}
		}
	}},
	{name: "the first call makes it and claims", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := procOn("t")
		l.want(o, "0")
		if list := l.procs(); len(list) != 1 || list[0].Name != "p" || list[0].Topic != "t" || list[0].CreatedAt.IsZero() || list[0].LastClaimedAt.Before(list[0].CreatedAt) {
			l.t.Errorf("%+v", list)
		}
		l.ack("p")
		l.want(o, "1")
		if i := l.info("p"); i.LastAckedAt.Before(i.CreatedAt) || i.LastAckedAt.IsZero() {
			l.t.Errorf("%+v", i)
		}
		if list := l.procs(); len(list) != 1 {
			l.t.Errorf("%q", namesOf(list))
		}
	}},
	{name: "defaults", run: func(l *lab) {
		i := l.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		if i.Offset != ">" || i.Retry.MaxReclaims != 10 || i.Retry.ReclaimTimeout != 10*time.Second || i.Retry.OnMaxReclaims != pipeproc.StrategyDisable ||
			i.Retry.Backoff != 0 || i.Retry.DeadLetterTopic != "" || i.Ephemeral || i.System != "" || i.Status() != "active" || i.Disabled {
			l.t.Errorf("%+v", i)
		}
		i = l.ensure(pipeproc.ProcOptions{Name: "d", Topic: "t", Retry: pipeproc.RetryPolicy{OnMaxReclaims: pipeproc.StrategyDeadLetter, Backoff: time.Second}})
		if i.Retry.DeadLetterTopic != "t__dead" || i.Retry.MaxBackoff != time.Minute {
			l.t.Errorf("%+v", i)
		}
		i = l.ensure(pipeproc.ProcOptions{Name: "b", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: time.Hour}})
		if i.Retry.MaxBackoff != time.Hour {
			l.t.Errorf("a first backoff above the default of the longest: %v", i.Retry.MaxBackoff)
		}
	}},
	{name: "all options are kept", run: func(l *lab) {
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Offset: "1700000000000-7", Retry: pipeproc.RetryPolicy{MaxReclaims: 3, ReclaimTimeout: 1500 * time.Millisecond, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "d", Backoff: 10 * time.Millisecond, MaxBackoff: time.Hour}, Ephemeral: true}
		i := l.ensure(o)
		if i != l.info("p") || i.Offset != o.Offset || i.Retry.MaxReclaims != 3 || i.Retry.ReclaimTimeout != o.Retry.ReclaimTimeout || i.Retry.OnMaxReclaims != pipeproc.StrategyDeadLetter ||
			i.Retry.DeadLetterTopic != "d" || i.Retry.Backoff != o.Retry.Backoff || i.Retry.MaxBackoff != o.Retry.MaxBackoff || !i.Ephemeral {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "limits that are none", run: func(l *lab) {
		i := l.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: -1, ReclaimTimeout: -1}})
		if i.Retry.MaxReclaims != -1 || i.Retry.ReclaimTimeout >= 0 {
			l.t.Errorf("%+v", i)
		}
		l.commit("t", "0")
		if c := l.claim(pipeproc.ProcOptions{Name: "p", Topic: "t"}); c.Timeout >= 0 {
			l.t.Errorf("timeout %v", c.Timeout)
		}
	}},
	{name: "ensure claims nothing", run: func(l *lab) {
		l.commit("t", "0")
		for range 2 {
			if i := l.ensure(procOn("t")); !i.LastClaimedAt.IsZero() || i.Claim != (pipeproc.Token{}) || i.Pending != 1 {
				l.t.Errorf("%+v", i)
			}
		}
	}},
	{name: "an existing one keeps its options but the count", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		l.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 3, ReclaimTimeout: time.Minute}})
		l.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Offset: ":2", Count: 2, Retry: pipeproc.RetryPolicy{MaxReclaims: 7, ReclaimTimeout: time.Hour, OnMaxReclaims: pipeproc.StrategyDeadLetter, Backoff: time.Hour}, Ephemeral: true}, "0", "1")
		i := l.info("p")
		if i.Offset != ">" || i.Retry.MaxReclaims != 3 || i.Retry.ReclaimTimeout != time.Minute || i.Retry.OnMaxReclaims != pipeproc.StrategyDisable || i.Retry.Backoff != 0 || i.Ephemeral {
			l.t.Errorf("%+v", i)
		}
		l.ack("p")
		// An offset is used only when a proc is created.
		l.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Offset: "nonsense"}, "2")
	}},
	{name: "on a topic that does not exist", run: func(l *lab) {
		o := procOn("t")
		l.want(o)
		if i := l.info("p"); i.Pending != 0 || !i.LastClaimedAt.IsZero() {
			l.t.Errorf("%+v", i)
		}
		_, err := l.Length(l.ctx, "t")
		l.wantErr(err, pipeproc.ErrInvalidTopic)
		l.commit("t", "0")
		l.want(o, "0")
	}},
	{name: "wakes when its topic appears", run: func(l *lab) {
		l.want(procOn("t"))
		r := l.start(func() error { return l.WaitForWork(l.ctx, "p") })
		l.create("t")
		r.pending("without records")
		l.commit("t", "0")
		l.ok(r.wait())
		l.want(procOn("t"), "0")
	}},
	{name: "names are of one topic", run: func(l *lab) {
		l.commit("t", "0")
		l.commit("u", "0")
		l.claim(procOn("t"))
		_, err := l.Claim(l.ctx, procOn("u"))
		l.wantErr(err, pipeproc.ErrProcNameNotUnique, `"t"`, `"u"`)
		_, err = l.EnsureProc(l.ctx, procOn("nowhere"))
		l.wantErr(err, pipeproc.ErrProcNameNotUnique)
		_, err = l.ClaimAny(l.ctx, procOn("u"))
		l.wantErr(err, pipeproc.ErrProcNameNotUnique)
	}},
	{name: "names of all kinds", run: func(l *lab) {
		l.commit("t", "0")
		names := []string{"a#b", "#", "~~system~~#proc#t#x#status", "a b", "größe", "日本", "a/b", "..", `"`, "<&>", "\u2028", strings.Repeat("n", 255)}
		for _, name := range names {
			if name == "\u2028" { // no space that can be printed
				_, err := l.EnsureProc(l.ctx, pipeproc.ProcOptions{Name: name, Topic: "t"})
				l.wantErr(err, pipeproc.ErrInvalidProcOptions)
				continue
			}
			l.want(pipeproc.ProcOptions{Name: name, Topic: "t"}, "0")
			if i := l.info(name); i.Name != name {
				l.t.Errorf("%q became %q", name, i.Name)
			}
			l.ack(name)
		}
		if list := l.procs(); len(list) != len(names)-1 {
			l.t.Errorf("%q", namesOf(list))
		}
	}},
	{name: "do not hinder each other", run: func(l *lab) {
		l.commit("t", "0", "1")
		a, b := pipeproc.ProcOptions{Name: "a", Topic: "t"}, pipeproc.ProcOptions{Name: "b", Topic: "t"}
		l.want(a, "0")
		l.want(b, "0")
		l.ack("a")
		l.want(a, "1")
		l.want(b)
		l.ack("b")
		l.want(b, "1")
	}},
	{name: "a context that has ended does nothing", run: func(l *lab) {
		l.commit("t", "0")
		o := procOn("t")
		if _, err := l.Claim(ended(), o); !errors.Is(err, context.Canceled) {
			l.t.Error("a proc was made", err)
		}
		_, err := l.InspectProc(l.ctx, "p")
		l.wantErr(err, pipeproc.ErrInvalidProc)
		c := l.claim(o)
		if _, err := l.Ack(ended(), "p", c.Token); !errors.Is(err, context.Canceled) {
			l.t.Error("an ack went through", err)
		}
		if _, _, err := l.AckCommit(ended(), "p", c.Token, recordsOf("out", "x")...); !errors.Is(err, context.Canceled) {
			l.t.Error("an ack went through", err)
		}
		if _, err := l.Reclaim(ended(), "p", c.Token, ""); !errors.Is(err, context.Canceled) {
			l.t.Error("a reclaim went through", err)
		}
		if _, err := l.DestroyProc(ended(), "p"); err == nil {
			l.t.Error("it is destroyed")
		}
		if i := l.info("p"); i.Claim != c.Token || i.Reclaims != 0 {
			l.t.Errorf("%+v", i)
		}
		l.wantTopic("out")
	}},
	{name: "made by many at once", run: func(l *lab) {
		l.commit("t", "0")
		const callers = 6
		claims := make(chan int, callers)
		var all []*result
		for range callers {
			all = append(all, l.start(func() error {
				c, err := l.Claim(l.ctx, procOn("t"))
				claims <- len(c.Records)
				return err
			}))
		}
		total := 0
		for _, r := range all {
			l.ok(r.wait())
			total += <-claims
		}
		if total != 1 {
			l.t.Errorf("%d claims of one record", total)
		}
	}},
	{name: "ephemeral ones work like others", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := procOn("t")
		o.Ephemeral = true
		l.want(o, "0")
		l.ack("p")
		l.want(o, "1")
		if i := l.info("p"); !i.Ephemeral || i.Next != 1 {
			l.t.Errorf("%+v", i)
		}
		l.destroy("p")
	}},
}

// century is longer than the longest allowed duration.
const century = 101 * 365 * 24 * time.Hour

var procOptionTests = []test{
	{name: "options that cannot be are named", run: func(l *lab) {
		for _, c := range []struct {
			option string
			o      pipeproc.ProcOptions
		}{
			{"Name", pipeproc.ProcOptions{Name: "", Topic: "t"}},
			{"Name", pipeproc.ProcOptions{Name: "a\nb", Topic: "t"}},
			{"Name", pipeproc.ProcOptions{Name: "\xff", Topic: "t"}},
			{"Name", pipeproc.ProcOptions{Name: strings.Repeat("n", 256), Topic: "t"}},
			{"MaxReclaims", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: -2}}},
			{"MaxReclaims", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: -1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}},
			{"OnMaxReclaims", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{OnMaxReclaims: 9}}},
			{"DeadLetterTopic", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{DeadLetterTopic: "d"}}},
			{"DeadLetterTopic", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{DeadLetterTopic: "d/", OnMaxReclaims: pipeproc.StrategyDeadLetter}}},
			{"DeadLetterTopic", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{DeadLetterTopic: "t", OnMaxReclaims: pipeproc.StrategyDeadLetter}}},
			{"DeadLetterTopic", pipeproc.ProcOptions{Name: "p", Topic: strings.Repeat("t", 250), Retry: pipeproc.RetryPolicy{OnMaxReclaims: pipeproc.StrategyDeadLetter}}},
			{"Backoff", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: -1}}},
			{"MaxBackoff", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxBackoff: -1}}},
			{"ReclaimTimeout", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: century}}},
			{"Backoff", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: century}}},
			{"MaxBackoff", pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: 1, MaxBackoff: century}}},
		} {
			_, err := l.Claim(l.ctx, c.o)
			l.wantErr(err, pipeproc.ErrInvalidProcOptions, ": "+c.option+": ")
			_, err = l.EnsureProc(l.ctx, c.o)
			l.wantErr(err, pipeproc.ErrInvalidProcOptions, ": "+c.option+": ")
			_, err = l.ClaimAny(l.ctx, c.o)
			l.wantErr(err, pipeproc.ErrInvalidProcOptions, ": "+c.option+": ")
		}
		if list := l.procs(); len(list) > 0 {
			l.t.Errorf("made all the same: %q", namesOf(list))
		}
	}},
	{name: "options of an existing one are looked at, too", run: func(l *lab) {
		l.commit("t", "0")
		l.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		bad := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: -2}}
		_, err := l.Claim(l.ctx, bad)
		l.wantErr(err, pipeproc.ErrInvalidProcOptions, "MaxReclaims")
		_, err = l.EnsureProc(l.ctx, bad)
		l.wantErr(err, pipeproc.ErrInvalidProcOptions, "MaxReclaims")
		_, err = l.ClaimAny(l.ctx, bad)
		l.wantErr(err, pipeproc.ErrInvalidProcOptions, "MaxReclaims")
		if i := l.info("p"); !i.LastClaimedAt.IsZero() {
			l.t.Errorf("claimed: %+v", i)
		}
	}},
	{name: "topics that cannot be", run: func(l *lab) {
		for _, topic := range []string{"", "a b", "t/", strings.Repeat("t", 256)} {
			_, err := l.Claim(l.ctx, pipeproc.ProcOptions{Name: "p", Topic: topic})
			l.wantErr(err, pipeproc.ErrInvalidTopicFormat)
		}
		if list := l.procs(); len(list) > 0 {
			l.t.Errorf("made all the same: %q", namesOf(list))
		}
	}},
}
