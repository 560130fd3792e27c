package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/pipeproc/pipeproc"
)

var readTests = []test{
	{name: "get each record", run: func(l *lab) {
		ids := l.commit("t", "0", "1", "2")
		for i, id := range ids {
			if r := l.get("t", uint64(i)); r.ID != id || r.Topic != "t" || string(r.Body) != fmt.Sprint(i) {
				l.t.Errorf("%+v", r)
			}
		}
	}},
	{name: "get what is not there", run: func(l *lab) {
		l.commit("t", "0")
		for _, seq := range []uint64{1, 99, 1<<64 - 1} {
			_, err := l.Get(l.ctx, "t", seq)
			l.wantErr(err, pipeproc.ErrInvalidSequence)
		}
		l.create("empty")
		_, err := l.Get(l.ctx, "empty", 0)
		l.wantErr(err, pipeproc.ErrInvalidSequence)
	}},
	{name: "records are the caller's", run: func(l *lab) {
		_, err := l.Commit(l.ctx, pipeproc.Record{Topic: "t", Key: []byte("key"), Body: []byte("body"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("value")}}},
			pipeproc.Record{Topic: "t", Key: []byte("key"), Body: []byte("next")})
		l.ok(err)
		spoil := func(r pipeproc.Record) {
			_ = append(r.Body, "0123456789"...) // must reach nothing beside it
			_ = append(r.Key, "0123456789"...)
			for _, h := range r.Headers {
				copy(h.Value, "xxxxx")
			}
			copy(r.Body, "xxxx")
			copy(r.Key, "xxx")
		}
		check := func(what string, list ...pipeproc.Record) {
			l.t.Helper()
			a, b := list[0], list[1]
			if string(a.Key) != "key" || string(a.Body) != "body" || header(a, "h") != "value" || string(b.Key) != "key" || string(b.Body) != "next" {
				l.t.Errorf("%s: %+v, %+v", what, a, b)
			}
			_ = append(a.Body, "0123456789"...)
			_ = append(a.Key, "0123456789"...)
			if string(a.Key) != "key" || string(a.Body) != "body" || header(a, "h") != "value" || string(b.Key) != "key" || string(b.Body) != "next" {
				l.t.Errorf("%s: appending to one changes another: %+v, %+v", what, a, b)
			}
			spoil(a)
			if string(b.Key) != "key" || string(b.Body) != "next" {
				l.t.Errorf("%s: changing one changes another: %+v", what, b)
			}
		}
		for range 2 {
			check("Range", l.records("t")...)
			check("Get", l.get("t", 0), l.get("t", 1))
			var back []pipeproc.Record
			for r, err := range l.Range(l.ctx, "t", pipeproc.RangeOptions{Reverse: true}) {
				l.ok(err)
				back = append([]pipeproc.Record{r}, back...)
			}
			check("RevRange", back...)
			check("Proc", l.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2}).Records...)
			l.reclaim("p")
		}
	}},
	{name: "length is what can be read", run: func(l *lab) {
		l.create("t")
		for i := range 4 {
			if n := l.length("t"); n != uint64(i) {
				l.t.Errorf("%d, want %d", n, i)
			}
			l.commit("t", "x")
		}
		l.ok(l.Prune(l.ctx, "t", 3))
		if n := l.length("t"); n != 1 {
			l.t.Error(n)
		}
	}},
	{name: "contexts that have ended", run: func(l *lab) {
		l.commit("t", "0")
		_, err := l.Get(ended(), "t", 0)
		if !errors.Is(err, context.Canceled) {
			l.t.Error("Get", err)
		}
		if _, err = l.Length(ended(), "t"); !errors.Is(err, context.Canceled) {
			l.t.Error("Length", err)
		}
		if _, err = l.Topic(ended(), "t"); !errors.Is(err, context.Canceled) {
			l.t.Error("Topic", err)
		}
		if _, err = l.Topics(ended()); !errors.Is(err, context.Canceled) {
			l.t.Error("Topics", err)
		}
		if err = l.WaitForRecord(ended(), "t", 9); !errors.Is(err, context.Canceled) {
			l.t.Error("WaitFor", err)
		}
		if err = l.Sync(ended()); err != nil && !errors.Is(err, context.Canceled) {
			l.t.Error("Sync", err)
		}
	}},
}

// follow reads k records from a sequence on.
func (l *lab) follow(topic string, from uint64, k int) *result {
	return l.start(func() error {
		next := from
		for r, err := range l.Follow(l.ctx, topic, from) {
			if err != nil {
				return err
			}
			if r.ID.Seq != next || r.Topic != topic || string(r.Body) != fmt.Sprint(next) {
				return fmt.Errorf("%v of %q with body %q, want sequence %d", r.ID, r.Topic, r.Body, next)
			}
			if next++; next == from+uint64(k) {
				return nil
			}
		}
		return errors.New("it has ended")
	})
}

