package behaviour_test

import (
	"context"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// A proc is told, once, how much an explicit prune took from it.
func TestSkippedAfterPrune(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1", "2", "3", "4", "5")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		n.want(o, "0")
		n.ack("p")
		n.ok(n.Prune(t.Context(), "t", 4))
		if i := n.info("p"); i.Pending != 2 || i.Skipped != 0 {
			t.Errorf("before the claim: %+v", i)
		}
		n = reopen()
		if c := n.want(o, "4"); c.Skipped != 3 {
			t.Errorf("skipped %d, want 3", c.Skipped)
		}
		n = reopen()
		if i := n.info("p"); i.Skipped != 3 || i.Next != 4 {
			t.Errorf("%+v", i)
		}
		n.reclaim("p")
		if c := n.want(o, "4"); c.Skipped != 0 || c.Attempt != 2 {
			t.Errorf("told again: %+v", c)
		}
		n.ack("p")
		if c := n.want(o, "5"); c.Skipped != 0 {
			t.Errorf("told again: %+v", c)
		}
		if i := n.info("p"); i.Skipped != 3 {
			t.Errorf("%+v", i)
		}
	})
}

// A forced retention tells the proc as well, and says which procs it passed.
func TestSkippedAfterForcedRetention(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.each("t", "0", "1", "2", "3")
		n.ensure(pipeproc.ProcOptions{Name: "behind", Topic: "t"})
		n.ensure(pipeproc.ProcOptions{Name: "at the end", Topic: "t", Offset: "$>"})
		n.ok(n.SetRetention(t.Context(), "t", pipeproc.Retention{MaxAge: 2 * time.Second, Force: true}))
		pass(time.Second)
		pruned, err := n.GC(t.Context(), pipeproc.GCOptions{})
		n.ok(err)
		if len(pruned) != 1 || pruned[0].First != 0 || pruned[0].Next != 2 || len(pruned[0].Passed) != 1 || pruned[0].Passed[0] != "behind" {
			t.Errorf("%+v", pruned)
		}
		if c := n.want(pipeproc.ProcOptions{Name: "behind", Topic: "t"}, "2"); c.Skipped != 2 {
			t.Errorf("skipped %d", c.Skipped)
		}
		n.commit("t", "4")
		if c := n.want(pipeproc.ProcOptions{Name: "at the end", Topic: "t"}, "4"); c.Skipped != 0 {
			t.Errorf("skipped %d", c.Skipped)
		}
	})
}

// The processor of a system proc is told, too.
func TestSkippedInProcessor(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2", "3")
		n.ok(n.Prune(t.Context(), "t", 0))
		_, err := n.DefineSystemProc(t.Context(), pipeproc.SystemProcOptions{Name: "p", From: []string{"t"}})
		n.ok(err)
		n.ok(n.Prune(t.Context(), "t", 2))
		told := make(chan uint64, 9)
		n.ok(n.Register("p", func(_ context.Context, w *pipeproc.Work) error { told <- w.Skipped(); return nil }))
		n.ok(n.WaitForProcs(t.Context()))
		if a, b := <-told, <-told; a != 2 || b != 0 {
			t.Errorf("told %d and %d", a, b)
		}
	})
}

// A gap that an import left is not skipped.
func TestSkippedNotByGaps(t *testing.T) {
	n := newLab(t, nil)
	n.ensure(pipeproc.ProcOptions{Name: "early", Topic: "t"})
	recs := func(yield func(pipeproc.Record, error) bool) {
		for _, seq := range []uint64{5, 6, 9} {
			if !yield(pipeproc.Record{ID: pipeproc.ID{Millis: 1000, Seq: seq}, Body: []byte{byte('0' + seq)}}, nil) {
				return
			}
		}
	}
	_, err := n.Import(t.Context(), "t", recs, nil)
	n.ok(err)
	for _, name := range []string{"early", "late"} {
		o := pipeproc.ProcOptions{Name: name, Topic: "t", Count: 2}
		c := n.want(o, "5", "6")
		n.ack(name)
		d := n.want(o, "9")
		if c.Skipped != 0 || d.Skipped != 0 || c.Range.Count != 2 {
			t.Errorf("%s: skipped %d and %d, range of %d", name, c.Skipped, d.Skipped, c.Range.Count)
		}
		n.ack(name)
		if i := n.info(name); i.Pending != 0 || i.Skipped != 0 {
			t.Errorf("%+v", i)
		}
	}
}
