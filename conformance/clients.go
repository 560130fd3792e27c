package conformance

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/pipeproc/pipeproc"
)

// Tests of two clients of one store, l and k.
var clientTests = []test{
	{name: "one sees what the other commits", run: func(l *lab) {
		k := l.another()
		id := l.commit("t", "0")[0]
		if r := k.get("t", 0); r.ID != id {
			l.t.Errorf("%+v", r)
		}
		k.commit("t", "1")
		l.wantTopic("t", "0", "1")
		k.wantTopic("t", "0", "1")
		l.ok(k.DeleteTopic(k.ctx, "t"))
		l.wantTopic("t")
	}},
	{name: "one follows what the other commits", run: func(l *lab) {
		k := l.another()
		r := k.follow("t", 0, 3)
		for i := range 3 {
			l.commit("t", fmt.Sprint(i))
		}
		l.ok(r.wait())
	}},
	{name: "one waits for what the other does", run: func(l *lab) {
		k := l.another()
		l.ensure(procOn("t"))
		record, work := k.start(func() error { return k.WaitForRecord(k.ctx, "t", 0) }), k.works()
		l.commit("t", "0")
		l.ok(record.wait())
		l.ok(work.wait())
		done := k.waitsFor("p")
		l.commit("other", "x")
		done.pending("it is not acknowledged")
		l.claimAck(procOn("t"), 1)
		l.ok(done.wait())
	}},
	{name: "claims are of the store, not of the client", run: func(l *lab) {
		k := l.another()
		l.commit("t", "0", "1")
		o := procOn("t")
		c := l.want(o, "0")
		k.want(o)
		_, err := k.Ack(k.ctx, "p", c.Token)
		l.ok(err)
		k.want(o, "1")
		l.want(o)
		l.reclaim("p")
		l.want(o, "1")
	}},
	{name: "a proc that the other destroys", run: func(l *lab) {
		k := l.another()
		l.commit("t", "0", "1")
		o := procOn("t")
		l.claimAck(o, 1)
		k.destroy("p")
		_, err := l.Ack(l.ctx, "p", pipeproc.Token{})
		l.wantErr(err, pipeproc.ErrInvalidProc)
		l.want(o, "0") // made again
	}},
	{name: "a proc that the other makes on another topic", run: func(l *lab) {
		k := l.another()
		l.commit("t", "0")
		l.commit("u", "0")
		l.claim(procOn("t"))
		k.destroy("p")
		k.ensure(procOn("u"))
		_, err := l.Claim(l.ctx, procOn("t"))
		l.wantErr(err, pipeproc.ErrProcNameNotUnique)
		if i := k.info("p"); !i.LastClaimedAt.IsZero() {
			l.t.Errorf("claimed all the same: %+v", i)
		}
	}},
	{name: "a proc that the other disables", run: func(l *lab) {
		k := l.another()
		l.commit("t", "0")
		l.ensure(procOn("t"))
		k.disable("p")
		_, err := l.Claim(l.ctx, procOn("t"))
		l.wantErr(err, pipeproc.ErrProcDisabled)
		k.resume("p")
		l.want(procOn("t"), "0")
	}},
	{name: "a live proc of one and commits of the other", run: func(l *lab) {
		k := l.another()
		p := k.live(pipeproc.LiveOptions{Topic: "t", Count: 5})
		c := k.changes(p)
		l.commit("t", "0", "1")
		l.commit("t", "2")
		c.comes("0", "1", "2")
		if i := l.info(p.Name()); i.Topic != "t" || !i.Ephemeral {
			l.t.Errorf("%+v", i)
		}
		l.ok(p.Cancel(k.ctx))
		l.ok(c.wait())
	}},
	{name: "a system proc that runs at one and is fed by the other", run: func(l *lab) {
		k := l.another()
		l.runS(through)
		for i := range 10 {
			k.commit("t", fmt.Sprint(i))
		}
		l.ok(k.WaitForProcs(k.ctx, "s"))
		k.wantTopic("u", l.bodies("t")...)
		if s := k.systems(); len(s) != 1 || s[0].Name != "s" {
			l.t.Errorf("%+v", s)
		}
		l.eventually("the other knows that it runs", func() bool { return k.info("s").Waiting == "" && k.systems()[0].Running })
	}},
	{name: "a system proc that one defines and the other runs", run: func(l *lab) {
		k := l.another()
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, ProcessorName: "fn"})
		l.commit("t", "0")
		l.ok(k.Register("fn", through))
		l.settled()
		l.wantTopic("u", "0")
	}},
	{name: "a system proc that both run", run: func(l *lab) {
		k := l.another()
		var runs [2]atomic.Int64
		for i, c := range []*lab{l, k} {
			c.runS(func(_ context.Context, w *pipeproc.Work) error {
				runs[i].Add(1)
				for _, r := range w.Records() {
					w.EmitRecord(r)
				}
				return nil
			})
		}
		for i := range 20 {
			l.commit("t", fmt.Sprint(i))
		}
		l.settled()
		l.wantTopic("u", l.bodies("t")...)
		if n := runs[0].Load() + runs[1].Load(); n != 20 {
			l.t.Errorf("%d runs", n)
		}
	}},
	{name: "conditional commits of both", run: func(l *lab) {
		k := l.another()
		var a, b pipeproc.Batch
		l.ok(a.Expect("t", 0))
		l.ok(a.Add("t", []byte("a")))
		l.ok(b.Expect("t", 0))
		l.ok(b.Add("t", []byte("b")))
		l.ok(l.CommitBatch(l.ctx, &a))
		l.wantErr(k.CommitBatch(k.ctx, &b), pipeproc.ErrConflict)
		l.wantTopic("t", "a")
	}},
	{name: "topics, retention and definitions are of the store", run: func(l *lab) {
		k := l.another()
		l.create("t")
		l.retain("t", pipeproc.Retention{GC: pipeproc.SwitchOff})
		k.wantRetention("t", pipeproc.Retention{GC: pipeproc.SwitchOff})
		l.wantErr(k.CreateTopic(k.ctx, "t", pipeproc.TopicOptions{}), pipeproc.ErrTopicExists)
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}})
		_, err := k.DefineSystemProc(k.ctx, pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 5})
		l.wantErr(err, pipeproc.ErrProcDiffers)
	}},
}
