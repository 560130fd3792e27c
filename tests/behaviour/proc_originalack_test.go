package behaviour_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

func TestOriginalNodeAckCommitLog(t *testing.T) {
	p := pipeproc.ProcOptions{Name: "my_proc_0", Topic: "my_topic_0"}
	originals(t, []originalCase{
		{"#1 should return the second log after acking the first one", func(t *testing.T, n *lab) {
			n.commit("my_topic_0", "1", "2")
			n.claim(p)
			_, _, err := n.AckCommit(t.Context(), "my_proc_0", pipeproc.Token{}, recordsOf("my_topic_1", "x")...)
			n.ok(err)
			n.want(p, "2")
		}},
		{"#2 should return the acked range and the log added", func(t *testing.T, n *lab) {
			ids := idsOf(n.commit("my_topic_0", "1", "2"))
			n.claim(p)
			r, added, err := n.AckCommit(t.Context(), "my_proc_0", pipeproc.Token{}, recordsOf("my_topic_1", "x")...)
			if err != nil || r.String() != ids(0, 0) || len(added) != 1 || added[0].Seq != 0 {
				t.Error(r, added, err)
			}
		}},
		{"#3 should return an error if an invalid proc is passed", func(t *testing.T, n *lab) {
			r, added, err := n.AckCommit(t.Context(), "nobody", pipeproc.Token{}, recordsOf("my_topic_1", "x")...)
			wantCode(t, err, "invalid_proc")
			if r.String() != "" || len(added) != 0 {
				t.Error(r, added)
			}
		}},
		{"#5 should return the acked range and the logs added", func(t *testing.T, n *lab) {
			n.commit("my_topic_0", "1")
			n.claim(p)
			recs := append(recordsOf("my_topic_1", "x", "y"), recordsOf("my_topic_2", "z")...)
			_, added, err := n.AckCommit(t.Context(), "my_proc_0", pipeproc.Token{}, recs...)
			if err != nil || len(added) != 3 || added[0].Seq != 0 || added[1].Seq != 1 || added[2].Seq != 0 {
				t.Error(added, err)
			}
		}},
	})
}

func TestOriginalNodeAvailableProc(t *testing.T) {
	list := listOf("my_topic_0", "my_proc_0", "my_proc_1")
	originals(t, []originalCase{
		{"#1 should first return a proc that hasn't been created yet", func(t *testing.T, n *lab) {
			n.commit("my_topic_0", "1", "2")
			for i := range 2 {
				if name := n.available(list...); name != fmt.Sprint("my_proc_", i) {
					t.Errorf("%d: %q", i, name)
				}
			}
		}},
		{"#2 should return nothing if there is no proc with work", func(t *testing.T, n *lab) {
			n.commit("my_topic_0", "1")
			n.claim(list[0])
			n.ack("my_proc_0")
			if name := n.available(list[0]); name != "" {
				t.Error(name)
			}
		}},
		{"#3 round robin works", func(t *testing.T, n *lab) {
			n.commit("my_topic_0", "1", "2", "3")
			for i := range 6 {
				name := n.available(list...)
				if name != fmt.Sprint("my_proc_", i%2) {
					t.Fatalf("%d: %q", i, name)
				}
				n.ack(name)
			}
		}},
		{"#4 should not use procs that are disabled", func(t *testing.T, n *lab) {
			n.commit("my_topic_0", "1", "2", "3")
			for range 2 {
				n.ack(n.available(list...))
			}
			n.disable("my_proc_0")
			for range 2 {
				if name := n.available(list...); name != "my_proc_1" {
					t.Fatal(name)
				}
				n.ack("my_proc_1")
			}
		}},
	})
}

