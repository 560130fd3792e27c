package conformance

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/pipeproc/pipeproc"
)

// held is a processor that waits to be freed the first time it runs, and emits.
type held struct {
	runs          atomic.Int64
	running, free chan struct{}
}

func newHeld() *held { return &held{running: make(chan struct{}), free: make(chan struct{})} }

func (h *held) run(_ context.Context, w *pipeproc.Work) error {
	w.Emit(append([]byte(nil), w.Records()[0].Body...))
	if h.runs.Add(1) == 1 {
		close(h.running)
		<-h.free
	}
	return nil
}

// other runs another system proc over a record. Afterwards the effects of what
// was under way are visible.
func (l *lab) other() {
	l.t.Helper()
	l.system(pipeproc.SystemProcOptions{Name: "other", From: []string{"otherin"}, Processor: nop})
	l.commit("otherin", "x")
	l.settled("other")
}

var destroyTests = []test{
	{name: "destroyed for good", run: func(l *lab) {
		var c calls
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: c.note})
		l.commit("t", "0")
		l.settled()
		if i := l.destroy("s"); i.Name != "s" || i.System != "s" {
			l.t.Errorf("%+v", i)
		}
		c.take()
		l.commit("t", "1")
		if len(l.systems()) != 0 {
			l.t.Errorf("%+v", l.systems())
		}
		l.other()
		if got := c.take(); len(got) != 0 {
			l.t.Errorf("it runs: %q", got)
		}
		if names := namesOf(l.procs()); !slices.Equal(names, []string{"other"}) {
			l.t.Errorf("%q", names)
		}
		// Created again with another definition, it starts from scratch.
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 9, Processor: c.note})
		l.settled()
		if got := c.take(); !slices.Equal(got, []string{"0 1"}) {
			l.t.Errorf("%q", got)
		}
	}},
	{name: "destroyed topic by topic", run: func(l *lab) {
		var c calls
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b", "c"}, Processor: c.note})
		l.destroy("s__b")
		if s := l.systems(); len(s) != 1 || !slices.Equal(s[0].From, []string{"a", "c"}) || !slices.Equal(s[0].Procs, []string{"s__a", "s__c"}) {
			l.t.Errorf("%+v", s)
		}
		l.commit("a", "a")
		l.commit("b", "b")
		l.settled()
		if got := c.take(); !slices.Equal(got, []string{"a"}) {
			l.t.Errorf("%q", got)
		}
		l.destroy("s__a")
		l.destroy("s__c")
		if s := l.systems(); len(s) != 0 {
			l.t.Errorf("%+v", s)
		}
	}},
	{name: "destroyed while it runs", run: func(l *lab) {
		h := newHeld()
		l.runS(h.run)
		l.commit("t", "0", "1")
		<-h.running
		l.destroy("s")
		close(h.free)
		l.other()
		l.wantTopic("u")
		if h.runs.Load() != 1 {
			l.t.Errorf("%d runs", h.runs.Load())
		}
		if names := namesOf(l.procs()); !slices.Equal(names, []string{"other"}) {
			l.t.Errorf("%q", names)
		}
	}},
	{name: "destroyed and made again while it runs", run: func(l *lab) {
		h := newHeld()
		l.runS(h.run)
		l.commit("t", "0", "1")
		<-h.running
		l.destroy("s")
		l.runS(h.run)
		close(h.free)
		l.settled()
		l.wantTopic("u", "0", "1")
	}},
	{name: "its topic is deleted while it runs", run: func(l *lab) {
		h := newHeld()
		l.runS(h.run)
		l.commit("t", "old")
		<-h.running
		l.ok(l.DeleteTopic(l.ctx, "t"))
		l.commit("t", "new")
		close(h.free)
		l.settled()
		l.wantTopic("u", "new")
	}},
	{name: "sought while it runs", run: func(l *lab) {
		h := newHeld()
		l.runS(h.run)
		l.commit("t", "0", "1", "2")
		<-h.running
		l.seek("s", ":1")
		close(h.free)
		l.settled()
		l.wantTopic("u", "2")
	}},
	{name: "a processor destroys its own proc", run: func(l *lab) {
		var runs atomic.Int64
		l.runS(func(ctx context.Context, w *pipeproc.Work) error {
			runs.Add(1)
			w.Emit(nil)
			_, err := l.DestroyProc(ctx, w.Proc())
			return err
		})
		l.commit("t", "0", "1")
		l.eventually("it is gone", func() bool { return len(l.procs()) == 0 })
		l.other()
		l.wantTopic("u")
		if runs.Load() != 1 {
			l.t.Errorf("%d runs", runs.Load())
		}
	}},
}
