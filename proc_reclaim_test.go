package pipeproc_test

import (
	"fmt"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// The records come again, counted. client/proc #6; node/reclaimProc #2
func TestReclaimGivesTheRecordsAgain(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1", "2")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2}
	c := n.want(o, "0", "1")
	n.reclaim("p")
	if i := n.info("p"); i.Reclaims != 1 || i.Disabled || i.Claim != (pipeproc.Token{}) || i.RetryAt != 0 {
		t.Errorf("%+v", i)
	}
	again := n.want(o, "0", "1")
	if again.Attempt != 2 || again.Token == c.Token || again.Range != c.Range {
		t.Errorf("%+v after %+v", again, c)
	}
	n.ack("p")
	n.want(o, "2")
}

// It returns the range claimed before: "" for the first claim, the previous one
// later. client/proc #6, #7; node/reclaimProc #1
func TestReclaimReturnsTheRangeBefore(t *testing.T) {
	n := newLab(t, nil)
	ids := n.commit("t", "0", "1")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	n.claim(o)
	if r := n.reclaim("p"); !r.Empty() || r.String() != "" {
		t.Errorf("after a first claim: %v", r)
	}
	n.claim(o)
	n.ack("p")
	n.want(o, "1")
	if r := n.reclaim("p"); r.First != ids[0] || r.Last != ids[0] {
		t.Errorf("%v, want %v", r, ids[0])
	}
}

// node/reclaimProc #5, #6, #7, and its order of checks.
func TestReclaimRefused(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1")
	refused := func(code string) {
		t.Helper()
		_, err := n.Reclaim(t.Context(), "p", pipeproc.Token{}, "")
		wantCode(t, err, code)
	}
	refused("invalid_proc")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	n.ensure(o)
	refused("nothing_to_reclaim")
	n.claim(o)
	n.ack("p")
	refused("nothing_to_reclaim")
	n.claim(o)
	n.disable("p")
	refused("proc_is_disabled")
	n.resume("p")
	n.reclaim("p")
	refused("nothing_to_reclaim")
	if i := n.info("p"); i.Reclaims != 1 {
		t.Errorf("%d reclaims", i.Reclaims)
	}
}

// The N-th reclaim of maxReclaims = N succeeds and disables.
// node/reclaimProc #3
func TestReclaimDisablesAtTheLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 5} {
		n := newLab(t, nil)
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: limit}
		for i := range limit {
			n.want(o, "0")
			n.reclaim("p")
			if p := n.info("p"); p.Reclaims != i+1 || p.Disabled != (i+1 == limit) {
				t.Errorf("limit %d, reclaim %d: %+v", limit, i+1, p)
			}
		}
		_, err := n.Proc(t.Context(), o)
		wantCode(t, err, "proc_is_disabled", fmt.Sprint(limit))
		n.resume("p")
		if c := n.want(o, "0"); c.Attempt != 1 {
			t.Errorf("attempt %d after a resume", c.Attempt)
		}
	}
}

// With -1 there is no limit.
func TestReclaimWithoutLimit(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: -1}
	for i := range 50 {
		if c := n.want(o, "0"); c.Attempt != i+1 {
			t.Errorf("attempt %d, want %d", c.Attempt, i+1)
		}
		n.reclaim("p")
	}
	if i := n.info("p"); i.Reclaims != 50 || i.Disabled {
		t.Errorf("%+v", i)
	}
}

// "continue" counts on without effect. node/reclaimProc #4
func TestReclaimContinues(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: 1, OnMaxReclaims: pipeproc.Continue}
	for i := range 3 {
		n.want(o, "0")
		n.reclaim("p")
		if p := n.info("p"); p.Reclaims != i+1 || p.Disabled {
			t.Errorf("%+v", p)
		}
	}
}

// Reclaims are forgotten on ack, ackCommit and resume only.
// node/reclaimProc #8, #9
func TestReclaimsAreForgotten(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1", "2")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: 5}
	count := func(want int) {
		t.Helper()
		if i := n.info("p"); i.Reclaims != want {
			t.Errorf("%d reclaims, want %d", i.Reclaims, want)
		}
	}
	n.claim(o)
	n.reclaim("p")
	n.claim(o)
	count(1)
	n.ack("p")
	count(0)
	n.claim(o)
	n.reclaim("p")
	n.claim(o)
	_, _, err := n.AckCommit(t.Context(), "p", pipeproc.Token{}, recordsOf("out", "x")...)
	n.ok(err)
	count(0)
	n.claim(o)
	n.reclaim("p")
	n.disable("p")
	count(1)
	n.resume("p")
	count(0)
}

// Q14 in spirit: what comes again is what was claimed, however it began.
func TestReclaimOfFirstClaimKeepsTheOffset(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		ids := offsetTopic(n)
		for i, offset := range []string{">", ":1", ids[1].String(), fmt.Sprint(ids[3].Time), "$>"} {
			o := pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: "t", Offset: offset}
			n.ensure(o)
		}
		n.commit("t", "6")
		for i := range 5 {
			o := pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: "t"}
			first := n.claim(o)
			n.reclaim(o.Name)
			if again := n.claim(o); again.Range != first.Range || first.Empty() {
				t.Errorf("%v came again as %v", first.Range, again.Range)
			}
		}
	})
}

// A proc may be claimed with another count after a reclaim.
func TestReclaimThenAnotherCount(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1", "2")
	n.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 3}, "0", "1", "2")
	n.reclaim("p")
	n.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 1}, "0")
	n.ack("p")
	n.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 9}, "1", "2")
}
