package behaviour_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
)

// The wait before a retry doubles, up to its bound, and starts over after an
// acknowledgement.
func TestBackoffDoublesAndIsCapped(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: 100 * time.Millisecond, MaxBackoff: time.Second, MaxReclaims: -1}}
		retry := func(body string, wait time.Duration) {
			t.Helper()
			n.want(o, body)
			n.reclaim("p")
			n.want(o)
			if i := n.info("p"); i.RetryAt.UnixMilli() != time.Now().Add(wait).UnixMilli() {
				t.Errorf("retry at %v, want in %v", i.RetryAt, wait)
			}
			pass(wait - time.Millisecond)
			n.want(o)
			pass(time.Millisecond)
		}
		for _, ms := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
			retry("0", ms*time.Millisecond)
		}
		n.want(o, "0")
		n.ack("p")
		retry("1", 100*time.Millisecond)
		n.want(o, "1")
	})
}

// Without a backoff there is no wait, and the default bound is a minute.
func TestBackoffDefaults(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		none := pipeproc.ProcOptions{Name: "none", Topic: "t"}
		n.want(none, "0")
		n.reclaim("none")
		n.want(none, "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: 20 * time.Second, MaxReclaims: -1}}
		for _, wait := range []time.Duration{20, 40, 60, 60} {
			n.want(o, "0")
			n.reclaim("p")
			pass(wait*time.Second - time.Millisecond)
			n.want(o)
			pass(time.Millisecond)
		}
	})
}

// A timeout is followed by the backoff, too, and its end wakes the waiters.
func TestBackoffAfterTimeoutWakes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Second, Backoff: time.Minute}}
		n.want(o, "0")
		begin := time.Now()
		n.ok(n.WaitForWork(t.Context(), "p"))
		if d := time.Since(begin); d != time.Minute+time.Second {
			t.Errorf("woken after %v", d)
		}
		n.want(o, "0")
	})
}

// Records committed during the wait do not cut it short.
func TestBackoffIsNotCutShort(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: time.Minute}}
		n.want(o, "0")
		n.reclaim("p")
		work := start(func() error { return n.WaitForWork(t.Context(), "p") })
		for range 59 {
			n.each("t", "x")
			n.want(o)
		}
		if work.over() {
			t.Error("woken before the backoff has passed")
		}
		pass(time.Second)
		if !work.over() {
			t.Error("not woken")
		}
		n.want(o, "0")
	})
}

// A resume ends the wait at once, and so does a seek.
func TestBackoffEndsWithResumeAndSeek(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: time.Hour, MaxBackoff: time.Hour}}
		n.want(o, "0")
		n.reclaim("p")
		n.disable("p")
		n.resume("p")
		n.want(o, "0")
		n.reclaim("p")
		n.want(o)
		n.seek("p", ">")
		n.want(o, "0")
	})
}

// The rest of a backoff survives a reopening; what passed while the store was
// closed counts.
func TestBackoffAcrossReopen(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: 10 * time.Second}}
		n.want(o, "0")
		n.reclaim("p")
		pass(4 * time.Second)
		n = reopen()
		n.want(o)
		pass(6*time.Second - time.Millisecond)
		n.want(o)
		pass(time.Millisecond)
		if c := n.want(o, "0"); c.Attempt != 2 {
			t.Errorf("attempt %d", c.Attempt)
		}
		n.reclaim("p")
		n.shut()
		pass(time.Hour)
		n = reopen()
		synctest.Wait()
		n.want(o, "0")
	})
}

// A wait that is over stays over, whatever changes in the proc before it claims
// again.
func TestBackoffThatIsOverStaysOver(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: time.Hour, MaxBackoff: time.Hour}}
		n.want(o, "0")
		n.reclaim("p")
		pass(time.Hour)
		// The proc becomes one of a system proc, which keeps its position.
		_, err := n.DefineSystemProc(t.Context(), pipeproc.SystemProcOptions{Name: "p", From: []string{"t"}})
		n.ok(err)
		n.want(o, "0")
	})
}

// No claim slips in between the reclaim and the begin of its backoff.
func TestBackoffBeginsWithTheReclaim(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: time.Hour, MaxBackoff: time.Hour, MaxReclaims: -1}}
	n.ensure(o)
	for range 3000 {
		c := n.want(o, "0")
		stop, early := make(chan struct{}), make(chan bool, 1)
		go func() {
			found := false
			for run := true; run; {
				select {
				case <-stop:
					run = false
				default:
				}
				again, err := n.Claim(t.Context(), o)
				found = found || err != nil || !again.Empty()
			}
			early <- found
		}()
		_, err := n.Reclaim(t.Context(), "p", c.Token, "")
		n.ok(err)
		close(stop)
		if <-early {
			t.Fatal("claimed within the backoff")
		}
		n.seek("p", ">")
	}
}
