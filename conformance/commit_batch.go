package conformance

import (
	"errors"
	"fmt"

	"github.com/pipeproc/pipeproc"
)

var batchTests = []test{
	{name: "batch gives ids and position", run: func(l *lab) {
		var b pipeproc.Batch
		last := uint64(0)
		for i := range 3 {
			b.Reset()
			l.ok(b.Add("a", []byte("x")))
			l.ok(b.Add("b", []byte("y")))
			l.ok(l.CommitBatch(l.ctx, &b))
			ids := b.IDs()
			if len(ids) != 2 || ids[0].Seq != uint64(i) || ids[1].Seq != uint64(i) || b.Len() != 2 {
				l.t.Errorf("%v", ids)
			}
			if b.Position() <= last {
				l.t.Errorf("position %d after %d", b.Position(), last)
			}
			last = b.Position()
		}
	}},
	{name: "batch can be committed again", run: func(l *lab) {
		var b pipeproc.Batch
		l.ok(b.Add("t", []byte("x")))
		for i := range 3 {
			l.ok(l.CommitBatch(l.ctx, &b))
			if b.IDs()[0].Seq != uint64(i) {
				l.t.Error(b.IDs())
			}
		}
		l.wantTopic("t", "x", "x", "x")
	}},
	{name: "batch records are whole", run: func(l *lab) {
		var b pipeproc.Batch
		l.ok(b.AddRecord(&pipeproc.Record{Topic: "t", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}}, Body: []byte("b")}))
		l.ok(l.CommitBatch(l.ctx, &b))
		if r := l.get("t", 0); string(r.Key) != "k" || header(r, "h") != "v" || string(r.Body) != "b" {
			l.t.Errorf("%+v", r)
		}
	}},
	{name: "batch without records", run: func(l *lab) {
		var b pipeproc.Batch
		l.wantErr(l.CommitBatch(l.ctx, &b), pipeproc.ErrUncommitted)
	}},
	{name: "batch with a bad topic fails as a whole", run: func(l *lab) {
		var b pipeproc.Batch
		_ = b.Add("t", []byte("x"))
		_ = b.Add("bad topic", []byte("x")) // its error is left to the commit
		l.wantErr(l.CommitBatch(l.ctx, &b), pipeproc.ErrInvalidTopicFormat)
		l.wantTopic("t")
		b.Reset()
		l.ok(b.Add("t", []byte("y")))
		l.ok(l.CommitBatch(l.ctx, &b))
		l.wantTopic("t", "y")
	}},
	{name: "batch of nothing but a bad topic", run: func(l *lab) {
		var b pipeproc.Batch
		_ = b.Add("bad topic", []byte("x"))
		l.wantErr(l.CommitBatch(l.ctx, &b), pipeproc.ErrInvalidTopicFormat)
	}},
	{name: "durabilities", run: func(l *lab) {
		for i, d := range []pipeproc.Durability{pipeproc.ByMode, pipeproc.Durable, pipeproc.Buffered} {
			b := pipeproc.Batch{Durability: d}
			l.ok(b.Add("t", []byte("x")))
			l.ok(l.CommitBatch(l.ctx, &b))
			if b.IDs()[0].Seq != uint64(i) {
				l.t.Error(b.IDs())
			}
		}
	}},
	{name: "conditional commit", run: func(l *lab) {
		var b pipeproc.Batch
		add := func(next uint64, body string) error {
			b.Reset()
			l.ok(b.Expect("t", next))
			l.ok(b.Add("t", []byte(body)))
			return l.CommitBatch(l.ctx, &b)
		}
		l.ok(add(0, "0")) // a topic that does not exist yet
		l.ok(add(1, "1"))
		l.commit("t", "2")
		l.wantErr(add(2, "x"), pipeproc.ErrConflict)
		l.wantErr(add(9, "x"), pipeproc.ErrConflict)
		l.ok(add(3, "3"))
		l.wantTopic("t", "0", "1", "2", "3")
	}},
	{name: "conflict says where the topic is", run: func(l *lab) {
		l.commit("t", "0", "1")
		var b pipeproc.Batch
		l.ok(b.Expect("t", 7))
		l.ok(b.Add("t", []byte("x")))
		err := l.CommitBatch(l.ctx, &b)
		if c, ok := errors.AsType[*pipeproc.ConflictError](err); !ok || c.Topic != "t" || c.Expect != 7 || c.Next != 2 {
			l.t.Errorf("%+v", err)
		}
	}},
	{name: "conflict commits nothing to other topics", run: func(l *lab) {
		l.commit("t", "0")
		var b pipeproc.Batch
		l.ok(b.Add("other", []byte("x")))
		l.ok(b.Expect("t", 0))
		l.wantErr(l.CommitBatch(l.ctx, &b), pipeproc.ErrConflict)
		l.wantTopic("other")
		l.wantTopic("t", "0")
	}},
	{name: "condition on a topic that is not written", run: func(l *lab) {
		l.commit("t", "0")
		var b pipeproc.Batch
		l.ok(b.Add("other", []byte("x")))
		l.ok(b.Expect("t", 1))
		l.ok(l.CommitBatch(l.ctx, &b))
		l.wantTopic("other", "x")
	}},
	{name: "condition after a prune and a deletion", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.ok(l.Prune(l.ctx, "t", 2))
		var b pipeproc.Batch
		l.ok(b.Expect("t", 2))
		l.ok(b.Add("t", []byte("2")))
		l.ok(l.CommitBatch(l.ctx, &b))
		l.ok(l.DeleteTopic(l.ctx, "t"))
		b.Reset()
		l.ok(b.Expect("t", 0))
		l.ok(b.Add("t", []byte("new")))
		l.ok(l.CommitBatch(l.ctx, &b))
		l.wantTopic("t", "new")
	}},
	{name: "one of many conditional commits wins", run: func(l *lab) {
		const writers, rounds = 3, 10
		var all []*result
		for range writers {
			all = append(all, l.start(func() error {
				for n := uint64(0); n < rounds; n++ {
					var b pipeproc.Batch
					if err := errors.Join(b.Expect("t", n), b.Add("t", fmt.Append(nil, n))); err != nil {
						return err
					}
					if err := l.CommitBatch(l.ctx, &b); err != nil && !errors.Is(err, pipeproc.ErrConflict) {
						return err
					}
				}
				return nil
			}))
		}
		for _, r := range all {
			l.ok(r.wait())
		}
		list := l.bodies("t")
		for i, body := range list {
			if body != fmt.Sprint(i) {
				l.t.Errorf("%q", list)
				break
			}
		}
		if len(list) != rounds {
			l.t.Errorf("%d records", len(list))
		}
	}},
}
