package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc"
)

var restartTests = []test{
	{name: "an empty store", run: func(l *lab) {
		l.restart()
		if len(l.topicNames()) != 0 || len(l.procs()) != 0 || len(l.systems()) != 0 {
			l.t.Errorf("%q, %q, %+v", l.topicNames(), namesOf(l.procs()), l.systems())
		}
		l.commit("t", "0")
		l.restart()
		l.wantTopic("t", "0")
	}},
	{name: "records stay and sequences go on", run: func(l *lab) {
		var want []string
		var last pipeproc.ID
		for round := range 3 {
			for i := range 10 {
				body := fmt.Sprint(round, " ", i, strings.Repeat(".", 1000))
				want = append(want, body)
				id := l.commit("t", body)[0]
				if id.Seq != uint64(len(want)-1) || id.Millis < last.Millis {
					l.t.Errorf("%v after %v", id, last)
				}
				last = id
			}
			l.restart()
			l.wantTopic("t", want...)
			if l.length("t") != uint64(len(want)) || string(l.get("t", uint64(len(want)-1)).Body) != want[len(want)-1] {
				l.t.Errorf("%d records", l.length("t"))
			}
		}
		if r := l.records("t"); r[len(r)-1].ID != last {
			l.t.Errorf("%v, want %v", r[len(r)-1].ID, last)
		}
	}},
	{name: "records stay whole", run: func(l *lab) {
		_, err := l.Commit(l.ctx, pipeproc.Record{Topic: "t", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}}, Body: []byte("b")}, pipeproc.Record{Topic: "t"})
		l.ok(err)
		l.restart()
		r := l.records("t")
		if string(r[0].Key) != "k" || header(r[0], "h") != "v" || string(r[0].Body) != "b" || len(r[1].Key)+len(r[1].Headers)+len(r[1].Body) != 0 {
			l.t.Errorf("%+v", r)
		}
	}},
	{name: "topics, their options and what was pruned stay", run: func(l *lab) {
		o := pipeproc.TopicOptions{SegmentSize: 128 << 10, Compression: pipeproc.Zstd}
		l.ok(l.CreateTopic(l.ctx, "options", o))
		l.create("empty")
		l.commit("t", "0", "1", "2", "3")
		l.ok(l.Prune(l.ctx, "t", 2))
		l.commit("gone", "x")
		l.ok(l.DeleteTopic(l.ctx, "gone"))
		before := l.topic("t")
		for range 2 {
			l.restart()
			if names := l.topicNames(); !slices.Equal(names, []string{"empty", "options", "t"}) {
				l.t.Errorf("%q", names)
			}
			if i := l.topic("options"); i.Options != o {
				l.t.Errorf("%+v", i)
			}
			if i := l.topic("t"); i.First != 2 || i.Next != 4 || i.Records != 2 || i.FirstTime != before.FirstTime || i.LastTime != before.LastTime || i.CreatedAt != before.CreatedAt || i.ID != before.ID {
				l.t.Errorf("%+v became %+v", before, i)
			}
			l.wantTopic("t", "2", "3")
		}
		if id := l.commit("gone", "new")[0]; id.Seq != 0 {
			l.t.Error(id)
		}
	}},
	{name: "a topic that was pruned whole goes on", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.ok(l.Prune(l.ctx, "t", 2))
		l.restart()
		if l.length("t") != 0 {
			l.t.Error(l.length("t"))
		}
		if id := l.commit("t", "2")[0]; id.Seq != 2 {
			l.t.Error(id)
		}
	}},
	{name: "retention stays", run: func(l *lab) {
		l.commit("t", "0")
		l.commit("u", "0")
		want := pipeproc.Retention{GC: pipeproc.SwitchOff, MinAge: time.Second, IgnoreDisabled: pipeproc.SwitchOn, MaxAge: 3 * time.Hour, MaxBytes: 1 << 40, Force: true}
		l.retain("t", want)
		l.retain("u", want)
		l.retain("u", pipeproc.Retention{})
		l.restart()
		l.wantRetention("t", want)
		l.wantRetention("u", pipeproc.Retention{})
	}},
	{name: "conditional commits", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.restart()
		var b pipeproc.Batch
		l.ok(b.Expect("t", 0))
		l.ok(b.Add("t", []byte("x")))
		l.wantErr(l.CommitBatch(l.ctx, &b), pipeproc.ErrConflict)
		b.Reset()
		l.ok(b.Expect("t", 2))
		l.ok(b.Add("t", []byte("2")))
		l.ok(l.CommitBatch(l.ctx, &b))
		l.wantTopic("t", "0", "1", "2")
	}},
}
