package pipeproc_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// Ack returns the range, also of one record, and the proc goes on behind it.
// client/proc #4; node/proc #5, #6, #14, #17
func TestAckReturnsTheRange(t *testing.T) {
	n := newLab(t, nil)
	ids := n.commit("t", "0", "1", "2")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	c := n.want(o, "0")
	r, err := n.Ack(t.Context(), "p", c.Token)
	n.ok(err)
	if r != c.Range || r.String() != ids[0].String()+".."+ids[0].String() || r.Count != 1 {
		t.Errorf("acked %v of %d", r, r.Count)
	}
	o.Count = 5
	n.want(o, "1", "2")
	if r := n.ack("p"); r.First != ids[1] || r.Last != ids[2] || r.Count != 2 {
		t.Errorf("acked %v of %d", r, r.Count)
	}
}

// Without an open claim there is nothing to acknowledge, and nothing happens:
// never claimed, acknowledged already, given back.
func TestAckWithoutClaim(t *testing.T) {
	n := newLab(t, nil)
	_, err := n.Ack(t.Context(), "p", pipeproc.Token{})
	wantCode(t, err, "invalid_proc", `"p"`)
	n.commit("t", "0", "1", "2")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	n.ensure(o)
	refused := func() {
		t.Helper()
		before := n.info("p")
		_, err := n.Ack(t.Context(), "p", pipeproc.Token{})
		wantCode(t, err, "invalid_ack")
		_, _, err = n.AckCommit(t.Context(), "p", pipeproc.Token{}, recordsOf("out", "x")...)
		wantCode(t, err, "invalid_ack_or_commit")
		if after := n.info("p"); after != before {
			t.Errorf("changed from %+v to %+v", before, after)
		}
	}
	refused()
	n.want(o, "0")
	n.ack("p")
	refused()
	n.want(o, "1")
	n.reclaim("p")
	refused()
	if i := n.info("p"); i.Reclaims != 1 {
		t.Errorf("%d reclaims, want 1", i.Reclaims)
	}
	n.wantTopic("out")
}

// A claim of a disabled proc can still be acknowledged.
func TestAckOfDisabledProc(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	n.want(o, "0")
	n.disable("p")
	n.ack("p")
	n.resume("p")
	n.want(o, "1")
	n.disable("p")
	_, _, err := n.AckCommit(t.Context(), "p", pipeproc.Token{}, recordsOf("out", "x")...)
	n.ok(err)
	n.wantTopic("out", "x")
}

// client/proc #5; node/ackCommitLog #1, #2, #5
func TestAckCommitReturnsRangeAndIDs(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1")
	n.commit("a", "old")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	c := n.want(o, "0")
	recs := slices.Concat(recordsOf("a", "x"), recordsOf("b", "y"), recordsOf("a", "z"))
	r, ids, err := n.AckCommit(t.Context(), "p", c.Token, recs...)
	n.ok(err)
	if r != c.Range || len(ids) != 3 || ids[0].Seq != 1 || ids[1].Seq != 0 || ids[2].Seq != 2 {
		t.Errorf("acked %v, committed %v", r, ids)
	}
	n.wantTopic("a", "old", "x", "z")
	n.wantTopic("b", "y")
	n.want(o, "1")
}

// AckCommit into the topic that the proc reads: it gets what it wrote.
func TestAckCommitIntoItsOwnTopic(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	c := n.want(o, "0")
	_, _, err := n.AckCommit(t.Context(), "p", c.Token, recordsOf("t", "1")...)
	n.ok(err)
	n.want(o, "1")
}

// Q16, node/ackCommitLog #3: refused for whatever reason, neither half happens.
func TestAckCommitBothOrNeither(t *testing.T) {
	n := newLab(t, &pipeproc.Options{MaxBody: 1000})
	n.commit("t", "0", "1")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	c := n.want(o, "0")
	before := n.info("p")
	out := recordsOf("out", "x")
	for _, k := range []struct {
		code  string
		proc  string
		token pipeproc.Token
		recs  []pipeproc.Record
	}{
		{"invalid_proc", "q", pipeproc.Token{}, out},
		{"claim_lost", "p", pipeproc.Token{Epoch: c.Token.Epoch, Serial: c.Token.Serial + 1}, out},
		{"uncommited", "p", c.Token, nil},
		{"invalid_topic_format", "p", c.Token, append(recordsOf("out", "x"), recordsOf("a b", "x")...)},
		{"too_large", "p", c.Token, append(recordsOf("out", "x"), recordsOf("out", strings.Repeat("x", 1001))...)},
	} {
		_, ids, err := n.AckCommit(t.Context(), k.proc, k.token, k.recs...)
		wantCode(t, err, k.code)
		if ids != nil {
			t.Errorf("%s: ids %v", k.code, ids)
		}
		if after := n.info("p"); after != before {
			t.Errorf("%s: changed from %+v to %+v", k.code, before, after)
		}
	}
	n.wantTopic("out")
	_, _, err := n.AckCommit(t.Context(), "p", c.Token, out...)
	n.ok(err)
	n.wantTopic("out", "x")
}

// A conditional batch that comes too late acknowledges nothing.
func TestAckCommitBatchConflict(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	n.commit("out", "there")
	c := n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "0")
	var b pipeproc.Batch
	n.ok(b.Expect("out", 0))
	n.ok(b.Add("out", []byte("x")))
	_, err := n.AckCommitBatch(t.Context(), "p", c.Token, &b)
	wantCode(t, err, "conflict")
	if i := n.info("p"); i.Claim != c.Token {
		t.Errorf("acknowledged: %+v", i)
	}
	n.wantTopic("out", "there")
	b.Reset()
	n.ok(b.Expect("out", 1))
	n.ok(b.Add("out", []byte("x")))
	r, err := n.AckCommitBatch(t.Context(), "p", c.Token, &b)
	n.ok(err)
	if r != c.Range || len(b.IDs()) != 1 || b.IDs()[0].Seq != 1 {
		t.Errorf("%v, %v", r, b.IDs())
	}
	// The batch is free for an ordinary commit again.
	b.Reset()
	n.ok(b.Add("out", []byte("y")))
	n.ok(n.CommitBatch(t.Context(), &b))
	n.wantTopic("out", "there", "x", "y")
}

// Both or neither across a crash, too: after each AckCommit of a chain of procs
// the disk holds each record in exactly one place.
func TestAckCommitBothOrNeitherAfterKill(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1", "2", "3")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		for i := range 4 {
			c := n.claim(o)
			_, _, err := n.AckCommit(t.Context(), "p", c.Token, pipeproc.Record{Topic: "out", Body: c.Records[0].Body})
			n.ok(err)
			n = reopen()
			if p := n.info("p"); p.Next != uint64(i+1) || p.LastAcked != c.Range {
				t.Errorf("%+v", p)
			}
		}
		n.wantTopic("out", "0", "1", "2", "3")
		n.want(o)
	})
}
