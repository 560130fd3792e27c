package conformance

import (
	"slices"
	"strings"

	"github.com/pipeproc/pipeproc"
)

var ackTests = []test{
	{name: "returns the range", run: func(l *lab) {
		ids := l.commit("t", "0", "1", "2")
		o := procOn("t")
		c := l.want(o, "0")
		r, err := l.Ack(l.ctx, "p", c.Token)
		l.ok(err)
		if r != c.Range || r.String() != ids[0].String()+".."+ids[0].String() || r.Count != 1 {
			l.t.Errorf("acked %v of %d", r, r.Count)
		}
		o.Count = 5
		l.want(o, "1", "2")
		if r := l.ack("p"); r.First != ids[1] || r.Last != ids[2] || r.Count != 2 {
			l.t.Errorf("acked %v of %d", r, r.Count)
		}
	}},
	{name: "without a claim", run: func(l *lab) {
		_, err := l.Ack(l.ctx, "p", pipeproc.Token{})
		l.wantErr(err, pipeproc.ErrInvalidProc, `"p"`)
		l.commit("t", "0", "1", "2")
		o := procOn("t")
		l.ensure(o)
		refused := func(what string) {
			l.t.Helper()
			before := l.info("p")
			_, err := l.Ack(l.ctx, "p", pipeproc.Token{})
			l.wantErr(err, pipeproc.ErrInvalidAck)
			_, _, err = l.AckCommit(l.ctx, "p", pipeproc.Token{}, recordsOf("out", "x")...)
			l.wantErr(err, pipeproc.ErrInvalidAckCommit)
			if after := l.info("p"); after != before {
				l.t.Errorf("%s: changed from %+v to %+v", what, before, after)
			}
		}
		refused("never claimed")
		l.want(o, "0")
		l.ack("p")
		refused("acknowledged")
		l.want(o, "1")
		l.reclaim("p")
		refused("given back")
		if i := l.info("p"); i.Reclaims != 1 {
			l.t.Errorf("%d reclaims, want 1", i.Reclaims)
		}
		l.wantTopic("out")
	}},
	{name: "of a disabled proc", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := procOn("t")
		l.want(o, "0")
		l.disable("p")
		l.ack("p")
		l.resume("p")
		l.want(o, "1")
		l.disable("p")
		l.ackCommit("p", "out", "x")
		l.wantTopic("out", "x")
	}},
	{name: "with records returns range and ids", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.commit("a", "old")
		o := procOn("t")
		c := l.want(o, "0")
		r, ids, err := l.AckCommit(l.ctx, "p", c.Token, slices.Concat(recordsOf("a", "x"), recordsOf("b", "y"), recordsOf("a", "z"))...)
		l.ok(err)
		if r != c.Range || len(ids) != 3 || ids[0].Seq != 1 || ids[1].Seq != 0 || ids[2].Seq != 2 || ids[0].Millis != ids[2].Millis {
			l.t.Errorf("acked %v, committed %v", r, ids)
		}
		l.wantTopic("a", "old", "x", "z")
		l.wantTopic("b", "y")
		l.want(o, "1")
	}},
	{name: "with records into its own topic", run: func(l *lab) {
		l.commit("t", "0")
		l.want(procOn("t"), "0")
		l.ackCommit("p", "t", "1")
		l.want(procOn("t"), "1")
	}},
	{name: "with records, both or neither", o: Options{MaxBody: 1000}, run: func(l *lab) {
		l.commit("t", "0", "1")
		c := l.want(procOn("t"), "0")
		before := l.info("p")
		out := recordsOf("out", "x")
		for _, k := range []struct {
			err   error
			proc  string
			token pipeproc.Token
			recs  []pipeproc.Record
		}{
			{pipeproc.ErrInvalidProc, "q", pipeproc.Token{}, out},
			{pipeproc.ErrInvalidProc, "", pipeproc.Token{}, out},
			{pipeproc.ErrClaimLost, "p", pipeproc.Token{Epoch: c.Token.Epoch, Serial: c.Token.Serial + 1}, out},
			{pipeproc.ErrUncommitted, "p", c.Token, nil},
			{pipeproc.ErrInvalidTopicFormat, "p", c.Token, append(recordsOf("out", "x"), recordsOf("a b", "x")...)},
			{pipeproc.ErrTooLarge, "p", c.Token, append(recordsOf("out", "x"), recordsOf("out", strings.Repeat("x", 1001))...)},
		} {
			r, ids, err := l.AckCommit(l.ctx, k.proc, k.token, k.recs...)
			l.wantErr(err, k.err)
			if len(ids) != 0 || !r.Empty() {
				l.t.Errorf("%v: range %v, ids %v", k.err, r, ids)
			}
			if after := l.info("p"); after != before {
				l.t.Errorf("%v: changed from %+v to %+v", k.err, before, after)
			}
		}
		l.wantTopic("out")
		_, _, err := l.AckCommit(l.ctx, "p", c.Token, out...)
		l.ok(err)
		l.wantTopic("out", "x")
	}},
	{name: "with a batch that comes too late", run: func(l *lab) {
		l.commit("t", "0")
		l.commit("out", "there")
		c := l.want(procOn("t"), "0")
		var b pipeproc.Batch
		l.ok(b.Expect("out", 0))
		l.ok(b.Add("out", []byte("x")))
		_, err := l.AckCommitBatch(l.ctx, "p", c.Token, &b)
		l.wantErr(err, pipeproc.ErrConflict)
		if i := l.info("p"); i.Claim != c.Token {
			l.t.Errorf("acknowledged: %+v", i)
		}
		l.wantTopic("out", "there")
		b.Reset()
		l.ok(b.Expect("out", 1))
		l.ok(b.Add("out", []byte("x")))
		r, err := l.AckCommitBatch(l.ctx, "p", c.Token, &b)
		l.ok(err)
		if r != c.Range || len(b.IDs()) != 1 || b.IDs()[0].Seq != 1 {
			l.t.Errorf("%v, %v", r, b.IDs())
		}
		// The batch is free for an ordinary commit again.
		b.Reset()
		l.ok(b.Add("out", []byte("y")))
		l.ok(l.CommitBatch(l.ctx, &b))
		l.wantTopic("out", "there", "x", "y")
	}},
	{name: "with an empty batch", run: func(l *lab) {
		l.commit("t", "0")
		c := l.want(procOn("t"), "0")
		var b pipeproc.Batch
		_, err := l.AckCommitBatch(l.ctx, "p", c.Token, &b)
		l.wantErr(err, pipeproc.ErrUncommitted)
		l.ack("p")
	}},
	{name: "with records in sight of a reader", run: func(l *lab) {
		// A reader that sees the proc's new position also finds what was committed
		// with it.
		const total = 50
		for range total {
			l.commit("t", "x")
		}
		l.ensure(procOn("t"))
		worker := l.start(func() error {
			for range total {
				c, err := l.Claim(l.ctx, procOn("t"))
				if err == nil {
					_, _, err = l.AckCommit(l.ctx, "p", c.Token, recordsOf("out", "x")...)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		l.eventually("all of it is acknowledged", func() bool {
			next := l.info("p").Next
			if out := uint64(len(l.bodies("out"))); out < next {
				l.t.Fatalf("%d are acknowledged and %d records came of them", next, out)
			}
			return next == total
		})
		l.ok(worker.wait())
	}},
}

var tokenTests = []test{
	{name: "token after a reclaim", run: func(l *lab) {
		l.commit("t", "0")
		o := procOn("t")
		first := l.want(o, "0")
		l.reclaim("p")
		l.stale("p", first.Token)
		second := l.want(o, "0")
		l.stale("p", first.Token)
		_, err := l.Ack(l.ctx, "p", second.Token)
		l.ok(err)
		l.stale("p", first.Token)
		l.stale("p", second.Token) // acknowledged already
	}},
	{name: "token after a timeout", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: short, MaxReclaims: -1}}
		first := l.want(o, "0")
		l.eventually("it is taken back", func() bool { return l.info("p").Reclaims == 1 })
		l.stale("p", first.Token)
	}},
	{name: "token after a destruction", run: func(l *lab) {
		l.commit("t", "0")
		o := procOn("t")
		first := l.want(o, "0")
		l.destroy("p")
		_, err := l.Ack(l.ctx, "p", first.Token)
		l.wantErr(err, pipeproc.ErrInvalidProc)
		l.ensure(o)
		l.stale("p", first.Token)
		l.want(o, "0")
		l.stale("p", first.Token)
	}},
	{name: "token of another proc", run: func(l *lab) {
		l.commit("t", "0")
		a := l.want(pipeproc.ProcOptions{Name: "a", Topic: "t"}, "0")
		b := l.want(pipeproc.ProcOptions{Name: "b", Topic: "t"}, "0")
		if a.Token == b.Token {
			l.t.Error("two claims have one token", a.Token)
		}
		l.stale("a", b.Token)
		l.stale("b", a.Token)
		l.stale("a", pipeproc.Token{Epoch: 1 << 63, Serial: 1})
	}},
	{name: "token after a seek", run: func(l *lab) {
		l.commit("t", "0", "1")
		first := l.want(procOn("t"), "0")
		l.seek("p", ">")
		l.stale("p", first.Token)
		l.want(procOn("t"), "0")
		l.stale("p", first.Token)
	}},
	{name: "tokens are never used again", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		seen := map[pipeproc.Token]bool{}
		for i := range 12 {
			c := l.claim(procOn("t"))
			if seen[c.Token] || c.Token == (pipeproc.Token{}) {
				l.t.Errorf("claim %d: token %v", i, c.Token)
			}
			seen[c.Token] = true
			switch i % 3 {
			case 0:
				l.reclaim("p")
			case 1:
				l.seek("p", ">")
			case 2:
				l.destroy("p")
			}
		}
	}},
}
