package behaviour_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
)

// The node takes a claim back when its time is up, not only when somebody asks
// next. node/reclaimProc #10.
func TestTimeoutIsTheNodes(t *testing.T) {
	var events []pipeproc.Event
	o := &pipeproc.Options{OnEvent: func(e pipeproc.Event) {
		if e.Kind == pipeproc.EventClaimTimeout {
			events = append(events, e)
		}
	}}
	bubble(t, o, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		n.want(o, "0")
		pass(10*time.Second - time.Millisecond)
		n.want(o)
		if i := n.info("p"); i.Reclaims != 0 || i.Claim == (pipeproc.Token{}) {
			t.Errorf("too early: %+v", i)
		}
		pass(time.Millisecond)
		if i := n.info("p"); i.Reclaims != 1 || i.Claim != (pipeproc.Token{}) {
			t.Errorf("not taken back: %+v", i)
		}
		if len(events) != 1 || events[0].Name != "p" {
			t.Errorf("events %+v", events)
		}
		if c := n.want(o, "0"); c.Attempt != 2 {
			t.Errorf("attempt %d", c.Attempt)
		}
	})
}

// It wakes those that wait for work.
func TestTimeoutWakes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		n.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Minute}}, "0")
		begin := time.Now()
		n.ok(n.WaitForWork(t.Context(), "p"))
		if d := time.Since(begin); d != time.Minute {
			t.Errorf("woken after %v", d)
		}
	})
}

// It counts as a reclaim, with all that follows. Nobody has to ask.
func TestTimeoutDisablesAtTheLimit(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 2, ReclaimTimeout: time.Second}}
		n.want(o, "0")
		pass(time.Second)
		n.want(o, "0")
		pass(time.Second)
		if i := n.info("p"); !i.Disabled || i.Reclaims != 2 {
			t.Errorf("%+v", i)
		}
		_, err := n.Claim(t.Context(), o)
		wantCode(t, err, "proc_is_disabled")
	})
}

// An ack in time stops the timer; the next claim has its full time.
func TestTimeoutIsOfOneClaim(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Second}}
		n.want(o, "0")
		pass(900 * time.Millisecond)
		n.ack("p")
		n.want(o, "1")
		pass(900 * time.Millisecond)
		if i := n.info("p"); i.Reclaims != 0 {
			t.Error("taken back in the time of the claim before")
		}
		n.reclaim("p")
		n.want(o, "1")
		pass(900 * time.Millisecond)
		if i := n.info("p"); i.Reclaims != 1 {
			t.Errorf("%d reclaims", i.Reclaims)
		}
		pass(100 * time.Millisecond)
		if i := n.info("p"); i.Reclaims != 2 {
			t.Errorf("%d reclaims", i.Reclaims)
		}
	})
}

// With a negative timeout a claim never times out.
func TestTimeoutNever(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}
		if c := n.want(o, "0"); c.Timeout >= 0 {
			t.Errorf("timeout %v", c.Timeout)
		}
		pass(1000 * time.Hour)
		n.want(o)
		n = reopen()
		pass(1000 * time.Hour)
		n.want(o)
		n.ack("p")
	})
}

// The rest of a timeout survives a reopening; what passed while the store was
// closed counts.
func TestTimeoutAcrossReopen(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 10 * time.Second}}
		n.want(o, "0")
		pass(4 * time.Second)
		n = reopen()
		pass(6*time.Second - time.Millisecond)
		n.want(o)
		pass(time.Millisecond)
		n.want(o, "0")
		pass(4 * time.Second)
		n.shut()
		pass(time.Hour)
		n = reopen()
		synctest.Wait()
		if i := n.info("p"); i.Reclaims != 2 {
			t.Errorf("%d reclaims", i.Reclaims)
		}
	})
}

// The time of a claim runs on while its proc is disabled: it is taken back when
// the proc is resumed.
func TestTimeoutWhileDisabled(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 10 * time.Second}}
		n.want(o, "0")
		pass(5 * time.Second)
		n.disable("p")
		pass(time.Hour)
		if i := n.info("p"); i.Reclaims != 0 || i.Claim == (pipeproc.Token{}) {
			t.Errorf("taken back while disabled: %+v", i)
		}
		n.resume("p")
		synctest.Wait()
		if i := n.info("p"); i.Reclaims != 1 || i.Claim != (pipeproc.Token{}) {
			t.Errorf("not taken back: %+v", i)
		}
		n.want(o, "0")
		n.disable("p")
		pass(5 * time.Second)
		n.resume("p")
		pass(5*time.Second - time.Millisecond)
		n.want(o)
		pass(time.Millisecond)
		n.want(o, "0")
	})
}

// The same, when the store was opened again in between.
func TestTimeoutWhileDisabledAcrossReopen(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 10 * time.Second}}
		n.want(o, "0")
		n.disable("p")
		pass(time.Hour)
		n = reopen()
		n.resume("p")
		synctest.Wait()
		if i := n.info("p"); i.Reclaims != 1 {
			t.Errorf("the claim is an hour old and was not taken back: %+v", i)
		}
	})
}

// A claim that was taken over from an earlier opening can be acknowledged
// without a token, too.
func TestTimeoutNotAfterAck(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		n.want(o, "0")
		n = reopen()
		n.ack("p")
		pass(time.Hour)
		if i := n.info("p"); i.Reclaims != 0 {
			t.Errorf("%+v", i)
		}
		n.want(o, "1")
	})
}

// The clock does not count within one opening: elapsed time does.
func TestTimeoutIgnoresTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		n := newLab(t, &pipeproc.Options{Clock: c.now})
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: time.Hour}}
		n.want(o, "0")
		c.set(24 * 365 * time.Hour)
		n.commit("u", "x")
		pass(9 * time.Second)
		n.want(o)
		c.set(-24 * time.Hour)
		n.commit("u", "x")
		pass(time.Second)
		if i := n.info("p"); i.Reclaims != 1 {
			t.Errorf("%+v", i)
		}
		c.set(24 * 365 * time.Hour)
		n.want(o)
		pass(time.Hour)
		n.want(o, "0")
	})
}
