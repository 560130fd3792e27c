package behaviour_test

import (
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// Deleting a topic resets its procs: they wait for a topic of that name, and
// begin with its first record. The claim is lost, the options stay.
func TestDeletedTopicResetsProcs(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1", "2")
		n.commit("other", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 5, Backoff: time.Hour}}
		n.want(o, "0")
		n.ack("p")
		n.want(o, "1")
		n.reclaim("p")
		claimed := n.want(pipeproc.ProcOptions{Name: "claimed", Topic: "t", Count: 2}, "0", "1")
		n.ensure(pipeproc.ProcOptions{Name: "$", Topic: "t", Offset: "$>"})
		n.ensure(pipeproc.ProcOptions{Name: "later", Topic: "t", Offset: "3000000000000"})
		n.want(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, "0")
		n.disable("disabled")
		n.want(pipeproc.ProcOptions{Name: "other", Topic: "other"}, "0")
		n.ack("other")
		n.ok(n.DeleteTopic(t.Context(), "t"))
		for range 2 {
			i := n.info("p")
			if i.Next != 0 || i.Pending != 0 || i.Reclaims != 0 || !i.RetryAt.IsZero() || !i.LastClaimed.Empty() || !i.PreviousClaimed.Empty() || i.Retry.MaxReclaims != 5 {
				t.Errorf("%+v", i)
			}
			n.stale("claimed", claimed.Token)
			n.want(o)
			n = reopen()
		}
		if i := n.info("disabled"); !i.Disabled || i.Claim != (pipeproc.Token{}) {
			t.Errorf("%+v", i)
		}
		if i := n.info("other"); i.Next != 1 {
			t.Errorf("a proc of another topic: %+v", i)
		}
	})
}

// The topic that comes after it is another one: sequences begin at 0, and procs
// get all of it, whatever offset they had been made with.
func TestDeletedTopicMadeAgain(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1", "2")
		for _, offset := range []string{">", "$>", ":1", "3000000000000"} {
			n.ensure(pipeproc.ProcOptions{Name: offset, Topic: "t", Offset: offset})
		}
		n.disable(":1")
		work := start(func() error { return n.WaitForWork(t.Context(), ">") })
		n.ok(n.DeleteTopic(t.Context(), "t"))
		n.commit("t", "new")
		if !work.over() {
			t.Error("not woken by the new topic")
		}
		n = reopen()
		_, err := n.Claim(t.Context(), pipeproc.ProcOptions{Name: ":1", Topic: "t"})
		wantCode(t, err, "proc_is_disabled")
		n.resume(":1")
		for _, offset := range []string{">", "$>", ":1", "3000000000000"} {
			if c := n.want(pipeproc.ProcOptions{Name: offset, Topic: "t"}, "new"); c.Skipped != 0 {
				t.Errorf("%s: skipped %d", offset, c.Skipped)
			}
		}
	})
}

// A proc on a topic that does not exist wakes when the topic appears, with its
// first record, not before.
func TestProcWakesWhenItsTopicAppears(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		work := start(func() error { return n.WaitForWork(t.Context(), "p") })
		n.ok(n.CreateTopic(t.Context(), "t", pipeproc.TopicOptions{}))
		if work.over() {
			t.Error("woken by an empty topic")
		}
		n.commit("t", "0")
		if !work.over() || work.err != nil {
			t.Error("not woken", work.err)
		}
		n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "0")
	})
}

// A clock that goes back does not hide records from procs, and waiting for
// them ends.
func TestProcWithClockGoingBack(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	n := newLab(t, &pipeproc.Options{Clock: func() time.Time { return now }})
	n.commit("t", "0")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	n.want(o, "0")
	n.ack("p")
	now = now.Add(-time.Hour)
	n.ensure(pipeproc.ProcOptions{Name: "$", Topic: "t", Offset: "$>"})
	n.commit("t", "1")
	n.want(o, "1")
	n.ack("p")
	n.want(pipeproc.ProcOptions{Name: "$", Topic: "t"}, "1")
	n.ack("$")
	n.ok(n.WaitForProcs(t.Context()))
}
