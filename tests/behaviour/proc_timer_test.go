package behaviour_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// An ack at the very moment of the timeout is taken or lost; either way the next
// claim has its full time, and is taken back then.
func TestTimeoutAndAckAtOneMoment(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Second, MaxReclaims: -1}}
		acked := 0
		for range 300 {
			n.commit("t", "x")
			c := n.claim(o)
			time.Sleep(time.Second) // without waiting for what is due
			_, err := n.Ack(t.Context(), "p", c.Token)
			if err != nil {
				wantCode(t, err, "claim_lost")
				c = n.claim(o)
			} else {
				acked++
				n.commit("t", "y")
				c = n.claim(o)
			}
			pass(time.Second - time.Millisecond)
			if i := n.info("p"); i.Claim != c.Token {
				t.Fatalf("taken back too early: %+v", i)
			}
			pass(time.Millisecond)
			if i := n.info("p"); i.Claim == c.Token {
				t.Fatalf("not taken back: %+v", i)
			}
			n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: -1})
			n.ack("p")
		}
		t.Logf("%d of 300 acknowledged", acked)
	})
}

// When a claim ends, in whatever way, whose time was up while its proc was disabled,
// the next claim has its own full time.
func TestTimeoutAfterALapsedClaim(t *testing.T) {
	for name, end := range map[string]func(n *lab){
		"ack":     func(n *lab) { n.ack("p"); n.resume("p") },
		"seek":    func(n *lab) { n.seek("p", ">"); n.resume("p") },
		"destroy": func(n *lab) { n.destroy("p") },
		"resume":  func(n *lab) { n.resume("p"); synctest.Wait() },
		"twice":   func(n *lab) { n.resume("p"); synctest.Wait(); n.disable("p"); n.resume("p") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, n *lab) {
				n.commit("t", "0", "1")
				o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 10 * time.Second}}
				n.claim(o)
				n.disable("p")
				pass(time.Minute)
				end(n)
				c := n.claim(o)
				if c.Empty() {
					t.Fatal("nothing to claim")
				}
				pass(10*time.Second - time.Millisecond)
				if i := n.info("p"); i.Claim != c.Token {
					t.Errorf("taken back too early: %+v", i)
				}
				pass(time.Millisecond)
				if i := n.info("p"); i.Claim != (pipeproc.Token{}) {
					t.Errorf("not taken back: %+v", i)
				}
			})
		})
	}
}

// A clock that went back between two openings lengthens no wait beyond what was
// asked for.
func TestWaitsAfterTheClockWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, disk := &clock{}, vfs.NewCrash()
		n := openOn(t, disk, pipeproc.Options{Clock: c.now})
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "backoff", Topic: "t", Retry: pipeproc.RetryPolicy{Backoff: 10 * time.Second}}
		n.claim(o)
		n.reclaim("backoff")
		q := pipeproc.ProcOptions{Name: "timeout", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 10 * time.Second}}
		n.claim(q)
		n.shut()
		c.set(-24 * time.Hour)
		n = openOn(t, disk, pipeproc.Options{Clock: c.now})
		pass(10 * time.Second)
		n.want(o, "0")
		n.want(q, "0")
	})
}
