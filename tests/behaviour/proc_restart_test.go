package behaviour_test

import (
	"slices"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// node/restoreState #1: whatever state a proc is in, it is the same after a
// reopening, whether the node was closed or killed, and after a checkpoint.
func TestStateSurvivesReopen(t *testing.T) {
	for _, checkpoint := range []bool{false, true} {
		reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
			n.each("t", "0", "1", "2", "3", "4", "5")
			o := func(name string) pipeproc.ProcOptions {
				return pipeproc.ProcOptions{Name: name, Topic: "t", Count: 2, Retry: pipeproc.RetryPolicy{MaxReclaims: 7, ReclaimTimeout: time.Hour, Backoff: time.Minute}}
			}
			n.ensure(o("new"))
			n.claim(o("claimed"))
			n.claim(o("acked"))
			n.ack("acked")
			n.claim(o("claimed again"))
			n.ack("claimed again")
			n.claim(o("claimed again"))
			n.claim(o("given back"))
			n.reclaim("given back")
			n.claim(o("disabled"))
			n.disable("disabled")
			n.claim(o("destroyed"))
			n.destroy("destroyed")
			n.ensure(pipeproc.ProcOptions{Name: "$", Topic: "t", Offset: "$>", Retry: pipeproc.RetryPolicy{MaxReclaims: -1, ReclaimTimeout: -1, OnMaxReclaims: pipeproc.StrategyContinue}})
			n.ensure(pipeproc.ProcOptions{Name: "dead", Topic: "t", Offset: ":2", Retry: pipeproc.RetryPolicy{OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "d"}})
			n.ensure(pipeproc.ProcOptions{Name: "later", Topic: "nowhere", Offset: "2000000000000-7"})
			n.ok(n.Prune(t.Context(), "t", 1))
			n.claim(o("skipped"))
			n.claim(pipeproc.ProcOptions{Name: "new skipped", Topic: "t"})
			_, err := n.DefineSystemProc(t.Context(), pipeproc.SystemProcOptions{Name: "sys", From: []string{"t", "u"}, To: []string{"x", "y"}, Count: 5, Lanes: 3})
			n.ok(err)
			before, err := n.Procs(t.Context())
			n.ok(err)
			systems, err := n.SystemProcs(t.Context())
			n.ok(err)
			if checkpoint {
				n.ok(n.Checkpoint(t.Context()))
			}
			for range 2 {
				n = reopen()
				after, err := n.Procs(t.Context())
				n.ok(err)
				if !slices.Equal(after, before) {
					for i := range before {
						if i >= len(after) || after[i] != before[i] {
							t.Errorf("%+v\nbecame %+v", before[i], after[min(i, len(after)-1)])
						}
					}
				}
				again, err := n.SystemProcs(t.Context())
				n.ok(err)
				if len(again) != 1 || !slices.Equal(again[0].From, systems[0].From) || !slices.Equal(again[0].To, systems[0].To) ||
					again[0].Count != 5 || again[0].Lanes != 3 || again[0].CreatedAt != systems[0].CreatedAt {
					t.Errorf("%+v became %+v", systems, again)
				}
			}
			// And they work.
			n.want(o("new"), "1", "2")
			n.want(o("claimed"))
			n.want(o("acked"), "2", "3")
			n.want(o("claimed again"))
			n.want(o("given back"))
			n.want(o("$"))
			n.want(o("dead"), "3", "4")
		})
	}
}

// node/restoreState #2: a node in memory begins with nothing.
func TestMemoryBeginsEmpty(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
	n.shut()
	n = newLab(t, nil)
	if list, err := n.Procs(t.Context()); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
}

// An ephemeral proc dies with its node, the others stay.
func TestEphemeralDiesWithTheNode(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0")
		n.want(pipeproc.ProcOptions{Name: "e", Topic: "t", Ephemeral: true}, "0")
		n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "0")
		if i := n.info("e"); !i.Ephemeral {
			t.Errorf("%+v", i)
		}
		n = reopen()
		_, err := n.InspectProc(t.Context(), "e")
		wantCode(t, err, "invalid_proc")
		n.info("p")
		n = reopen()
		if list, err := n.Procs(t.Context()); err != nil || len(list) != 1 {
			t.Error(list, err)
		}
		n.want(pipeproc.ProcOptions{Name: "e", Topic: "t"}, "0")
	})
}

// A node that is opened read-only shows procs and changes none.
func TestReadOnlyProcs(t *testing.T) {
	dir := t.TempDir()
	n, err := pipeproc.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{n, t}
	l.commit("t", "0", "1")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	l.claim(o)
	before := l.info("p")
	l.shut()
	n, err = pipeproc.Open(dir, &pipeproc.Options{ReadOnly: true, Processors: map[string]pipeproc.Processor{"x": nop}})
	if err != nil {
		t.Fatal(err)
	}
	l = &lab{n, t}
	defer l.shut()
	if after := l.info("p"); after != before {
		t.Errorf("%+v became %+v", before, after)
	}
	_, err = n.Ack(t.Context(), "p", before.Claim)
	wantCode(t, err, "read_only")
	_, err = n.EnsureProc(t.Context(), pipeproc.ProcOptions{Name: "q", Topic: "t"})
	wantCode(t, err, "read_only")
	_, err = n.DestroyProc(t.Context(), "p")
	wantCode(t, err, "read_only")
}
