package conformance

import (
	"slices"
	"strings"

	"github.com/pipeproc/pipeproc"
)

func (l *lab) topicNames() (names []string) {
	l.t.Helper()
	list, err := l.Topics(l.ctx)
	l.ok(err)
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

func (l *lab) create(topic string) {
	l.t.Helper()
	l.ok(l.CreateTopic(l.ctx, topic, pipeproc.TopicOptions{}))
}

var topicTests = []test{
	{name: "a new store has none", run: func(l *lab) {
		if names := l.topicNames(); len(names) != 0 {
			l.t.Errorf("%q", names)
		}
	}},
	{name: "listed by name", run: func(l *lab) {
		for _, topic := range []string{"c", "a", "b", "B", "a-", "a0"} {
			l.commit(topic, "x")
		}
		if names := l.topicNames(); !slices.Equal(names, []string{"B", "a", "a-", "a0", "b", "c"}) {
			l.t.Errorf("%q", names)
		}
	}},
	{name: "info", run: func(l *lab) {
		first := l.commit("t", "0", "1")[0]
		l.later(first)
		last := l.commit("t", "2")[0]
		i := l.topic("t")
		if i.Name != "t" || i.First != 0 || i.Next != 3 || i.Records != 3 || !i.FirstTime.Equal(first.Time()) || !i.LastTime.Equal(last.Time()) || i.CreatedAt.IsZero() || i.Damaged != nil || i.Bytes <= 0 {
			l.t.Errorf("%+v", i)
		}
		if all, err := l.Topics(l.ctx); err != nil || all[1].Name != "t" || all[1].Next != 3 || all[1].ID != i.ID {
			l.t.Errorf("%+v, %v", all, err)
		}
	}},
	{name: "info of a topic without records", run: func(l *lab) {
		l.create("t")
		if i := l.topic("t"); i.First != 0 || i.Next != 0 || i.Records != 0 || !i.FirstTime.IsZero() || !i.LastTime.IsZero() {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "unknown", run: func(l *lab) {
		_, err := l.Topic(l.ctx, "t")
		l.wantErr(err, pipeproc.ErrInvalidTopic, "t")
		_, err = l.Length(l.ctx, "t")
		l.wantErr(err, pipeproc.ErrInvalidTopic, "t")
		_, err = l.Get(l.ctx, "t", 0)
		l.wantErr(err, pipeproc.ErrInvalidTopic, "t")
		l.wantErr(l.DeleteTopic(l.ctx, "t"), pipeproc.ErrInvalidTopic, "t")
		l.wantErr(l.Prune(l.ctx, "t", 0), pipeproc.ErrInvalidTopic, "t")
		if names := l.topicNames(); len(names) != 0 {
			l.t.Errorf("%q", names)
		}
	}},
	{name: "bad names", run: func(l *lab) {
		for _, topic := range []string{"", "a b", "a/b", strings.Repeat("t", 256)} {
			l.wantErr(l.CreateTopic(l.ctx, topic, pipeproc.TopicOptions{}), pipeproc.ErrInvalidTopicFormat)
			_, err := l.Length(l.ctx, topic)
			l.wantErr(err, pipeproc.ErrInvalidTopicFormat)
			_, err = l.Topic(l.ctx, topic)
			l.wantErr(err, pipeproc.ErrInvalidTopicFormat)
			_, err = l.Get(l.ctx, topic, 0)
			l.wantErr(err, pipeproc.ErrInvalidTopicFormat)
		}
	}},
	{name: "created without records", run: func(l *lab) {
		l.create("t")
		l.wantTopic("t")
		if n := l.length("t"); n != 0 {
			l.t.Error(n)
		}
		l.wantErr(l.CreateTopic(l.ctx, "t", pipeproc.TopicOptions{}), pipeproc.ErrTopicExists, "t")
		if id := l.commit("t", "0")[0]; id.Seq != 0 {
			l.t.Error(id)
		}
	}},
	{name: "created by a commit", run: func(l *lab) {
		l.commit("t", "0")
		l.wantErr(l.CreateTopic(l.ctx, "t", pipeproc.TopicOptions{}), pipeproc.ErrTopicExists)
		l.wantTopic("t", "0")
	}},
	{name: "created with options", run: func(l *lab) {
		o := pipeproc.TopicOptions{SegmentSize: 128 << 10, Compression: pipeproc.Zstd}
		l.ok(l.CreateTopic(l.ctx, "t", o))
		if i := l.topic("t"); i.Options != o {
			l.t.Errorf("%+v", i.Options)
		}
	}},
	{name: "options that cannot be", run: func(l *lab) {
		l.wantErr(l.CreateTopic(l.ctx, "t", pipeproc.TopicOptions{SegmentSize: 1}), pipeproc.ErrInvalidOptions)
		l.wantErr(l.CreateTopic(l.ctx, "t", pipeproc.TopicOptions{Compression: 99}), pipeproc.ErrInvalidOptions)
		if names := l.topicNames(); len(names) != 0 {
			l.t.Errorf("%q", names)
		}
	}},
	{name: "compressed records are the same", run: func(l *lab) {
		l.ok(l.CreateTopic(l.ctx, "t", pipeproc.TopicOptions{SegmentSize: 64 << 10, Compression: pipeproc.Zstd}))
		var want []string
		for i := range 40 {
			want = append(want, strings.Repeat(string(rune('a'+i%26)), 500*i))
			if i%4 == 3 {
				l.commit("t", want[i-3:]...)
			}
		}
		l.wantTopic("t", want...)
		for i, body := range want {
			if string(l.get("t", uint64(i)).Body) != body {
				l.t.Errorf("record %d is another one", i)
			}
		}
		var back []string
		for r, err := range l.Range(l.ctx, "t", pipeproc.RangeOptions{Reverse: true}) {
			l.ok(err)
			back = append(back, string(r.Body))
		}
		slices.Reverse(back)
		if !slices.Equal(back, want) {
			l.t.Error("backwards it is something else")
		}
	}},
	{name: "small segments are one topic", run: func(l *lab) {
		l.ok(l.CreateTopic(l.ctx, "t", pipeproc.TopicOptions{SegmentSize: 64 << 10}))
		var want []string
		for i := range 40 {
			want = append(want, strings.Repeat(string(rune('a'+i%26)), 9000))
			l.commit("t", want[i])
		}
		l.wantTopic("t", want...)
		l.ok(l.Prune(l.ctx, "t", 25))
		l.wantTopic("t", want[25:]...)
		if i := l.topic("t"); i.First != 25 || i.Records != 15 {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "deleted", run: func(l *lab) {
		l.commit("t", "0")
		l.commit("tt", "0")
		l.ok(l.DeleteTopic(l.ctx, "t"))
		_, err := l.Length(l.ctx, "t")
		l.wantErr(err, pipeproc.ErrInvalidTopic)
		for _, err := range l.Range(l.ctx, "t", pipeproc.RangeOptions{}) {
			l.wantErr(err, pipeproc.ErrInvalidTopic)
		}
		l.wantErr(l.DeleteTopic(l.ctx, "t"), pipeproc.ErrInvalidTopic)
		if names := l.topicNames(); !slices.Equal(names, []string{"tt"}) {
			l.t.Errorf("%q", names)
		}
	}},
	{name: "deleted and made again", run: func(l *lab) {
		l.commit("t", "0", "1")
		old := l.topic("t")
		l.ok(l.DeleteTopic(l.ctx, "t"))
		if id := l.commit("t", "new")[0]; id.Seq != 0 {
			l.t.Error(id)
		}
		l.wantTopic("t", "new")
		if i := l.topic("t"); i.ID == old.ID || i.Next != 1 {
			l.t.Errorf("%+v after %+v", i, old)
		}
	}},
	{name: "pruned", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		l.later(l.commit("t", "3")[0])
		last := l.commit("t", "4", "5")[0]
		l.ok(l.Prune(l.ctx, "t", 4))
		l.wantTopic("t", "4", "5")
		if i := l.topic("t"); i.First != 4 || i.Next != 6 || i.Records != 2 || !i.FirstTime.Equal(last.Time()) || l.length("t") != 2 {
			l.t.Errorf("%+v", i)
		}
		l.ok(l.Prune(l.ctx, "t", 2)) // gone already
		l.wantTopic("t", "4", "5")
	}},
	{name: "pruned whole", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.ok(l.Prune(l.ctx, "t", 2))
		l.wantTopic("t")
		if i := l.topic("t"); i.First != 2 || i.Next != 2 || i.Records != 0 || !i.FirstTime.IsZero() || i.LastTime.IsZero() || l.length("t") != 0 {
			l.t.Errorf("%+v", i)
		}
		if id := l.commit("t", "2")[0]; id.Seq != 2 {
			l.t.Errorf("the sequence does not go on: %v", id)
		}
		l.wantTopic("t", "2")
	}},
	{name: "pruned beyond the end", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.wantErr(l.Prune(l.ctx, "t", 3), pipeproc.ErrInvalidSequence)
		l.wantTopic("t", "0", "1")
	}},
	{name: "a context that has ended changes nothing", run: func(l *lab) {
		l.commit("t", "0")
		for what, err := range map[string]error{
			"create": l.CreateTopic(ended(), "u", pipeproc.TopicOptions{}), "delete": l.DeleteTopic(ended(), "t"), "prune": l.Prune(ended(), "t", 1),
		} {
			if err == nil {
				l.t.Error(what, "went through")
			}
		}
		l.wantTopic("t", "0")
		if names := l.topicNames(); len(names) != 1 {
			l.t.Errorf("%q", names)
		}
	}},
}
