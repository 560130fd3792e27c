package behaviour_test

import (
	"slices"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// gc collects with an age that records must have, and returns what is left of
// topic t.
func (n *lab) gc(age time.Duration) []string {
	n.t.Helper()
	n.collect(pipeproc.GCOptions{MinAge: age})
	return n.bodies("t")
}

func (n *lab) collect(o pipeproc.GCOptions) []pipeproc.Pruned {
	n.t.Helper()
	pruned, err := n.GC(n.t.Context(), o)
	n.ok(err)
	return pruned
}

func (n *lab) wantLeft(age time.Duration, bodies ...string) {
	n.t.Helper()
	if left := n.gc(age); !slices.Equal(left, bodies) {
		n.t.Errorf("%q are left, want %q", left, bodies)
	}
}

// claimAck claims, and acknowledges, k times.
func (n *lab) claimAck(o pipeproc.ProcOptions, k int) {
	n.t.Helper()
	for range k {
		if c := n.claim(o); c.Empty() {
			n.t.Fatal("nothing to claim")
		}
		n.ack(o.Name)
	}
}

// node/gc/collect.
func TestOriginalNodeGCCollect(t *testing.T) {
	p := pipeproc.ProcOptions{Name: "my_proc", Topic: "t", Count: 2}
	const ms = time.Millisecond
	six := func(n *lab) { n.commit("t", "1", "2", "3", "4", "5", "6") }
	originals(t, []originalCase{
		{"#1 without procs: should collect all logs that have passed the MIN_PRUNE_TIME", func(_ *testing.T, n *lab) {
			n.commit("t", "1", "2", "3")
			pass(200 * ms)
			n.wantLeft(100 * ms)
		}},
		{"#2 should not collect logs that have not passed the MIN_PRUNE_TIME", func(_ *testing.T, n *lab) {
			n.commit("t", "1", "2", "3")
			pass(200 * ms)
			n.wantLeft(1000*ms, "1", "2", "3")
		}},
		{"#3 should collect those that have passed and not those that haven't", func(_ *testing.T, n *lab) {
			n.commit("t", "1", "2", "3")
			pass(200 * ms)
			n.commit("t", "4", "5", "6")
			pass(200 * ms)
			n.wantLeft(300*ms, "4", "5", "6")
		}},
		{"#4 with procs: should collect all logs before the previous range that have passed", func(_ *testing.T, n *lab) {
			six(n)
			n.claimAck(p, 3)
			pass(400 * ms)
			n.wantLeft(300*ms, "3", "4", "5", "6")
		}},
		{"#5 should not collect logs that have not passed", func(_ *testing.T, n *lab) {
			six(n)
			n.claimAck(p, 3)
			pass(400 * ms)
			n.wantLeft(600*ms, "1", "2", "3", "4", "5", "6")
		}},
		{"#6 should not collect logs after the previous range even if they have passed", func(_ *testing.T, n *lab) {
			six(n)
			n.claimAck(p, 3)
			pass(400 * ms)
			n.wantLeft(100*ms, "3", "4", "5", "6")
		}},
		{"#7 should not collect logs if the previous range is null", func(_ *testing.T, n *lab) {
			six(n)
			n.claimAck(p, 1)
			pass(400 * ms)
			n.wantLeft(100*ms, "1", "2", "3", "4", "5", "6")
		}},
		{"#8 should not collect logs if the previous range begins with the first log", func(_ *testing.T, n *lab) {
			six(n)
			n.claimAck(p, 2)
			pass(400 * ms)
			n.wantLeft(100*ms, "1", "2", "3", "4", "5", "6")
		}},
	})
}

// The example: with claims [0,1] [2,3] [4,5] the records from 2 on stay. The latest
// claim need not be acknowledged, but what is not acknowledged always stays.
func TestGCExample(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2", "3", "4", "5")
		p := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}
		n.claimAck(p, 2)
		n.claim(p)
		pass(time.Hour)
		pruned := n.collect(pipeproc.GCOptions{})
		if len(pruned) != 1 || pruned[0].Topic != "t" || pruned[0].First != 0 || pruned[0].Next != 2 || pruned[0].Reason.String() != "acknowledged" || len(pruned[0].Passed) != 0 {
			t.Errorf("%+v", pruned)
		}
		n.wantTopic("t", "2", "3", "4", "5")
		if again := n.collect(pipeproc.GCOptions{}); len(again) != 0 {
			t.Errorf("%+v", again)
		}
		n.reclaim("p") // the two latest claims are [2,3] and [4,5] again when it is claimed
		n.wantLeft(time.Second, "2", "3", "4", "5")
		n.want(p, "4", "5")
	})
}

