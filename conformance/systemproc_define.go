package conformance

import (
	"slices"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc"
)

var defineTests = []test{
	{name: "names of procs", run: func(l *lab) {
		for _, c := range []struct {
			o    pipeproc.SystemProcOptions
			want []string
		}{
			{pipeproc.SystemProcOptions{Name: "one", From: []string{"t"}}, []string{"one"}},
			{pipeproc.SystemProcOptions{Name: "two", From: []string{"t", "u"}}, []string{"two__t", "two__u"}},
			{pipeproc.SystemProcOptions{Name: "per", From: []string{"t"}, PerTopic: true}, []string{"per__t"}},
		} {
			list := l.system(c.o)
			if !slices.Equal(namesOf(list), c.want) {
				l.t.Errorf("%q, want %q", namesOf(list), c.want)
			}
			for i, p := range list {
				if p.System != c.o.Name || p.Topic != c.o.From[i] {
					l.t.Errorf("%+v", p)
				}
			}
		}
		systems := l.systems()
		for i, want := range []string{"one", "per", "two"} {
			if systems[i].Name != want || systems[i].Processor != want || systems[i].Running || systems[i].Count != 1 || systems[i].Lanes != 1 || systems[i].CreatedAt.IsZero() {
				l.t.Errorf("%+v", systems[i])
			}
		}
		if !slices.Equal(systems[2].Procs, []string{"two__t", "two__u"}) || !slices.Equal(systems[2].From, []string{"t", "u"}) {
			l.t.Errorf("%+v", systems[2])
		}
	}},
	{name: "the definition is kept", run: func(l *lab) {
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"b", "a"}, To: []string{"x", "y"}, ProcessorName: "fn", Count: 7, Lanes: 3})
		s := l.systems()[0]
		if s.Name != "s" || s.Processor != "fn" || !slices.Equal(s.From, []string{"a", "b"}) || !slices.Equal(s.To, []string{"x", "y"}) || s.Count != 7 || s.Lanes != 3 {
			l.t.Errorf("%+v", s)
		}
	}},
	{name: "existing procs are kept and missing ones made", run: func(l *lab) {
		for k, existing := range [][]string{{"a"}, {"b"}, {"a", "b"}, {"b", "c"}, {"a", "b", "c"}} {
			name := string(rune('p' + k))
			made := map[string]time.Time{}
			for _, topic := range existing {
				l.commit(topic, "0", "1")
				o := pipeproc.ProcOptions{Name: name + "__" + topic, Topic: topic, Retry: pipeproc.RetryPolicy{MaxReclaims: 3}}
				l.claimAck(o, 1)
				made[o.Name] = l.info(o.Name).CreatedAt
			}
			list := l.system(pipeproc.SystemProcOptions{Name: name, From: []string{"c", "a", "b"}})
			if !slices.Equal(namesOf(list), []string{name + "__a", name + "__b", name + "__c"}) {
				l.t.Errorf("%q", namesOf(list))
			}
			for _, topic := range []string{"a", "b", "c"} {
				i := l.info(name + "__" + topic)
				if slices.Contains(existing, topic) && (i.Next != 1 || !i.CreatedAt.Equal(made[i.Name]) || i.Retry.MaxReclaims != 3) {
					l.t.Errorf("not kept: %+v", i)
				}
				if !slices.Contains(existing, topic) && (i.Next != 0 || i.Retry.MaxReclaims != 10) {
					l.t.Errorf("not made: %+v", i)
				}
				if i.System != name {
					l.t.Errorf("%+v", i)
				}
			}
		}
	}},
	{name: "a proc of that name on another topic", run: func(l *lab) {
		l.ensure(pipeproc.ProcOptions{Name: "s__b", Topic: "elsewhere"})
		_, err := l.DefineSystemProc(l.ctx, pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b", "c"}})
		l.wantErr(err, pipeproc.ErrProcNameNotUnique, `"s__b"`)
		if len(l.procs()) != 1 || len(l.systems()) != 0 {
			l.t.Errorf("%q, %+v", namesOf(l.procs()), l.systems())
		}
	}},
	{name: "the same definition again", run: func(l *lab) {
		o := pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, To: []string{"x", "y"}, Count: 3, Lanes: 2,
			Offset: "$>", Retry: pipeproc.RetryPolicy{MaxReclaims: 4, ReclaimTimeout: time.Minute, OnMaxReclaims: pipeproc.StrategyDeadLetter, Backoff: time.Second}}
		first := l.system(o)
		o.From = []string{"b", "a"}
		if again := l.system(o); !slices.Equal(again, first) {
			l.t.Errorf("%+v became %+v", first, again)
		}
		o.From = []string{"c", "b", "a"}
		more := l.system(o)
		if len(more) != 3 || more[0] != first[0] || more[1] != first[1] || more[2].Name != "s__c" {
			l.t.Errorf("%+v", more)
		}
		if s := l.systems(); len(s) != 1 || len(s[0].From) != 3 || s[0].CreatedAt != first[0].CreatedAt {
			l.t.Errorf("%+v", s)
		}
	}},
	{name: "replaced with other options and topics", run: func(l *lab) {
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}})
		list := l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"b", "c"}, Retry: pipeproc.RetryPolicy{MaxReclaims: 2, ReclaimTimeout: time.Hour}, Replace: true})
		for _, i := range list {
			if now := l.info(i.Name); now != i || i.Retry.MaxReclaims != 2 || i.Retry.ReclaimTimeout != time.Hour {
				l.t.Errorf("%+v, %+v", i, now)
			}
		}
		if names := namesOf(l.procs()); !slices.Equal(names, []string{"s__b", "s__c"}) {
			l.t.Errorf("%q", names)
		}
	}},
	{name: "replaced with none of the topics there were", run: func(l *lab) {
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}})
		before := l.systems()
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"c", "d"}, Replace: true})
		after := l.systems()
		if len(after) != 1 || !slices.Equal(after[0].From, []string{"c", "d"}) || after[0].CreatedAt != before[0].CreatedAt {
			l.t.Errorf("%+v became %+v", before, after)
		}
	}},
	{name: "replaced with another one topic", run: func(l *lab) {
		l.commit("b", "0")
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a"}})
		_, err := l.DefineSystemProc(l.ctx, pipeproc.SystemProcOptions{Name: "s", From: []string{"b"}})
		l.wantErr(err, pipeproc.ErrProcDiffers)
		list := l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"b"}, Replace: true})
		if len(list) != 1 || list[0].Name != "s" || list[0].Topic != "b" || list[0].Pending != 1 {
			l.t.Errorf("%+v", list)
		}
		l.commit("a", "x")
		l.want(pipeproc.ProcOptions{Name: "s", Topic: "b"}, "0")
	}},
	{name: "no proc is taken over", run: func(l *lab) {
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a"}, PerTopic: true})
		_, err := l.DefineSystemProc(l.ctx, pipeproc.SystemProcOptions{Name: "s__a", From: []string{"a"}})
		l.wantErr(err, pipeproc.ErrProcNameNotUnique)
		if i := l.info("s__a"); i.System != "s" {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "no ephemeral proc", run: func(l *lab) {
		l.ensure(pipeproc.ProcOptions{Name: "s", Topic: "a", Ephemeral: true})
		_, err := l.DefineSystemProc(l.ctx, pipeproc.SystemProcOptions{Name: "s", From: []string{"a"}})
		l.wantErr(err, pipeproc.ErrInvalidProcOptions, "ephemeral")
	}},
	{name: "two definitions at once", run: func(l *lab) {
		for k := range 5 {
			name := string(rune('p' + k))
			var all [2]*result
			for i := range all {
				all[i] = l.start(func() error {
					_, err := l.DefineSystemProc(l.ctx, pipeproc.SystemProcOptions{Name: name, From: []string{"a", "b"}, Count: i + 1})
					return err
				})
			}
			failed := 0
			for i, r := range all {
				if err := r.wait(); err != nil {
					failed++
					l.wantErr(err, pipeproc.ErrProcDiffers)
				} else if s := l.systems()[k]; s.Count != i+1 {
					l.t.Errorf("%d was taken and the definition is %+v", i, s)
				}
			}
			if failed != 1 {
				l.t.Fatalf("%d were refused", failed)
			}
		}
	}},
}

var defineOptionTests = []test{
	{name: "options that cannot be are named", run: func(l *lab) {
		long := strings.Repeat("n", 250)
		for _, c := range []struct {
			want error
			says string
			o    pipeproc.SystemProcOptions
		}{
			{pipeproc.ErrInvalidProcOptions, "Name", pipeproc.SystemProcOptions{From: []string{"t"}}},
			{pipeproc.ErrInvalidProcOptions, "Name", pipeproc.SystemProcOptions{Name: "a\tb", From: []string{"t"}}},
			{pipeproc.ErrInvalidProcOptions, "Name", pipeproc.SystemProcOptions{Name: "\xff", From: []string{"t"}}},
			{pipeproc.ErrInvalidProcOptions, "Name", pipeproc.SystemProcOptions{Name: long, From: []string{"topic", "topic2"}}},
			{pipeproc.ErrInvalidProcOptions, "From", pipeproc.SystemProcOptions{Name: "s"}},
			{pipeproc.ErrInvalidProcOptions, "From", pipeproc.SystemProcOptions{Name: "s", From: []string{"t", "u", "t"}}},
			{pipeproc.ErrInvalidTopicFormat, "t/", pipeproc.SystemProcOptions{Name: "s", From: []string{"t/"}}},
			{pipeproc.ErrInvalidTopicFormat, "x y", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"x y"}}},
			{pipeproc.ErrInvalidTopicFormat, "", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{""}}},
			{pipeproc.ErrInvalidProcOptions, "Count", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: -1}},
			{pipeproc.ErrInvalidProcOptions, "Count", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 1 << 30}},
			{pipeproc.ErrInvalidProcOptions, "Lanes", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Lanes: -1}},
			{pipeproc.ErrInvalidProcOptions, "Lanes", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Lanes: 1 << 30}},
			{pipeproc.ErrInvalidProcOptions, "MaxReclaims", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Retry: pipeproc.RetryPolicy{MaxReclaims: -2}}},
			{pipeproc.ErrInvalidProcOptions, "ReclaimTimeout", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: century}}},
			{pipeproc.ErrInvalidProcOptions, "OnMaxReclaims", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Retry: pipeproc.RetryPolicy{OnMaxReclaims: 7}}},
			{pipeproc.ErrInvalidProcOptions, "DeadLetterTopic", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Retry: pipeproc.RetryPolicy{DeadLetterTopic: "d"}}},
			{pipeproc.ErrInvalidProcOptions, "DeadLetterTopic", pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, Retry: pipeproc.RetryPolicy{DeadLetterTopic: "b", OnMaxReclaims: pipeproc.StrategyDeadLetter}}},
			{pipeproc.ErrInvalidProcOptions, "Backoff", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Retry: pipeproc.RetryPolicy{Backoff: century}}},
			{pipeproc.ErrInvalidProcOptions, "MaxBackoff", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Retry: pipeproc.RetryPolicy{Backoff: 1, MaxBackoff: -1}}},
			{pipeproc.ErrInvalidRangeOffset, "x", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Offset: "x"}},
			{pipeproc.ErrInvalidTopic, "t", pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Offset: ":0"}},
		} {
			c.o.Processor = nop
			_, err := l.DefineSystemProc(l.ctx, c.o)
			l.wantErr(err, c.want, c.says)
		}
		if len(l.procs()) > 0 || len(l.systems()) > 0 {
			l.t.Errorf("made all the same: %q, %+v", namesOf(l.procs()), l.systems())
		}
	}},
	{name: "defaults", run: func(l *lab) {
		list := l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, Retry: pipeproc.RetryPolicy{OnMaxReclaims: pipeproc.StrategyDeadLetter}})
		for i, dead := range []string{"a__dead", "b__dead"} {
			if p := list[i]; p.Retry.Backoff != 10*time.Millisecond || p.Retry.MaxBackoff != 3*time.Second || p.Retry.MaxReclaims != 10 || p.Retry.ReclaimTimeout != 10*time.Second ||
				p.Retry.DeadLetterTopic != dead || p.Offset != ">" {
				l.t.Errorf("%+v", p)
			}
		}
		if p := l.system(pipeproc.SystemProcOptions{Name: "none", From: []string{"a"}, Retry: pipeproc.RetryPolicy{Backoff: -1}})[0]; p.Retry.Backoff != 0 || p.Retry.MaxBackoff != 0 {
			l.t.Errorf("%+v", p)
		}
		if p := l.system(pipeproc.SystemProcOptions{Name: "own", From: []string{"a"}, Retry: pipeproc.RetryPolicy{Backoff: time.Second, MaxBackoff: time.Minute}})[0]; p.Retry.Backoff != time.Second || p.Retry.MaxBackoff != time.Minute {
			l.t.Errorf("%+v", p)
		}
	}},
	{name: "a processor that is none", run: func(l *lab) {
		l.wantErr(l.Register("p", nil), pipeproc.ErrNoProcessor, `"p"`)
	}},
}

