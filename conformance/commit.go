package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pipeproc/pipeproc"
)

var commitTests = []test{
	{name: "ids begin at 0 and count up", run: func(l *lab) {
		for i := range 5 {
			if id := l.commit("t", "x")[0]; id.Seq != uint64(i) || id.Millis <= 0 {
				l.t.Errorf("id %v, want sequence %d", id, i)
			}
		}
	}},
	{name: "ids have a text form", run: func(l *lab) {
		id := l.commit("t", "x")[0]
		if id.String() != fmt.Sprintf("%d-%d", id.Millis, id.Seq) {
			l.t.Error(id.String())
		}
		if back, err := pipeproc.ParseID(id.String()); err != nil || back != id {
			l.t.Errorf("%v became %v, %v", id, back, err)
		}
	}},
	{name: "one time and rising sequences in a batch", run: func(l *lab) {
		ids := l.commit("t", "0", "1", "2", "3")
		for i, id := range ids {
			if id.Seq != uint64(i) || id.Millis != ids[0].Millis {
				l.t.Errorf("%v", ids)
			}
		}
	}},
	{name: "sequences are of each topic", run: func(l *lab) {
		var recs []pipeproc.Record
		for _, topic := range []string{"a", "b", "a", "c", "b", "a"} {
			recs = append(recs, pipeproc.Record{Topic: topic, Body: []byte("x")})
		}
		ids, err := l.Commit(l.ctx, recs...)
		l.ok(err)
		for i, want := range []uint64{0, 0, 1, 0, 1, 2} {
			if ids[i].Seq != want || ids[i].Millis != ids[0].Millis {
				l.t.Errorf("record %d has id %v, want sequence %d", i, ids[i], want)
			}
		}
	}},
	{name: "ids rise over all topics", run: func(l *lab) {
		last := int64(0)
		for i := range 20 {
			id := l.commit(fmt.Sprint("t", i%3), "x")[0]
			if id.Millis < last {
				l.t.Errorf("time %d after %d", id.Millis, last)
			}
			last = id.Millis
		}
	}},
	{name: "a batch over topics is there", run: func(l *lab) {
		_, err := l.Commit(l.ctx, append(recordsOf("a", "1", "2"), recordsOf("b", "3")...)...)
		l.ok(err)
		l.wantTopic("a", "1", "2")
		l.wantTopic("b", "3")
	}},
	{name: "no records", run: func(l *lab) {
		ids, err := l.Commit(l.ctx)
		l.wantErr(err, pipeproc.ErrUncommitted)
		if pipeproc.Code(err) != "uncommited" || len(ids) != 0 {
			l.t.Errorf("%v, %v", ids, err)
		}
		if list, err := l.Topics(l.ctx); err != nil || len(list) != 0 {
			l.t.Error(list, err)
		}
	}},
	{name: "one bad topic rejects the batch", run: func(l *lab) {
		for _, bad := range []string{"", "bad topic", "a/b", "ä", "a.b", "a\n", strings.Repeat("t", 256)} {
			ids, err := l.Commit(l.ctx, pipeproc.Record{Topic: "fresh", Body: []byte("x")}, pipeproc.Record{Topic: bad, Body: []byte("x")})
			l.wantErr(err, pipeproc.ErrInvalidTopicFormat)
			if len(ids) != 0 {
				l.t.Errorf("%q: ids %v", bad, ids)
			}
		}
		_, err := l.Length(l.ctx, "fresh")
		l.wantErr(err, pipeproc.ErrInvalidTopic)
		if id := l.commit("fresh", "x")[0]; id.Seq != 0 {
			l.t.Errorf("a failed commit left a gap: %v", id)
		}
	}},
	{name: "all characters of topic names", run: func(l *lab) {
		for _, topic := range []string{"a", "Z", "0", "_", "-", "my_topic-1", "0123456789", strings.Repeat("t", 255)} {
			l.commit(topic, "x")
			l.wantTopic(topic, "x")
		}
	}},
	{name: "topics differ by case", run: func(l *lab) {
		l.commit("t", "small")
		l.commit("T", "large")
		l.wantTopic("t", "small")
		l.wantTopic("T", "large")
	}},
	{name: "a record is whole", run: func(l *lab) {
		want := pipeproc.Record{Topic: "t", Key: []byte("k"), Body: []byte("b"),
			Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}, {Name: "h", Value: []byte("again")}, {Name: "", Value: nil}, {Name: "größe", Value: []byte{0, 255}}}}
		_, err := l.Commit(l.ctx, want)
		l.ok(err)
		for _, r := range []pipeproc.Record{l.get("t", 0), l.records("t")[0]} {
			if string(r.Key) != "k" || string(r.Body) != "b" || r.Topic != "t" || r.ID.Seq != 0 || len(r.Headers) != len(want.Headers) {
				l.t.Fatalf("%+v", r)
			}
			for i, h := range want.Headers {
				if r.Headers[i].Name != h.Name || !bytes.Equal(r.Headers[i].Value, h.Value) {
					l.t.Errorf("header %d is %q %q", i, r.Headers[i].Name, r.Headers[i].Value)
				}
			}
		}
	}},
	{name: "the id that a record brings is ignored", run: func(l *lab) {
		ids, err := l.Commit(l.ctx, pipeproc.Record{ID: pipeproc.ID{Millis: 5, Seq: 99}, Topic: "t"})
		l.ok(err)
		if ids[0].Seq != 0 || ids[0].Millis == 5 || l.records("t")[0].ID != ids[0] {
			l.t.Error(ids)
		}
	}},
	{name: "empty bodies", run: func(l *lab) {
		_, err := l.Commit(l.ctx, pipeproc.Record{Topic: "t"}, pipeproc.Record{Topic: "t", Body: []byte{}})
		l.ok(err)
		for i, r := range append(l.records("t"), l.get("t", 0), l.get("t", 1)) {
			if r.Body == nil || len(r.Body) != 0 || r.Key != nil || len(r.Headers) != 0 {
				l.t.Errorf("%d: %#v", i, r)
			}
		}
	}},
	{name: "bodies of any bytes", run: func(l *lab) {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		for i, body := range [][]byte{all, []byte("%EOM%"), []byte("a%EOM%b\x00\n"), []byte("\xff\xfe"), []byte(`{"n":1}`)} {
			_, err := l.Commit(l.ctx, pipeproc.Record{Topic: "t", Body: body, Key: body})
			l.ok(err)
			if r := l.get("t", uint64(i)); !bytes.Equal(r.Body, body) || !bytes.Equal(r.Key, body) {
				l.t.Errorf("%q became %q, key %q", body, r.Body, r.Key)
			}
		}
	}},
	{name: "bodies of all sizes", run: func(l *lab) {
		var want []string
		for i, size := range []int{1, 100, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, 3<<20 + 1} {
			want = append(want, strings.Repeat(string(rune('a'+i)), size))
			l.commit("t", want[i])
		}
		list := l.bodies("t")
		for i := range want {
			if list[i] != want[i] || string(l.get("t", uint64(i)).Body) != want[i] {
				l.t.Errorf("a body of %d bytes is another one", len(want[i]))
			}
		}
	}},
	{name: "a batch of many records", run: func(l *lab) {
		const total = 5000
		recs := make([]pipeproc.Record, total)
		for i := range recs {
			recs[i] = pipeproc.Record{Topic: fmt.Sprint("t", i%7), Body: fmt.Append(nil, i)}
		}
		ids, err := l.Commit(l.ctx, recs...)
		l.ok(err)
		if len(ids) != total {
			l.t.Fatal(len(ids))
		}
		for i, r := range recs {
			if ids[i].Seq != uint64(i/7) {
				l.t.Fatalf("record %d has id %v", i, ids[i])
			}
			if i%500 == 0 && !bytes.Equal(l.get(r.Topic, ids[i].Seq).Body, r.Body) {
				l.t.Errorf("record %d is another one", i)
			}
		}
	}},
	{name: "what was committed can be changed", run: func(l *lab) {
		body, key := []byte("body"), []byte("key")
		_, err := l.Commit(l.ctx, pipeproc.Record{Topic: "t", Body: body, Key: key})
		l.ok(err)
		copy(body, "xxxx")
		copy(key, "xxx")
		if r := l.get("t", 0); string(r.Body) != "body" || string(r.Key) != "key" {
			l.t.Errorf("%+v", r)
		}
	}},
	{name: "a context that has ended commits nothing", run: func(l *lab) {
		_, err := l.Commit(ended(), recordsOf("t", "x")...)
		if !errors.Is(err, context.Canceled) {
			l.t.Error(err)
		}
		_, err = l.Length(l.ctx, "t")
		l.wantErr(err, pipeproc.ErrInvalidTopic)
	}},
	{name: "the cause of a context is the error", run: func(l *lab) {
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(l.ctx)
		cancel(enough)
		if _, err := l.Commit(ctx, recordsOf("t", "x")...); !errors.Is(err, enough) {
			l.t.Error(err)
		}
	}},
	{name: "sync", run: func(l *lab) {
		l.ok(l.Sync(l.ctx))
		l.commit("t", "x")
		l.ok(l.Sync(l.ctx))
	}},
	{name: "goroutines at once", run: func(l *lab) {
		const committers, each = 4, 25
		var all []*result
		for g := range committers {
			all = append(all, l.start(func() error {
				for i := range each {
					if _, err := l.Commit(l.ctx, recordsOf("t", fmt.Sprint(g, " ", i))...); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		for _, r := range all {
			l.ok(r.wait())
		}
		next := map[string]int{}
		for i, r := range l.records("t") {
			g, k, _ := strings.Cut(string(r.Body), " ")
			if r.ID.Seq != uint64(i) || k != fmt.Sprint(next[g]) {
				l.t.Errorf("record %v is %q", r.ID, r.Body)
			}
			next[g]++
		}
		if l.length("t") != committers*each {
			l.t.Error(l.length("t"))
		}
	}},
}

func (l *lab) get(topic string, seq uint64) pipeproc.Record {
	l.t.Helper()
	r, err := l.Get(l.ctx, topic, seq)
	l.ok(err)
	return r
}

func (l *lab) length(topic string) uint64 {
	l.t.Helper()
	n, err := l.Length(l.ctx, topic)
	l.ok(err)
	return n
}