func TestOriginalNodeReclaimProc(t *testing.T) {
	p := pipeproc.ProcOptions{Name: "my_proc_0", Topic: "my_topic_0", Retry: pipeproc.RetryPolicy{MaxReclaims: 1}}
	begin := func(n *lab) func(first, last int) string { // claim, ack, claim
		ids := idsOf(n.commit("my_topic_0", "1", "2", "3"))
		n.claim(p)
		n.ack("my_proc_0")
		n.claim(p)
		return ids
	}
	with := func(s pipeproc.Strategy, max int) pipeproc.ProcOptions {
		o := p
		o.Retry.OnMaxReclaims, o.Retry.MaxReclaims = s, max
		return o
	}
	originals(t, []originalCase{
		{"#1 should return the range for the first log", func(t *testing.T, n *lab) {
			ids := begin(n)
			if r := n.reclaim("my_proc_0"); r.String() != ids(0, 0) {
				t.Error(r)
			}
		}},
		{"#2 should get the second log again after a reclaim", func(t *testing.T, n *lab) {
			n.ensure(with(pipeproc.StrategyDisable, 10))
			begin(n)
			n.reclaim("my_proc_0")
			n.want(p, "2")
		}},
		{"#3 should disable the proc after maxReclaims have been reached", func(t *testing.T, n *lab) {
			begin(n)
			n.reclaim("my_proc_0")
			if i := n.info("my_proc_0"); i.Reclaims != 1 || i.Status() != "disabled" {
				t.Errorf("%+v", i)
			}
		}},
		{"#4 should continue normally if onMaxReclaimsReached is 'continue'", func(t *testing.T, n *lab) {
			n.ensure(with(pipeproc.StrategyContinue, 1))
			begin(n)
			n.reclaim("my_proc_0")
			if i := n.info("my_proc_0"); i.Reclaims != 1 || i.Status() != "active" {
				t.Errorf("%+v", i)
			}
		}},
		{"#5 should return an error when an invalid proc is used", func(t *testing.T, n *lab) {
			_, err := n.Reclaim(t.Context(), "nobody", pipeproc.Token{}, "")
			wantCode(t, err, "invalid_proc")
		}},
		{"#6 should return an error if the proc is disabled", func(t *testing.T, n *lab) {
			begin(n)
			n.disable("my_proc_0")
			_, err := n.Reclaim(t.Context(), "my_proc_0", pipeproc.Token{}, "")
			wantCode(t, err, "proc_is_disabled")
		}},
		{"#7 should return an error if there is nothing to reclaim", func(t *testing.T, n *lab) {
			begin(n)
			n.ack("my_proc_0")
			_, err := n.Reclaim(t.Context(), "my_proc_0", pipeproc.Token{}, "")
			wantCode(t, err, "nothing_to_reclaim")
		}},
		{"#8 should reset reclaims after a successful ack", func(t *testing.T, n *lab) {
			n.ensure(with(pipeproc.StrategyDisable, 10))
			begin(n)
			n.reclaim("my_proc_0")
			n.claim(p)
			n.ack("my_proc_0")
			if i := n.info("my_proc_0"); i.Reclaims != 0 {
				t.Errorf("%+v", i)
			}
		}},
		{"#9 should reset reclaims after a successful ackCommit", func(t *testing.T, n *lab) {
			n.ensure(with(pipeproc.StrategyDisable, 10))
			begin(n)
			n.reclaim("my_proc_0")
			n.claim(p)
			_, _, err := n.AckCommit(t.Context(), "my_proc_0", pipeproc.Token{}, recordsOf("out", "x")...)
			n.ok(err)
			if i := n.info("my_proc_0"); i.Reclaims != 0 {
				t.Errorf("%+v", i)
			}
		}},
		{"#10 should get the second log again after a reclaimTimeout", func(t *testing.T, n *lab) {
			o := with(pipeproc.StrategyDisable, 10)
			o.Retry.ReclaimTimeout = 10 * time.Millisecond
			n.ensure(o)
			begin(n)
			pass(20 * time.Millisecond)
			n.want(p, "2")
		}},
	})
}

func TestOriginalNodeResumeDisableProc(t *testing.T) {
	p := pipeproc.ProcOptions{Name: "my_proc_0", Topic: "my_topic_0"}
	originals(t, []originalCase{
		{"#1 should disable the proc", func(t *testing.T, n *lab) {
			n.claim(p)
			if i := n.disable("my_proc_0"); !i.Disabled || i != n.info("my_proc_0") {
				t.Errorf("%+v", i)
			}
		}},
		{"#2 should return an error if the proc does not exist", func(t *testing.T, n *lab) {
			_, err := n.DisableProc(t.Context(), "my_proc_0")
			wantCode(t, err, "invalid_proc")
		}},
		{"#3 should return an error if the proc is already disabled", func(t *testing.T, n *lab) {
			n.claim(p)
			n.disable("my_proc_0")
			_, err := n.DisableProc(t.Context(), "my_proc_0")
			wantCode(t, err, "proc_already_disabled")
		}},
		{"#4 should return an error if a disabled proc is used", func(t *testing.T, n *lab) {
			n.claim(p)
			n.disable("my_proc_0")
			if _, err := n.Claim(t.Context(), p); !errors.Is(err, pipeproc.ErrProcDisabled) {
				t.Error(err)
			}
		}},
		{"#5 should resume the proc", func(t *testing.T, n *lab) {
			n.claim(p)
			n.disable("my_proc_0")
			if i := n.resume("my_proc_0"); i.Status() != "active" || i.Reclaims != 0 {
				t.Errorf("%+v", i)
			}
		}},
		{"#6 should return an error if the proc does not exist", func(t *testing.T, n *lab) {
			_, err := n.ResumeProc(t.Context(), "my_proc_0")
			wantCode(t, err, "invalid_proc")
		}},
		{"#7 should return an error if the proc is already active", func(t *testing.T, n *lab) {
			n.claim(p)
			_, err := n.ResumeProc(t.Context(), "my_proc_0")
			wantCode(t, err, "proc_already_active")
		}},
	})
}
