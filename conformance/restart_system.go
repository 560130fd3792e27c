package conformance

import (
	"context"
	"slices"
	"strings"

	"github.com/pipeproc/pipeproc"
)

var restartSystemTests = []test{
	{name: "definitions stay", run: func(l *lab) {
		o := pipeproc.SystemProcOptions{Name: "s", From: []string{"t", "u"}, To: []string{"x", "y"}, ProcessorName: "fn", Count: 5, Lanes: 3}
		first := l.system(o)
		before := l.systems()[0]
		l.restart()
		s := l.systems()
		if len(s) != 1 || !slices.Equal(s[0].From, before.From) || !slices.Equal(s[0].To, before.To) || s[0].Processor != "fn" || s[0].Count != 5 || s[0].Lanes != 3 || s[0].CreatedAt != before.CreatedAt || s[0].Running {
			l.t.Errorf("%+v became %+v", before, s)
		}
		if again := l.system(o); !slices.Equal(again, first) {
			l.t.Errorf("%+v became %+v", first, again)
		}
		o.Count = 6
		_, err := l.DefineSystemProc(l.ctx, o)
		l.wantErr(err, pipeproc.ErrProcDiffers)
	}},
	{name: "goes on where it was when it is registered", run: func(l *lab) {
		var c calls
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 3, Processor: c.note})
		l.commit("t", "0", "1", "2", "3")
		l.settled()
		l.restart()
		l.commit("t", "4", "5", "6", "7")
		if i := l.info("s"); !strings.Contains(i.Waiting, `"s"`) || i.Pending != 4 {
			l.t.Errorf("%+v", i)
		}
		wait := l.waitsFor()
		l.ok(l.Register("other", c.note))
		wait.pending("another processor does not count")
		l.ok(l.Register("s", c.note))
		l.ok(wait.wait())
		if got := c.take(); !slices.Equal(got, []string{"0 1 2", "3", "4 5 6", "7"}) {
			l.t.Errorf("%q", got)
		}
	}},
	{name: "goes on where it was when it is defined again", run: func(l *lab) {
		var c calls
		o := pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: c.note}
		l.system(o)
		l.commit("t", "0")
		l.settled()
		l.restart()
		l.commit("t", "1")
		l.system(o)
		l.settled()
		if got := c.take(); !slices.Equal(got, []string{"0", "1"}) {
			l.t.Errorf("%q", got)
		}
	}},
	{name: "all output topics stay", run: func(l *lab) {
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"x", "y", "z"}, Processor: through})
		l.commit("t", "0")
		l.settled()
		l.restart()
		l.ok(l.Register("s", through))
		l.commit("t", "1")
		l.settled()
		for _, topic := range []string{"x", "y", "z"} {
			l.wantTopic(topic, "0", "1")
		}
	}},
	{name: "a destroyed one stays away", run: func(l *lab) {
		var c calls
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, Processor: c.note})
		l.destroy("s__b")
		l.restart()
		if s := l.systems(); len(s) != 1 || !slices.Equal(s[0].From, []string{"a"}) {
			l.t.Errorf("%+v", s)
		}
		l.destroy("s__a")
		l.restart()
		l.ok(l.Register("s", c.note))
		l.commit("a", "x")
		l.settled()
		if got := c.take(); len(got) != 0 || len(l.systems()) != 0 || len(l.procs()) != 0 {
			l.t.Errorf("%q, %+v", got, l.systems())
		}
	}},
	{name: "a processor that succeeds at the close is acknowledged", run: func(l *lab) { l.atClose(true) }},
	{name: "a processor that fails at the close gives back uncounted", run: func(l *lab) { l.atClose(false) }},
	{name: "Each stops between records at the close", run: func(l *lab) {
		var c calls
		running := make(chan struct{}, 9)
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 3, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}, Processor: pipeproc.Each(func(ctx context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
			_ = c.note(ctx, w)
			running <- struct{}{}
			<-ctx.Done()
			return nil
		})})
		l.commit("t", "0", "1", "2")
		<-running
		before := len(c.take())
		l.restart()
		if more := c.take(); before != 1 || len(more) != 0 {
			l.t.Errorf("%d records, then %q", before, more)
		}
		l.eventually("it is given back", func() bool { return l.info("s").Claim == pipeproc.Token{} })
		l.seek("s", ">")
		c.take()
	}},
}

// atClose closes the store under a processor.
func (l *lab) atClose(succeeds bool) {
	l.t.Helper()
	running := make(chan struct{}, 9)
	l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}, Processor: func(ctx context.Context, w *pipeproc.Work) error {
		w.Emit(w.Records()[0].Body)
		running <- struct{}{}
		<-ctx.Done()
		if succeeds {
			return nil
		}
		return context.Cause(ctx)
	}})
	l.commit("t", "0", "1")
	<-running
	l.restart()
	i := l.info("s")
	if i.Claim != (pipeproc.Token{}) || i.Reclaims != 0 || !i.RetryAt.IsZero() {
		l.t.Errorf("the claim is open or counted: %+v", i)
	}
	o := pipeproc.ProcOptions{Name: "s", Topic: "t"}
	if succeeds {
		l.wantTopic("u", "0")
		l.want(o, "1")
	} else {
		l.wantTopic("u")
		l.want(o, "0")
	}
}
