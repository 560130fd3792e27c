package conformance

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

// offsetTopic commits 0, 1 and 2 in one millisecond, 3 later, 4 and 5 in one
// millisecond after that, and lets it pass.
func (l *lab) offsetTopic() []pipeproc.ID {
	l.t.Helper()
	ids := l.commit("t", "0", "1", "2")
	l.later(ids[0])
	ids = append(ids, l.commit("t", "3")...)
	l.later(ids[3])
	ids = append(ids, l.commit("t", "4", "5")...)
	l.later(ids[5])
	return ids
}

// first claims with an offset and returns the first body, "" for none.
func (l *lab) first(o pipeproc.ProcOptions) string {
	l.t.Helper()
	if c := l.claim(o); !c.Empty() {
		return string(c.Records[0].Body)
	}
	return ""
}

// proc offsets of each kind, and the first record that each yields, "" for one
// not committed yet. Texts are as in the tests of range bounds.
func procOffsetTests() (list []test) {
	for _, c := range []struct{ offset, first string }{
		{"", "0"},
		{">", "0"},
		{"$>", ""},
		{"0", "0"},    // a time long ago
		{"1", "0"},    // no prefix of a text
		{"@0", "0"},   // at that millisecond
		{"@0+1", "3"}, // after it
		{"@3-1", "3"}, // before it
		{"@3", "3"},
		{"@5", "4"}, // the first of a batch
		{"@5+1", ""},
		{"#0", "1"}, // within a millisecond: none of it is passed over
		{"#1", "2"},
		{"#2", "3"},
		{"#3", "4"},
		{"#5", ""},
		{"@0-99", "3"}, // ids need not exist
		{"@0+1-0", "3"},
		{"@3-0", "3"},
		{"@3-7", "4"},
		{"0-99", "0"},
		{"0-18446744073709551615", "0"},
		{":0", "1"}, // after the record of that sequence
		{":1", "2"},
		{":2", "3"},
		{":5", ""},
	} {
		list = append(list, test{name: fmt.Sprintf("offset %q", c.offset), run: func(l *lab) {
			ids := l.offsetTopic()
			o := procOn("t")
			o.Offset = expand(ids, c.offset)
			if first := l.first(o); first != c.first {
				l.t.Errorf("offset %q gives %q, want %q", o.Offset, first, c.first)
			}
			if i := l.info("p"); i.Skipped != 0 {
				l.t.Errorf("records before it were not skipped by force: %+v", i)
			}
			if c.first == "" {
				l.commit("t", "6")
				l.want(o, "6")
			}
		}})
	}
	for _, offset := range []string{"x", ":", ":x", ":-1", ":-2", "-5", "5:3", "1700000000000-3-1", "1700000000000-x", "1700000000000-",
		"<", "$", ">>", " >", "> ", "+5", "1e3", ":18446744073709551616", "99999999999999999999"} {
		list = append(list, test{name: fmt.Sprintf("malformed offset %q", offset), run: func(l *lab) {
			l.commit("t", "0", "1", "2", "3", "4", "5")
			for _, topic := range []string{"t", "nowhere"} {
				_, err := l.Claim(l.ctx, pipeproc.ProcOptions{Name: "p", Topic: topic, Offset: offset})
				l.wantErr(err, pipeproc.ErrInvalidRangeOffset)
				_, err = l.EnsureProc(l.ctx, pipeproc.ProcOptions{Name: "p", Topic: topic, Offset: offset})
				l.wantErr(err, pipeproc.ErrInvalidRangeOffset)
				_, err = l.InspectProc(l.ctx, "p")
				l.wantErr(err, pipeproc.ErrInvalidProc)
			}
		}})
	}
	return append(list, moreOffsetTests...)
}