var followTests = []test{
	{name: "follow what is there", run: func(l *lab) {
		l.six()
		l.ok(l.follow("t", 0, 6).wait())
		l.ok(l.follow("t", 4, 2).wait())
	}},
	{name: "follow what comes", run: func(l *lab) {
		l.six()
		r := l.follow("t", 3, 6)
		for i := 6; i < 9; i++ {
			r.pending(fmt.Sprint("before record ", i))
			l.commit("t", fmt.Sprint(i))
		}
		l.ok(r.wait())
	}},
	{name: "follow from the future", run: func(l *lab) {
		r := l.follow("t", 2, 1)
		l.commit("t", "0", "1")
		r.pending("before its record")
		l.commit("t", "2")
		l.ok(r.wait())
	}},
	{name: "follow a topic that does not exist yet", run: func(l *lab) {
		r := l.follow("t", 0, 2)
		l.commit("other", "x")
		l.create("t")
		r.pending("without records")
		l.commit("t", "0")
		l.commit("t", "1")
		l.ok(r.wait())
	}},
	{name: "follow a topic that cannot be", run: func(l *lab) {
		for _, err := range l.Follow(l.ctx, "bad topic", 0) {
			l.wantErr(err, pipeproc.ErrInvalidTopicFormat)
		}
		l.wantErr(l.WaitForRecord(l.ctx, "bad topic", 0), pipeproc.ErrInvalidTopicFormat)
	}},
	{name: "follow what was pruned", run: func(l *lab) {
		l.six()
		l.ok(l.Prune(l.ctx, "t", 4))
		var got []string
		for r, err := range l.Follow(l.ctx, "t", 1) {
			if err != nil {
				p, ok := errors.AsType[*pipeproc.PrunedError](err)
				if !ok || p.First != 4 || !errors.Is(err, pipeproc.ErrPruned) || len(got) != 0 {
					l.t.Fatalf("%v after %q", err, got)
				}
				got = append(got, "pruned")
				continue
			}
			if got = append(got, string(r.Body)); len(got) == 3 {
				break
			}
		}
		if fmt.Sprint(got) != "[pruned 4 5]" {
			l.t.Errorf("%q", got)
		}
	}},
	{name: "follow ends with its context", run: func(l *lab) {
		l.six()
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(l.ctx)
		defer cancel(nil)
		k, last := 0, error(nil)
		for _, err := range l.Follow(ctx, "t", 0) {
			if k, last = k+1, err; k == 6 {
				cancel(enough)
			}
		}
		if k != 7 || !errors.Is(last, enough) {
			l.t.Errorf("%d results, the last one %v", k, last)
		}
	}},
	{name: "follow ends with its context when there is more", run: func(l *lab) {
		for range 5 {
			recs := make([]pipeproc.Record, 200)
			for i := range recs {
				recs[i] = pipeproc.Record{Topic: "t", Body: []byte("x")}
			}
			_, err := l.Commit(l.ctx, recs...)
			l.ok(err)
		}
		ctx, cancel := context.WithCancel(l.ctx)
		defer cancel()
		k, last := 0, error(nil)
		for _, err := range l.Follow(ctx, "t", 0) {
			k, last = k+1, err
			cancel()
		}
		if k != 2 || !errors.Is(last, context.Canceled) {
			l.t.Errorf("%d results, the last one %v; want a record and the cause", k, last)
		}
	}},
	{name: "follow with a context that has ended", run: func(l *lab) {
		k := 0
		for _, err := range l.Follow(ended(), "t", 0) {
			if k++; !errors.Is(err, context.Canceled) {
				l.t.Error(err)
			}
		}
		if k != 1 {
			l.t.Errorf("%d results", k)
		}
	}},
	{name: "follow many at once", run: func(l *lab) {
		var all []*result
		for range 5 {
			all = append(all, l.follow("t", 0, 40))
		}
		for i := range 40 {
			l.commit("t", fmt.Sprint(i))
		}
		for _, r := range all {
			l.ok(r.wait())
		}
	}},
	{name: "wait for a record", run: func(l *lab) {
		r := l.start(func() error { return l.WaitForRecord(l.ctx, "t", 2) })
		l.commit("t", "0", "1")
		r.pending("before it was committed")
		l.commit("t", "2")
		l.ok(r.wait())
		l.ok(l.WaitForRecord(l.ctx, "t", 0))
		l.ok(l.WaitForRecord(l.ctx, "t", 2))
	}},
	{name: "wait ends with its context", run: func(l *lab) {
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(l.ctx)
		defer cancel(nil)
		r := l.start(func() error { return l.WaitForRecord(ctx, "t", 0) })
		l.commit("other", "x")
		cancel(enough)
		if err := r.wait(); !errors.Is(err, enough) {
			l.t.Error(err)
		}
		ctx, stop := context.WithTimeout(l.ctx, short)
		defer stop()
		if err := l.WaitForRecord(ctx, "t", 0); !errors.Is(err, context.DeadlineExceeded) {
			l.t.Error(err)
		}
	}},
}
