package behaviour_test

import (
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// stale checks that a token has no effect, neither on the proc nor on the records.
func (n *lab) stale(proc string, token pipeproc.Token) {
	n.t.Helper()
	ctx := n.t.Context()
	before, err := n.InspectProc(ctx, proc)
	n.ok(err)
	_, err = n.Ack(ctx, proc, token)
	wantCode(n.t, err, "claim_lost")
	_, _, err = n.AckCommit(ctx, proc, token, recordsOf("stale", "x")...)
	wantCode(n.t, err, "claim_lost")
	_, err = n.Reclaim(ctx, proc, token, "")
	wantCode(n.t, err, "claim_lost")
	if after := n.info(proc); after != before {
		n.t.Errorf("a stale token changed %+v to %+v", before, after)
	}
	n.wantTopic("stale")
}

func TestTokenAfterTimeout(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Second}}
		first := n.want(o, "0")
		pass(time.Second)
		n.stale("p", first.Token)
		n.want(o, "0")
		n.stale("p", first.Token)
	})
}

// A claim that is open stays open over a reopening, with its token; a stale
// token stays stale.
func TestTokenAcrossReopen(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		first := n.want(o, "0")
		n.reclaim("p")
		second := n.want(o, "0")
		n = reopen()
		n.stale("p", first.Token)
		n.want(o)
		_, err := n.Ack(t.Context(), "p", second.Token)
		n.ok(err)
		third := n.want(o, "1")
		if third.Token == first.Token || third.Token == second.Token {
			t.Errorf("token %v was there before", third.Token)
		}
		n.stale("p", first.Token)
		n.stale("p", second.Token)
		n = reopen()
		n.stale("p", second.Token)
		n.reclaim("p")
		n = reopen()
		n.stale("p", third.Token)
		n.want(o, "1")
		n.stale("p", third.Token)
	})
}

// A claim is not synced: a power cut may lose it, and then its token is stale,
// for the claim of the same records that follows as well.
func TestTokenOfClaimLostInAPowerCut(t *testing.T) {
	disk := vfs.NewCrash()
	n := openOn(t, disk, pipeproc.Options{})
	n.commit("t", "0")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	n.ensure(o)
	lost := n.want(o, "0")
	n = openOn(t, disk.Crash(func(vfs.Unit) bool { return false }), pipeproc.Options{})
	n.stale("p", lost.Token)
	again := n.want(o, "0")
	if again.Token == lost.Token || again.Attempt != 1 {
		t.Errorf("%+v", again)
	}
	n.stale("p", lost.Token)
}

// An acknowledged claim is as durable as the mode says: by default it survives a
// power cut.
func TestAckSurvivesAPowerCut(t *testing.T) {
	disk := vfs.NewCrash()
	n := openOn(t, disk, pipeproc.Options{})
	n.commit("t", "0", "1")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	c := n.want(o, "0")
	_, _, err := n.AckCommit(t.Context(), "p", c.Token, recordsOf("out", "x")...)
	n.ok(err)
	n = openOn(t, disk.Crash(func(vfs.Unit) bool { return false }), pipeproc.Options{})
	n.wantTopic("out", "x")
	n.stale("p", c.Token)
	n.want(o, "1")
}

// Whatever a power cut leaves: the ack is there if, and only if, its records
// are.
func TestAckCommitBothOrNeitherInAPowerCut(t *testing.T) {
	for seed := range uint64(40) {
		disk := vfs.NewCrash()
		n := openOn(t, disk, pipeproc.Options{Sync: pipeproc.SyncNever})
		n.commit("t", "0", "1", "2", "3", "4", "5", "6", "7")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		n.ensure(o)
		n.ok(n.Sync(t.Context()))
		for range 8 {
			c := n.claim(o)
			_, _, err := n.AckCommit(t.Context(), "p", c.Token, pipeproc.Record{Topic: "out", Body: c.Records[0].Body})
			n.ok(err)
		}
		cut := openOn(t, disk.Crash(vfs.RandomPick(seed, float64(seed%5)/4)), pipeproc.Options{})
		acked := cut.info("p").Next
		all := []string{"0", "1", "2", "3", "4", "5", "6", "7"}
		cut.wantTopic("out", all[:acked]...)
		n.shut()
		cut.shut()
	}
}
