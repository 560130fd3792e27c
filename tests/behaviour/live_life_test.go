package behaviour_test

import (
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// Cancel removes a proc that has no name of its own: it is not listed, not waited
// for, and holds no records.
func TestLiveCancelRemovesTheProc(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		l := n.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst})
		n.wantNext(l, "0")
		wait := start(func() error { return n.WaitForProcs(t.Context()) })
		if wait.over() {
			t.Error("it has a claim")
		}
		n.ok(l.Cancel(t.Context()))
		n.ok(l.Cancel(t.Context()))
		if !wait.over() || wait.err != nil {
			t.Error("it is waited for", wait.err)
		}
		_, err := n.InspectProc(t.Context(), l.Name())
		wantCode(t, err, "invalid_proc")
		_, err = l.Ack(t.Context())
		wantCode(t, err, "invalid_proc")
		pass(time.Hour)
		pruned, err := n.GC(t.Context(), pipeproc.GCOptions{})
		if err != nil || len(pruned) != 1 || pruned[0].Next != 1 {
			t.Errorf("%+v, %v", pruned, err)
		}
	})
}

// With a name the proc stays, with its position, for the next LiveProc of that
// name, also after a restart.
func TestLiveNamedPersists(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		o := pipeproc.LiveOptions{Name: "mine", Topic: "t"}
		l := n.live(o)
		n.commit("t", "0", "1", "2")
		n.wantNext(l, "0")
		_, err := l.Ack(t.Context())
		n.ok(err)
		n.ok(l.Cancel(t.Context()))
		l = n.live(o)
		n.wantNext(l, "1")
		_, err = l.Ack(t.Context())
		n.ok(err)
		n = reopen()
		l = n.live(o)
		n.wantNext(l, "2")
		_, err = l.Ack(t.Context())
		n.ok(err)
		if i := n.info("mine"); i.Next != 3 || i.Ephemeral {
			t.Errorf("%+v", i)
		}
	})
}

// An ephemeral one that was not cancelled dies with its node.
func TestLiveDiesWithTheNode(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0")
		for range 3 {
			n.wantNext(n.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst}), "0")
		}
		n = reopen()
		if list, err := n.Procs(t.Context()); err != nil || len(list) != 0 {
			t.Error(namesOf(list), err)
		}
		n.ok(n.WaitForProcs(t.Context()))
	})
}

// Cancel while another goroutine waits, or is about to claim: the proc does not
// come back.
func TestLiveCancelBesideNext(t *testing.T) {
	n := newLab(t, nil)
	for range 2000 {
		l := n.live(pipeproc.LiveOptions{Topic: "t"})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := nextClaim(t.Context(), l); err != nil {
					return
				}
				if _, err := l.Ack(t.Context()); err != nil {
					return
				}
			}
		})
		wg.Go(func() {
			if _, err := n.Commit(t.Context(), recordsOf("t", "x", "y")...); err != nil {
				t.Error(err)
			}
		})
		n.ok(l.Cancel(t.Context()))
		wg.Wait()
		if list, err := n.Procs(t.Context()); err != nil || len(list) != 0 {
			t.Fatal("it came back:", namesOf(list), err)
		}
	}
}

// No claim is made after Cancel has returned, not for a named proc either, and none
// is left open that nobody was given.
func TestLiveNoClaimAfterCancel(t *testing.T) {
	n := newLab(t, nil)
	for range 1000 {
		l := n.live(pipeproc.LiveOptions{Name: "mine", Topic: "t"})
		begin := n.info("mine").LastClaimed
		last := begin // of what was delivered
		done := make(chan struct{})
		go func() {
			defer close(done)
			for c, err := range l.Claims(t.Context()) {
				if err == nil {
					last = c.Range
					_, err = l.Ack(t.Context())
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		}()
		committed := start(func() error {
			_, err := n.Commit(t.Context(), recordsOf("t", "0", "1", "2", "3")...)
			return err
		})
		n.ok(l.Cancel(t.Context()))
		before := n.info("mine").LastClaimed
		<-done
		<-committed.done
		n.ok(committed.err)
		after := n.info("mine")
		if after.LastClaimed != before {
			t.Fatalf("%v had been claimed when Cancel returned, now it is %v", before, after.LastClaimed)
		}
		if after.Claim != (pipeproc.Token{}) || last != before {
			t.Fatalf("a claim that nobody has: %+v", after)
		}
	}
}