var moreOffsetTests = []test{
	{name: "an unknown sequence makes nothing", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := procOn("t")
		o.Offset = ":2"
		_, err := l.Claim(l.ctx, o)
		l.wantErr(err, pipeproc.ErrInvalidSequence)
		o.Topic, o.Offset = "nowhere", ":0"
		_, err = l.Claim(l.ctx, o)
		l.wantErr(err, pipeproc.ErrInvalidTopic)
		_, err = l.InspectProc(l.ctx, "p")
		l.wantErr(err, pipeproc.ErrInvalidProc)
	}},
	{name: "offsets before the topic exists", run: func(l *lab) {
		past := fmt.Sprint(l.commit("clock", "x")[0].Millis)
		future := fmt.Sprint(time.Now().Add(24 * time.Hour).UnixMilli())
		for i, c := range []struct{ offset, first string }{
			{">", "0"}, {"$>", "0"}, {"0", "0"}, {past, "0"}, {past + "-0", "0"}, {future, ""}, {future + "-0", ""},
		} {
			topic := fmt.Sprint("t", i)
			o := pipeproc.ProcOptions{Name: topic, Topic: topic, Offset: c.offset}
			l.want(o)
			if p := l.info(topic); p.Offset != c.offset || p.Pending != 0 {
				l.t.Errorf("%+v", p)
			}
			l.later(l.commit("clock", "x")[0])
			l.commit(topic, "0", "1")
			if first := l.first(o); first != c.first {
				l.t.Errorf("offset %q begins with %q, want %q", c.offset, first, c.first)
			}
		}
	}},
	{name: "an offset in the future passes over what comes before", run: func(l *lab) {
		o := procOn("t")
		o.Offset = fmt.Sprint(time.Now().Add(24 * time.Hour).UnixMilli())
		l.commit("t", "0")
		l.want(o)
		l.commit("t", "1")
		l.want(o)
		if i := l.info("p"); i.Pending != 0 || i.Skipped != 0 {
			l.t.Errorf("%+v", i)
		}
		l.settled()
	}},
	{name: "offsets on a pruned topic", run: func(l *lab) {
		ids := l.offsetTopic()
		l.ok(l.Prune(l.ctx, "t", 3))
		for i, c := range []struct{ offset, first string }{{">", "3"}, {"0", "3"}, {"@0", "3"}, {"#0", "3"}, {"#2", "3"}, {"#3", "4"}, {":3", "4"}} {
			claim := l.claim(pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: "t", Offset: expand(ids, c.offset)})
			l.wantBodies(claim, c.first)
			if claim.Skipped != 0 {
				l.t.Errorf("offset %q: it never had the records that are gone", c.offset)
			}
		}
		for _, offset := range []string{":0", ":2"} {
			_, err := l.Claim(l.ctx, pipeproc.ProcOptions{Name: "q", Topic: "t", Offset: offset})
			l.wantErr(err, pipeproc.ErrInvalidSequence, ":3")
		}
		l.ok(l.Prune(l.ctx, "t", 6))
		all := []string{">", "0", "$>", ids[5].String()}
		for _, offset := range all {
			l.want(pipeproc.ProcOptions{Name: "all" + offset, Topic: "t", Offset: offset})
		}
		l.commit("t", "6")
		for _, offset := range all {
			l.want(pipeproc.ProcOptions{Name: "all" + offset, Topic: "t"}, "6")
		}
	}},
	{name: "$> goes by position", run: func(l *lab) {
		o := procOn("t")
		o.Offset = "$>"
		for i := range 5 { // before and after usually share a millisecond
			o.Name = fmt.Sprint("p", i)
			l.commit("t", "before")
			l.ensure(o)
			l.commit("t", "after")
			l.want(o, "after")
		}
	}},
	{name: "$> beside commits", run: func(l *lab) {
		stop := make(chan struct{})
		committer := l.start(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if _, err := l.Commit(l.ctx, recordsOf("t", "x")...); err != nil {
					return err
				}
			}
		})
		l.ok(l.WaitForRecord(l.ctx, "t", 3))
		for i := range 10 {
			before := l.topic("t")
			o := pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: "t", Offset: "$>", Count: -1}
			p := l.ensure(o)
			mark := l.commit("t", "mark")[0].Seq
			if p.Next < before.Next || p.Next > mark {
				l.t.Errorf("made at %d, between %d and %d", p.Next, before.Next, mark)
			}
			if c := l.claim(o); c.Range.First.Seq != p.Next || c.Range.Last.Seq < mark {
				l.t.Errorf("claimed %v, want from %d to %d at least", c.Range, p.Next, mark)
			}
		}
		close(stop)
		l.ok(committer.wait())
	}},
}
