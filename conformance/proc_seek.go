package conformance

import (
	"github.com/pipeproc/pipeproc"
)

var seekTests = []test{
	{name: "seek back and forth", run: func(l *lab) {
		ids := l.offsetTopic()
		o := procOn("t")
		l.ensure(o)
		for _, c := range []struct{ offset, first string }{
			{":3", "4"}, {">", "0"}, {"$>", ""}, {"#0", "1"}, {"@3", "3"}, {"@5+1", ""}, {"0", "0"}, {":5", ""}, {"", "0"},
		} {
			l.seek("p", expand(ids, c.offset))
			if first := l.first(o); first != c.first {
				l.t.Errorf("%q: %q, want %q", c.offset, first, c.first)
			}
			if i := l.info("p"); i.Skipped != 0 {
				l.t.Errorf("%q: a seek skips nothing by force: %+v", c.offset, i)
			}
		}
	}},
	{name: "seek loses the claim", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		o := procOn("t")
		l.claim(o)
		l.reclaim("p")
		c := l.want(o, "0")
		if i := l.seek("p", ":1"); i.Claim != (pipeproc.Token{}) || i.Next != 2 || i.Reclaims != 0 || i.Pending != 1 || i != l.info("p") {
			l.t.Errorf("%+v", i)
		}
		l.stale("p", c.Token)
		if again := l.want(o, "2"); again.Attempt != 1 {
			l.t.Errorf("attempt %d", again.Attempt)
		}
	}},
	{name: "seek wakes", run: func(l *lab) {
		l.commit("t", "0")
		l.claimAck(procOn("t"), 1)
		work := l.start(func() error { return l.WaitForWork(l.ctx, "p") })
		l.commit("other", "x")
		work.pending("there is no work")
		l.seek("p", ">")
		l.ok(work.wait())
		wait := l.start(func() error { return l.WaitForProcs(l.ctx) })
		l.commit("other", "x")
		wait.pending("there is work")
		l.seek("p", "$>")
		l.ok(wait.wait())
	}},
	{name: "seek refused", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		c := l.claim(procOn("t"))
		before := l.info("p")
		for offset, want := range map[string]error{":3": pipeproc.ErrInvalidSequence, "x": pipeproc.ErrInvalidRangeOffset, "5:3": pipeproc.ErrInvalidRangeOffset} {
			_, err := l.SeekProc(l.ctx, "p", offset)
			l.wantErr(err, want)
		}
		if after := l.info("p"); after != before || after.Claim != c.Token {
			l.t.Errorf("changed from %+v to %+v", before, after)
		}
		l.ensure(pipeproc.ProcOptions{Name: "q", Topic: "nowhere"})
		_, err := l.SeekProc(l.ctx, "q", ":0")
		l.wantErr(err, pipeproc.ErrInvalidTopic)
		l.seek("q", "$>")
	}},
	{name: "seek of a disabled proc", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		l.ensure(procOn("t"))
		l.disable("p")
		if i := l.seek("p", ":0"); !i.Disabled {
			l.t.Errorf("%+v", i)
		}
		_, err := l.Claim(l.ctx, procOn("t"))
		l.wantErr(err, pipeproc.ErrProcDisabled)
		l.resume("p")
		l.want(procOn("t"), "1")
	}},
	{name: "seek on a pruned topic", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		o := procOn("t")
		o.Count = -1
		l.claimAck(o, 1)
		l.ok(l.Prune(l.ctx, "t", 2))
		l.seek("p", ">")
		if c := l.want(o, "2", "3"); c.Skipped != 0 {
			l.t.Errorf("skipped %d", c.Skipped)
		}
		_, err := l.SeekProc(l.ctx, "p", ":1")
		l.wantErr(err, pipeproc.ErrInvalidSequence, ":2")
	}},
}