// differTests are definitions that differ from an existing one.
func differTests() (list []test) {
	base := pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, To: []string{"x"}, ProcessorName: "fn", Count: 2}
	for _, c := range []struct {
		name   string
		change func(o *pipeproc.SystemProcOptions)
	}{
		{"less From", func(o *pipeproc.SystemProcOptions) { o.From = []string{"a"}; o.PerTopic = true }},
		{"another From", func(o *pipeproc.SystemProcOptions) { o.From = []string{"a", "c"} }},
		{"more To", func(o *pipeproc.SystemProcOptions) { o.To = []string{"x", "y"} }},
		{"no To", func(o *pipeproc.SystemProcOptions) { o.To = nil }},
		{"Processor", func(o *pipeproc.SystemProcOptions) { o.ProcessorName = "other" }},
		{"Count", func(o *pipeproc.SystemProcOptions) { o.Count = 3 }},
		{"Lanes", func(o *pipeproc.SystemProcOptions) { o.Lanes = 2 }},
		{"MaxReclaims", func(o *pipeproc.SystemProcOptions) { o.Retry.MaxReclaims = -1 }},
		{"ReclaimTimeout", func(o *pipeproc.SystemProcOptions) { o.Retry.ReclaimTimeout = time.Hour }},
		{"OnMaxReclaims", func(o *pipeproc.SystemProcOptions) { o.Retry.OnMaxReclaims = pipeproc.StrategyContinue }},
		{"DeadLetterTopic", func(o *pipeproc.SystemProcOptions) {
			o.Retry.OnMaxReclaims, o.Retry.DeadLetterTopic = pipeproc.StrategyDeadLetter, "d"
		}},
		{"Backoff", func(o *pipeproc.SystemProcOptions) { o.Retry.Backoff = time.Minute }},
		{"Offset", func(o *pipeproc.SystemProcOptions) { o.Offset = "$>" }},
	} {
		list = append(list, test{name: "another definition, " + c.name, run: func(l *lab) {
			l.commit("a", "0", "1")
			l.system(base)
			l.claimAck(pipeproc.ProcOptions{Name: "s__a", Topic: "a"}, 1)
			before := l.procs()
			o := base
			c.change(&o)
			_, err := l.DefineSystemProc(l.ctx, o)
			l.wantErr(err, pipeproc.ErrProcDiffers, `"s"`)
			if after := l.procs(); !slices.Equal(after, before) {
				l.t.Errorf("%+v became %+v", before, after)
			}
			o.Replace = true
			list := l.system(o)
			if i := list[0]; i.Name != "s__a" || i.Next != 1 {
				l.t.Errorf("the position is not kept: %+v", i)
			}
			o.Replace = false
			if again := l.system(o); !slices.Equal(again, list) { // it is the definition now
				l.t.Errorf("%+v became %+v", list, again)
			}
			if _, err = l.DefineSystemProc(l.ctx, base); c.name == "less From" {
				l.ok(err) // topics new in From are added
			} else {
				l.wantErr(err, pipeproc.ErrProcDiffers)
			}
		}})
	}
	return list
}