// Without procs a record is collected as soon as it is exactly as old as asked for.
func TestGCAgeIsInclusive(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		pass(time.Second - time.Millisecond)
		n.wantLeft(time.Second, "0")
		pass(time.Millisecond)
		n.wantLeft(time.Second)
	})
}

// With procs it is the age of the claim before the latest that counts, not that
// of the records that go.
func TestGCAgeOfThePreviousClaim(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		p := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		n.commit("t", "0")
		pass(time.Hour)
		n.commit("t", "1", "2")
		n.claimAck(p, 3)
		pass(time.Second)
		n.wantLeft(2*time.Second, "0", "1", "2")
		pass(time.Second)
		n.wantLeft(2*time.Second, "1", "2")
	})
}

// The slowest of several procs decides.
func TestGCSlowestProc(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2", "3", "4", "5")
		fast, slow := pipeproc.ProcOptions{Name: "fast", Topic: "t"}, pipeproc.ProcOptions{Name: "slow", Topic: "t"}
		n.claimAck(fast, 6)
		n.claimAck(slow, 3)
		pass(time.Hour)
		n.wantLeft(time.Second, "1", "2", "3", "4", "5")
		n.claimAck(slow, 2)
		n.wantLeft(time.Second, "3", "4", "5")
		n.destroy("slow")
		n.wantLeft(time.Second, "4", "5")
		n.destroy("fast")
		n.wantLeft(time.Second)
	})
}

// A proc without claims protects from where it begins: one that was just
// made, one with a first claim, and one whose first claim was given back.
func TestGCNewProcProtects(t *testing.T) {
	for name, begin := range map[string]func(n *lab, p pipeproc.ProcOptions){
		"new":        func(n *lab, p pipeproc.ProcOptions) { n.ensure(p) },
		"claimed":    func(n *lab, p pipeproc.ProcOptions) { n.claim(p) },
		"given back": func(n *lab, p pipeproc.ProcOptions) { n.claim(p); n.reclaim(p.Name) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, n *lab) {
				n.commit("t", "0", "1", "2", "3", "4", "5")
				begin(n, pipeproc.ProcOptions{Name: "new", Topic: "t", Offset: ":1", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}})
				n.claimAck(pipeproc.ProcOptions{Name: "ahead", Topic: "t"}, 6)
				pass(time.Hour)
				n.wantLeft(time.Second, "2", "3", "4", "5")
			})
		})
	}
}

// One that begins at the end does not hold the others back.
func TestGCNewProcAtTheEnd(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2", "3")
		n.ensure(pipeproc.ProcOptions{Name: "$", Topic: "t", Offset: "$>"})
		n.claimAck(pipeproc.ProcOptions{Name: "p", Topic: "t"}, 4)
		pass(time.Hour)
		n.wantLeft(time.Second, "2", "3")
	})
}

// A disabled proc protects its topic, unless told otherwise.
func TestGCDisabledProc(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2", "3", "4", "5")
		n.claimAck(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, 3)
		n.disable("disabled")
		pass(time.Hour)
		n.wantLeft(time.Second, "1", "2", "3", "4", "5")
		n.claimAck(pipeproc.ProcOptions{Name: "active", Topic: "t"}, 5)
		n.wantLeft(time.Second, "1", "2", "3", "4", "5")
		n.collect(pipeproc.GCOptions{MinAge: time.Second, IgnoreDisabled: true})
		n.wantTopic("t", "4", "5")
		n.disable("active")
		n.collect(pipeproc.GCOptions{MinAge: time.Second, IgnoreDisabled: true})
		n.wantTopic("t")
		n.resume("disabled")
		n.commit("t", "6")
		if c := n.want(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, "6"); c.Skipped != 3 {
			t.Errorf("skipped %d, want 3", c.Skipped)
		}
	})
}

// Nothing that was not acknowledged is collected, however far the claims are.
func TestGCNeverPassesTheUnacknowledged(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2", "3", "4", "5")
		p := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}
		n.claimAck(p, 4)
		n.seek("p", ":0") // and back
		n.claim(p)
		pass(time.Hour)
		n.wantLeft(time.Second, "0", "1", "2", "3", "4", "5")
		n.ack("p")
		n.claim(p)
		n.wantLeft(time.Second, "1", "2", "3", "4", "5")
		n.want(p)
	})
}
