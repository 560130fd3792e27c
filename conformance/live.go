package conformance

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc"
)

// live makes a LiveProc.
func (l *lab) live(o pipeproc.LiveOptions) *pipeproc.LiveProc {
	l.t.Helper()
	p, err := l.OpenLiveProc(l.ctx, o)
	l.ok(err)
	return p
}

// nextClaim waits for the next claim of a LiveProc.
func nextClaim(ctx context.Context, p *pipeproc.LiveProc) (pipeproc.Claim, error) {
	for c, err := range p.Claims(ctx) {
		return c, err
	}
	return pipeproc.Claim{}, pipeproc.ErrClosed // it was cancelled
}

// eachClaim calls fn for each claim, or error, until fn returns an error or the loop
// ends. For a context that ended it returns the cause, for a cancelled live proc
// nil.
func eachClaim(ctx context.Context, p *pipeproc.LiveProc, fn func(*pipeproc.LiveProc, pipeproc.Claim, error) error) error {
	for c, err := range p.Claims(ctx) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := fn(p, c, err); err != nil {
			return err
		}
	}
	return nil
}

// wantNext takes the next claim of a LiveProc and checks its bodies.
func (l *lab) wantNext(p *pipeproc.LiveProc, bodies ...string) pipeproc.Claim {
	l.t.Helper()
	c, err := nextClaim(l.ctx, p)
	l.ok(err)
	l.wantBodies(c, bodies...)
	return c
}

// next takes the next claim in a goroutine and returns its bodies in r.
func (l *lab) next(p *pipeproc.LiveProc, body string) *result {
	return l.start(func() error {
		c, err := nextClaim(l.ctx, p)
		if err == nil && (len(c.Records) == 0 || string(c.Records[0].Body) != body) {
			l.t.Errorf("claimed %q, want %q", bodiesOf(c.Records), body)
		}
		return err
	})
}

