package behaviour_test

import (
	"testing"

	"github.com/pipeproc/pipeproc"
)

// The original system's own test cases, with their numbers and names. Where it
// injects errors of its store, the crash and fault tests take their place.

type originalCase struct {
	name string
	run  func(t *testing.T, n *lab)
}

func originals(t *testing.T, list []originalCase) {
	t.Helper()
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) { bubble(t, nil, c.run) })
	}
}

// idsOf returns a function that gives the text of a range of ids.
func idsOf(ids []pipeproc.ID) func(first, last int) string {
	return func(first, last int) string { return ids[first].String() + ".." + ids[last].String() }
}

func TestOriginalNodeProc(t *testing.T) {
	first := pipeproc.ProcOptions{Name: "my_proc_0", Topic: "my_topic_0", Offset: ">"}
	three := first
	three.Count = 3
	late, second := first, first
	late.Offset = "$>"
	second.Offset = ":0" // the original's ":1" counts from 1 here
	logs := func(n *lab) func(first, last int) string {
		return idsOf(n.commit("my_topic_0", "1", "2", "3"))
	}
	originals(t, []originalCase{
		{"#1 '>': should return the very first log on the first run", func(t *testing.T, n *lab) {
			ids := logs(n)
			if c := n.claim(first); c.Range.String() != ids(0, 0) {
				t.Error(c.Range)
			}
		}},
		{"#2 should be able to return multiple logs at a time", func(t *testing.T, n *lab) {
			logs(n)
			n.want(three, "1", "2", "3")
		}},
		{"#3 should have the lastClaimedRange equal to the log range", func(t *testing.T, n *lab) {
			ids := logs(n)
			n.claim(three)
			if r := n.info("my_proc_0").LastClaimed; r.String() != ids(0, 2) {
				t.Error(r)
			}
		}},
		{"#4 should not return a log if it is called twice without ack", func(t *testing.T, n *lab) {
			logs(n)
			n.want(first, "1")
			n.want(first)
		}},
		{"#5 ack should return the range acked", func(t *testing.T, n *lab) {
			ids := logs(n)
			n.claim(first)
			if r := n.ack("my_proc_0"); r.String() != ids(0, 0) {
				t.Error(r)
			}
		}},
		{"#6 should return the second log after acking the first one", func(t *testing.T, n *lab) {
			logs(n)
			n.claim(first)
			n.ack("my_proc_0")
			n.want(first, "2")
		}},
		{"#7 should return an error if procName is not unique", func(t *testing.T, n *lab) {
			logs(n)
			n.claim(first)
			_, err := n.Claim(t.Context(), pipeproc.ProcOptions{Name: "my_proc_0", Topic: "my_topic_1"})
			wantCode(t, err, "proc_name_not_unique")
		}},
		{"#11 '$>': should not return the very first log on the first run", func(t *testing.T, n *lab) {
			logs(n)
			n.want(late)
		}},
		{"#12 should return the first log after the proc's creation", func(t *testing.T, n *lab) {
			logs(n)
			n.want(late)
			n.commit("my_topic_0", "4")
			n.want(late, "4")
		}},
		{"#13 should not return a log if it is called twice without ack", func(t *testing.T, n *lab) {
			n.want(late)
			logs(n)
			n.want(late, "1")
			n.want(late)
		}},
		{"#14 should return the second log after acking the first one", func(t *testing.T, n *lab) {
			n.want(late)
			logs(n)
			n.want(late, "1")
			n.ack("my_proc_0")
			n.want(late, "2")
		}},
		{"#15 numeric: should return the correct log on the first run", func(t *testing.T, n *lab) {
			logs(n)
			n.want(second, "2")
		}},
		{"#16 should not return a log if it is called twice without ack", func(t *testing.T, n *lab) {
			logs(n)
			n.want(second, "2")
			n.want(second)
		}},
		{"#17 should return the second log after acking the first one", func(t *testing.T, n *lab) {
			logs(n)
			n.want(second, "2")
			n.ack("my_proc_0")
			n.want(second, "3")
		}},
	})
}

