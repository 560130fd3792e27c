package behaviour_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// live makes a LiveProc.
func (n *lab) live(o pipeproc.LiveOptions) *pipeproc.LiveProc {
	n.t.Helper()
	l, err := n.OpenLiveProc(n.t.Context(), o)
	n.ok(err)
	return l
}

// wantNext takes the next claim of a LiveProc and checks its bodies.
func (n *lab) wantNext(l *pipeproc.LiveProc, bodies ...string) pipeproc.Claim {
	n.t.Helper()
	c, err := nextClaim(n.t.Context(), l)
	n.ok(err)
	n.wantBodies(c, bodies...)
	return c
}

// "live" begins when NewLiveProc has returned, not at the first look; "all"
// begins with the first record of the topic.
func TestLiveModes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "old")
		live := n.live(pipeproc.LiveOptions{Topic: "t"})
		all := n.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst, Count: 9})
		at := n.live(pipeproc.LiveOptions{Topic: "t", Offset: ":0", Count: 9})
		n.commit("t", "0", "1") // before anybody asked for anything
		n.wantNext(live, "0")
		n.wantNext(all, "old", "0", "1")
		n.wantNext(at, "0", "1")
		_, err := live.Ack(t.Context())
		n.ok(err)
		n.wantNext(live, "1")
	})
}

func TestLiveOnTopicThatDoesNotExist(t *testing.T) {
	for _, offset := range []string{pipeproc.OffsetNew, pipeproc.OffsetFirst} {
		bubble(t, nil, func(t *testing.T, n *lab) {
			l := n.live(pipeproc.LiveOptions{Topic: "t", Offset: offset})
			next := start(func() error {
				c, err := nextClaim(t.Context(), l)
				if err == nil {
					n.wantBodies(c, "0")
				}
				return err
			})
			if next.over() {
				t.Error("there is no topic")
			}
			n.commit("t", "0")
			if !next.over() || next.err != nil {
				t.Error("not woken", next.err)
			}
		})
	}
}

// Ack, AckCommit and Reclaim act on the latest claim, and on no other.
func TestLiveAckAndReclaim(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2")
		l := n.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst, Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Second}})
		_, err := l.Ack(t.Context())
		wantCode(t, err, "invalid_ack")
		c := n.wantNext(l, "0")
		_, err = l.Reclaim(t.Context(), "not now")
		n.ok(err)
		again := n.wantNext(l, "0")
		if again.Attempt != 2 || again.Token == c.Token {
			t.Errorf("%+v", again)
		}
		r, err := l.Ack(t.Context())
		if err != nil || r != again.Range {
			t.Error(r, err)
		}
		_, err = l.Ack(t.Context())
		wantCode(t, err, "claim_lost")
		n.wantNext(l, "1")
		r, ids, err := l.AckCommit(t.Context(), recordsOf("out", "x")...)
		if err != nil || len(ids) != 1 || r.First.Seq != 1 {
			t.Error(r, ids, err)
		}
		n.wantTopic("out", "x")
		n.wantNext(l, "2")
		pass(time.Second) // timed out: somebody else may have it by now
		_, err = l.Ack(t.Context())
		wantCode(t, err, "claim_lost")
		_, _, err = l.AckCommit(t.Context(), recordsOf("out", "y")...)
		wantCode(t, err, "claim_lost")
		_, err = l.Reclaim(t.Context(), "")
		wantCode(t, err, "claim_lost")
		n.wantTopic("out", "x")
		n.wantNext(l, "2")
	})
}

// While a claim is open nothing else comes; the timeout frees it.
func TestLiveWaitsForTheAck(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		l := n.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst})
		n.wantNext(l, "0")
		next := start(func() error {
			n.wantNext(l, "0")
			return nil
		})
		pass(9 * time.Second)
		if next.over() {
			t.Error("a second claim")
		}
		pass(time.Second)
		if !next.over() {
			t.Error("the timeout does not free it")
		}
	})
}

func TestLiveDisableAndResume(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		l := n.live(pipeproc.LiveOptions{Topic: "t"})
		i, err := l.Disable(t.Context())
		if err != nil || !i.Disabled {
			t.Errorf("%+v, %v", i, err)
		}
		n.commit("t", "0")
		next := start(func() error {
			n.wantNext(l, "0")
			return nil
		})
		pass(time.Hour)
		if next.over() {
			t.Error("delivered while disabled")
		}
		i, err = l.Resume(t.Context())
		if err != nil || i.Disabled {
			t.Errorf("%+v, %v", i, err)
		}
		if !next.over() {
			t.Error("not delivered")
		}
	})
}

// Next ends with its context, with the LiveProc, and with the node.
func TestLiveNextEnds(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		l := n.live(pipeproc.LiveOptions{Topic: "t"})
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		next := start(func() error { _, err := nextClaim(ctx, l); return err })
		if next.over() {
			t.Fatal("there is nothing")
		}
		cancel(cause)
		if !next.over() || !errors.Is(next.err, cause) {
			t.Error(next.err)
		}
		next = start(func() error { _, err := nextClaim(t.Context(), l); return err })
		if next.over() {
			t.Fatal("there is nothing")
		}
		n.ok(l.Cancel(t.Context()))
		if !next.over() {
			t.Fatal("it waits on")
		}
		wantCode(t, next.err, "closed")
		_, err := nextClaim(t.Context(), l)
		wantCode(t, err, "closed")
		l = n.live(pipeproc.LiveOptions{Topic: "t"})
		next = start(func() error { _, err := nextClaim(t.Context(), l); return err })
		if next.over() {
			t.Fatal("there is nothing")
		}
		n.shut()
		if !next.over() {
			t.Fatal("it waits on")
		}
		wantCode(t, next.err, "closed")
	})
}
