package behaviour_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// A seek goes back and forth, with any offset.
func TestSeek(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		ids := offsetTopic(n)
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		n.ensure(o)
		for _, c := range []struct {
			offset string
			first  []string
		}{
			{":3", []string{"4"}},
			{">", []string{"0"}},
			{"$>", nil},
			{ids[0].String(), []string{"1"}},
			{fmt.Sprint(ids[3].Millis), []string{"3"}},
			{fmt.Sprint(ids[5].Millis + 1), nil},
			{"0", []string{"0"}},
			{":5", nil},
			{"", []string{"0"}},
		} {
			n.seek("p", c.offset)
			n.want(o, c.first...)
			if i := n.info("p"); i.Skipped != 0 {
				t.Errorf("%q: a seek skips nothing by force: %+v", c.offset, i)
			}
		}
	})
}

// The open claim is lost, and the records come again.
func TestSeekLosesTheClaim(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		n.claim(o)
		n.reclaim("p")
		c := n.want(o, "0")
		if i := n.seek("p", ":1"); i.Claim != (pipeproc.Token{}) || i.Next != 2 || i.Reclaims != 0 || i.Pending != 1 {
			t.Errorf("%+v", i)
		}
		n.stale("p", c.Token)
		pass(time.Hour) // its timeout has no effect
		if i := n.info("p"); i.Reclaims != 0 {
			t.Errorf("%+v", i)
		}
		again := n.want(o, "2")
		if again.Attempt != 1 {
			t.Errorf("attempt %d", again.Attempt)
		}
	})
}

// A seek wakes the waiters, and WaitForProcs sees that there is work again.
func TestSeekWakes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		n.ack("p")
		work := start(func() error { return n.WaitForWork(t.Context(), "p") })
		if work.over() {
			t.Fatal("there is no work")
		}
		n.seek("p", ">")
		if !work.over() || work.err != nil {
			t.Error("not woken", work.err)
		}
		wait := start(func() error { return n.WaitForProcs(t.Context()) })
		if wait.over() {
			t.Error("there is work, and WaitForProcs has returned")
		}
		n.seek("p", "$>")
		if !wait.over() || wait.err != nil {
			t.Error("WaitForProcs was not woken", wait.err)
		}
	})
}

// A seek of a disabled proc is kept for when it is resumed, and survives a
// reopening.
func TestSeekOfDisabledProc(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1", "2")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		n.ensure(o)
		n.disable("p")
		if i := n.seek("p", ":0"); !i.Disabled {
			t.Errorf("%+v", i)
		}
		n = reopen()
		_, err := n.Claim(t.Context(), o)
		wantCode(t, err, "proc_is_disabled")
		n.resume("p")
		n.want(o, "1")
	})
}