func TestOriginalClientProc(t *testing.T) {
	p := pipeproc.ProcOptions{Name: "my_proc", Topic: "my_topic"}
	three := p
	three.Count = 3
	logs := func(n *lab) func(first, last int) string { return idsOf(n.commit("my_topic", "1", "2", "3")) }
	originals(t, []originalCase{
		{"#1 should return the very first log on the first run", func(t *testing.T, n *lab) {
			logs(n)
			n.want(p, "1")
		}},
		{"#2 should be able to return multiple logs at a time", func(t *testing.T, n *lab) {
			logs(n)
			n.want(three, "1", "2", "3")
		}},
		{"#3 should not return a log if it is called twice without ack", func(t *testing.T, n *lab) {
			logs(n)
			n.want(p, "1")
			n.want(p)
		}},
		{"#4 should return the second log after acking the first one", func(t *testing.T, n *lab) {
			ids := logs(n)
			n.claim(p)
			n.ack("my_proc")
			n.want(p, "2")
			if i := n.info("my_proc"); i.LastAcked.String() != ids(0, 0) || i.LastClaimed.String() != ids(1, 1) {
				t.Errorf("%+v", i)
			}
		}},
		{"#5 should return the second log after ackComitting the first one", func(t *testing.T, n *lab) {
			ids := logs(n)
			n.claim(p)
			r, _, err := n.AckCommit(t.Context(), "my_proc", pipeproc.Token{}, recordsOf("my_topic_2", "x")...)
			n.ok(err)
			if r.String() != ids(0, 0) {
				t.Error(r)
			}
			n.want(p, "2")
		}},
		{"#6 should return the first log again after calling reclaim", func(t *testing.T, n *lab) {
			logs(n)
			n.claim(p)
			if r := n.reclaim("my_proc"); r.String() != "" {
				t.Error(r)
			}
			n.want(p, "1")
		}},
		{"#7 should return a correct reclaimId", func(t *testing.T, n *lab) {
			ids := logs(n)
			n.claim(p)
			n.ack("my_proc")
			n.claim(p)
			if r := n.reclaim("my_proc"); r.String() != ids(0, 0) {
				t.Error(r)
			}
		}},
		{"#8 should be able to inspect a proc", func(t *testing.T, n *lab) {
			n.claim(p)
			if i := n.info("my_proc"); i.Name != "my_proc" {
				t.Errorf("%+v", i)
			}
		}},
		{"#9 should return the very first log if availableProc is used", func(t *testing.T, n *lab) {
			logs(n)
			c, err := n.ClaimAny(t.Context(), p)
			n.ok(err)
			n.wantBodies(c, "1")
			if c.Proc != "my_proc" {
				t.Error(c.Proc)
			}
		}},
		{"#10 should return all the logs if count = 3 and availableProc is used", func(t *testing.T, n *lab) {
			logs(n)
			c, err := n.ClaimAny(t.Context(), three)
			n.ok(err)
			n.wantBodies(c, "1", "2", "3")
		}},
		{"#11 should be able to disable and resume a proc", func(t *testing.T, n *lab) {
			n.claim(p)
			if i := n.disable("my_proc"); i.Status() != "disabled" {
				t.Errorf("%+v", i)
			}
			if i := n.resume("my_proc"); i.Status() != "active" {
				t.Errorf("%+v", i)
			}
		}},
		{"#12 should be able to destroy a proc", func(t *testing.T, n *lab) {
			n.claim(p)
			n.destroy("my_proc")
			_, err := n.InspectProc(t.Context(), "my_proc")
			wantCode(t, err, "invalid_proc")
		}},
		{"#13 waitForProcs should resolve when all the topics of the proc have been acked", func(t *testing.T, n *lab) {
			ids := logs(n)
			n.claim(three)
			wait := start(func() error { return n.WaitForProcs(t.Context()) })
			if wait.over() {
				t.Error("before the ack")
			}
			if r := n.ack("my_proc"); r.String() != ids(0, 2) {
				t.Error(r)
			}
			if !wait.over() || wait.err != nil {
				t.Error("not resolved", wait.err)
			}
		}},
	})
}
