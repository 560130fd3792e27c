package behaviour_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// A system proc that was destroyed is gone for good: no worker brings it
// back and processes its topic again, also after a restart.
func TestSystemProcDestroyedForGood(t *testing.T) {
	var c calls
	reopenings(t, pipeproc.Options{Processors: map[string]pipeproc.Processor{"s": c.note}}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}})
		n.commit("t", "0")
		n.settled()
		if i := n.destroy("s"); i.Name != "s" || i.System != "s" {
			t.Errorf("%+v", i)
		}
		c.take()
		for range 3 {
			n.commit("t", "1")
			pass(time.Hour)
			if got := c.take(); len(got) != 0 {
				t.Errorf("it runs: %q", got)
			}
			if list, err := n.Procs(t.Context()); err != nil || len(list) != 0 {
				t.Error(namesOf(list), err)
			}
			if list, err := n.SystemProcs(t.Context()); err != nil || len(list) != 0 {
				t.Error(list, err)
			}
			n = reopen()
		}
		n.ok(n.WaitForProcs(t.Context()))
		// Made again, with another definition, it starts over.
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 9})
		n.settled()
		if got := c.take(); !slices.Equal(got, []string{"0 1 1 1"}) {
			t.Errorf("%q", got)
		}
	})
}

// Of several topics the others go on; with the last one the definition goes.
func TestSystemProcDestroyedTopicByTopic(t *testing.T) {
	var c calls
	reopenings(t, pipeproc.Options{Processors: map[string]pipeproc.Processor{"s": c.note}}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b", "c"}})
		n.destroy("s__b")
		n = reopen()
		if s, err := n.SystemProcs(t.Context()); err != nil || len(s) != 1 || !slices.Equal(s[0].From, []string{"a", "c"}) || !slices.Equal(s[0].Procs, []string{"s__a", "s__c"}) {
			t.Errorf("%+v, %v", s, err)
		}
		n.commit("a", "a")
		n.commit("b", "b")
		n.settled()
		if got := c.take(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("%q", got)
		}
		n.destroy("s__a")
		n.destroy("s__c")
		n = reopen()
		if s, err := n.SystemProcs(t.Context()); err != nil || len(s) != 0 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// Destroyed under its processor: what that emitted is dropped.
func TestSystemProcDestroyedWhileItRuns(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		free := make(chan struct{})
		runs := 0
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Processor: func(_ context.Context, w *pipeproc.Work) error {
			runs++
			w.Emit(nil)
			<-free
			return nil
		}})
		n.commit("t", "0", "1")
		pass(0)
		n.destroy("s")
		close(free)
		pass(time.Hour)
		n.wantTopic("u")
		if runs != 1 {
			t.Errorf("%d runs", runs)
		}
		if list, err := n.Procs(t.Context()); err != nil || len(list) != 0 {
			t.Error(namesOf(list), err)
		}
	})
}

// Destroyed and made again under its processor: the old claim does not reach
// the new proc.
func TestSystemProcMadeAgainWhileItRuns(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		free := make(chan struct{})
		runs := 0
		o := pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Processor: func(_ context.Context, w *pipeproc.Work) error {
			runs++
			first := runs == 1
			w.Emit(w.Records()[0].Body)
			if first {
				<-free
			}
			return nil
		}}
		n.system(o)
		n.commit("t", "0", "1")
		pass(0)
		n.destroy("s")
		n.system(o)
		close(free)
		n.settled()
		n.wantTopic("u", "0", "1")
	})
}

// Its topic is deleted under the processor: what that emitted is dropped, and
// the proc goes on with the topic that comes after it.
func TestSystemProcTopicDeletedWhileItRuns(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		free := make(chan struct{})
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Processor: func(_ context.Context, w *pipeproc.Work) error {
			w.Emit(w.Records()[0].Body)
			<-free
			return nil
		}})
		n.commit("t", "old")
		pass(0)
		n.ok(n.DeleteTopic(t.Context(), "t"))
		n.commit("t", "new")
		close(free)
		n.settled()
		n.wantTopic("u", "new")
	})
}