var liveTests = []test{
	{name: "modes", run: func(l *lab) {
		l.commit("t", "old")
		live := l.live(pipeproc.LiveOptions{Topic: "t"})
		all := l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst, Count: 9})
		at := l.live(pipeproc.LiveOptions{Topic: "t", Offset: ":0", Count: 9})
		l.commit("t", "0", "1") // before anybody asked for anything
		l.wantNext(live, "0")
		l.wantNext(all, "old", "0", "1")
		l.wantNext(at, "0", "1")
		_, err := live.Ack(l.ctx)
		l.ok(err)
		l.wantNext(live, "1")
	}},
	{name: "a topic that does not exist yet", run: func(l *lab) {
		var all []*result
		for _, offset := range []string{pipeproc.OffsetNew, pipeproc.OffsetFirst} {
			all = append(all, l.next(l.live(pipeproc.LiveOptions{Topic: "t", Offset: offset}), "0"))
		}
		l.commit("other", "x")
		for _, r := range all {
			r.pending("there is no topic")
		}
		l.commit("t", "0")
		for _, r := range all {
			l.ok(r.wait())
		}
	}},
	{name: "its proc", run: func(l *lab) {
		a, b := l.live(pipeproc.LiveOptions{Topic: "t"}), l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst})
		if a.Name() == b.Name() || !strings.HasPrefix(a.Name(), "liveproc-") {
			l.t.Errorf("%s, %s", a.Name(), b.Name())
		}
		i, err := a.Inspect(l.ctx)
		l.ok(err)
		if i.Name != a.Name() || i.Topic != "t" || i.Offset != "$>" || i.Retry.OnMaxReclaims != pipeproc.StrategyContinue || !i.Ephemeral || i.Retry.ReclaimTimeout != 10*time.Second || i.Retry.MaxReclaims != 10 {
			l.t.Errorf("%+v", i)
		}
		if i, err := b.Inspect(l.ctx); err != nil || i.Offset != ">" {
			l.t.Errorf("%+v, %v", i, err)
		}
		i, err = l.live(pipeproc.LiveOptions{Name: "mine", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 3, ReclaimTimeout: time.Minute, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "d", Backoff: time.Second, MaxBackoff: time.Hour}}).Inspect(l.ctx)
		l.ok(err)
		if i.Name != "mine" || i.Ephemeral || i.Retry.MaxReclaims != 3 || i.Retry.ReclaimTimeout != time.Minute || i.Retry.DeadLetterTopic != "d" || i.Retry.Backoff != time.Second || i.Retry.MaxBackoff != time.Hour {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "refused", run: func(l *lab) {
		l.live(pipeproc.LiveOptions{Name: "mine", Topic: "t"})
		_, err := l.OpenLiveProc(l.ctx, pipeproc.LiveOptions{Name: "mine", Topic: "u"})
		l.wantErr(err, pipeproc.ErrProcNameNotUnique)
		_, err = l.OpenLiveProc(l.ctx, pipeproc.LiveOptions{Topic: "u v"})
		l.wantErr(err, pipeproc.ErrInvalidTopicFormat)
		_, err = l.OpenLiveProc(l.ctx, pipeproc.LiveOptions{Topic: "t", Offset: "x"})
		l.wantErr(err, pipeproc.ErrInvalidRangeOffset)
		if n := len(l.procs()); n != 1 {
			l.t.Errorf("%d procs", n)
		}
	}},
	{name: "ack and reclaim speak of the latest claim", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		p := l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}})
		_, err := p.Ack(l.ctx)
		l.wantErr(err, pipeproc.ErrInvalidAck)
		c := l.wantNext(p, "0")
		_, err = p.Reclaim(l.ctx, "not now")
		l.ok(err)
		again := l.wantNext(p, "0")
		if again.Attempt != 2 || again.Token == c.Token {
			l.t.Errorf("%+v", again)
		}
		r, err := p.Ack(l.ctx)
		if err != nil || r != again.Range {
			l.t.Error(r, err)
		}
		_, err = p.Ack(l.ctx)
		l.wantErr(err, pipeproc.ErrClaimLost)
		l.wantNext(p, "1")
		r, ids, err := p.AckCommit(l.ctx, recordsOf("out", "x")...)
		if err != nil || len(ids) != 1 || r.First.Seq != 1 {
			l.t.Error(r, ids, err)
		}
		l.wantTopic("out", "x")
		l.wantNext(p, "2")
		l.reclaim(p.Name()) // another client may have it by now
		_, err = p.Ack(l.ctx)
		l.wantErr(err, pipeproc.ErrClaimLost)
		_, _, err = p.AckCommit(l.ctx, recordsOf("out", "y")...)
		l.wantErr(err, pipeproc.ErrClaimLost)
		_, err = p.Reclaim(l.ctx, "")
		l.wantErr(err, pipeproc.ErrClaimLost)
		l.wantTopic("out", "x")
		l.wantNext(p, "2")
	}},
	{name: "waits for the acknowledgement", run: func(l *lab) {
		l.commit("t", "0", "1")
		p := l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}})
		l.wantNext(p, "0")
		next := l.next(p, "1")
		l.commit("t", "2")
		next.pending("a second claim")
		_, err := p.Ack(l.ctx)
		l.ok(err)
		l.ok(next.wait())
	}},
	{name: "the timeout frees it", run: func(l *lab) {
		l.commit("t", "0")
		p := l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst, Retry: pipeproc.RetryPolicy{ReclaimTimeout: short}})
		l.wantNext(p, "0")
		if c := l.wantNext(p, "0"); c.Attempt < 2 {
			l.t.Errorf("%+v", c)
		}
	}},
	{name: "disable and resume", run: func(l *lab) {
		p := l.live(pipeproc.LiveOptions{Topic: "t"})
		i, err := p.Disable(l.ctx)
		if err != nil || !i.Disabled {
			l.t.Errorf("%+v, %v", i, err)
		}
		l.commit("t", "0")
		next := l.next(p, "0")
		l.commit("t", "1")
		next.pending("delivered while disabled")
		i, err = p.Resume(l.ctx)
		if err != nil || i.Disabled {
			l.t.Errorf("%+v, %v", i, err)
		}
		l.ok(next.wait())
	}},
	{name: "Next ends with its context", run: func(l *lab) {
		p := l.live(pipeproc.LiveOptions{Topic: "t"})
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(l.ctx)
		next := l.start(func() error { _, err := nextClaim(ctx, p); return err })
		l.commit("other", "x")
		next.pending("there is nothing")
		cancel(enough)
		if err := next.wait(); !errors.Is(err, enough) {
			l.t.Error(err)
		}
		l.commit("t", "0")
		l.wantNext(p, "0")
	}},
	{name: "Next ends with the LiveProc", run: func(l *lab) {
		p := l.live(pipeproc.LiveOptions{Topic: "t"})
		next := l.start(func() error { _, err := nextClaim(l.ctx, p); return err })
		l.commit("other", "x")
		next.pending("there is nothing")
		l.ok(p.Cancel(l.ctx))
		l.wantErr(next.wait(), pipeproc.ErrClosed)
		_, err := nextClaim(l.ctx, p)
		l.wantErr(err, pipeproc.ErrClosed)
	}},
	{name: "Next ends with the store", run: func(l *lab) {
		p := l.live(pipeproc.LiveOptions{Topic: "t"})
		next := l.start(func() error { _, err := nextClaim(l.ctx, p); return err })
		l.commit("other", "x")
		next.pending("there is nothing")
		l.shut()
		l.wantErr(next.wait(), pipeproc.ErrClosed)
	}},
	{name: "Cancel removes the proc", run: func(l *lab) {
		l.commit("t", "0")
		p := l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}})
		l.wantNext(p, "0")
		wait := l.start(func() error { return l.WaitForProcs(l.ctx) })
		l.commit("other", "x")
		wait.pending("it has a claim")
		l.ok(p.Cancel(l.ctx))
		l.ok(p.Cancel(l.ctx))
		l.ok(wait.wait())
		_, err := l.InspectProc(l.ctx, p.Name())
		l.wantErr(err, pipeproc.ErrInvalidProc)
		_, err = p.Ack(l.ctx)
		l.wantErr(err, pipeproc.ErrInvalidProc)
	}},
	{name: "Cancel can be repeated after an error", run: func(l *lab) {
		p := l.live(pipeproc.LiveOptions{Topic: "t"})
		_ = p.Cancel(ended())
		l.ok(p.Cancel(l.ctx))
		_, err := l.InspectProc(l.ctx, p.Name())
		l.wantErr(err, pipeproc.ErrInvalidProc)
	}},
	{name: "one with a name stays", run: func(l *lab) {
		o := pipeproc.LiveOptions{Name: "mine", Topic: "t"}
		p := l.live(o)
		l.commit("t", "0", "1")
		l.wantNext(p, "0")
		_, err := p.Ack(l.ctx)
		l.ok(err)
		l.ok(p.Cancel(l.ctx))
		p = l.live(o)
		l.wantNext(p, "1")
		_, err = p.Ack(l.ctx)
		l.ok(err)
		if i := l.info("mine"); i.Next != 2 || i.Ephemeral {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "many at once", run: func(l *lab) {
		var all []*result
		for range 5 {
			p := l.live(pipeproc.LiveOptions{Topic: "t", Count: 3})
			all = append(all, l.start(func() error {
				for next := uint64(0); next < 30; {
					c, err := nextClaim(l.ctx, p)
					if err != nil {
						return err
					}
					if c.Range.First.Seq != next {
						l.t.Errorf("%v, want %d", c.Range, next)
					}
					next = c.Range.Last.Seq + 1
					if _, err := p.Ack(l.ctx); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		for range 30 {
			l.commit("t", "x")
		}
		for _, r := range all {
			l.ok(r.wait())
		}
	}},
}
