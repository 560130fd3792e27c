package conformance

import (
	"slices"
	"time"

	"github.com/pipeproc/pipeproc"
)

func (l *lab) retain(topic string, r pipeproc.Retention) {
	l.t.Helper()
	l.ok(l.SetRetention(l.ctx, topic, r))
}

func (l *lab) wantRetention(topic string, want pipeproc.Retention) {
	l.t.Helper()
	if r, err := l.Retention(l.ctx, topic); err != nil || r != want {
		l.t.Errorf("%+v, %v; want %+v", r, err, want)
	}
}

var retentionTests = []test{
	{name: "retention is kept", run: func(l *lab) {
		l.commit("t", "0")
		l.wantRetention("t", pipeproc.Retention{})
		want := pipeproc.Retention{GC: pipeproc.SwitchOff, MinAge: time.Second, IgnoreDisabled: pipeproc.SwitchOn, MaxAge: 3 * time.Hour, MaxBytes: 1<<63 - 1, Force: true}
		l.retain("t", want)
		l.wantRetention("t", want)
		l.commit("u", "0")
		l.wantRetention("u", pipeproc.Retention{})
		l.retain("t", pipeproc.Retention{})
		l.wantRetention("t", pipeproc.Retention{})
	}},
	{name: "retention goes with its topic", run: func(l *lab) {
		l.commit("t", "0")
		l.retain("t", pipeproc.Retention{MaxAge: time.Hour})
		l.ok(l.DeleteTopic(l.ctx, "t"))
		l.commit("t", "new")
		l.wantRetention("t", pipeproc.Retention{})
	}},
	{name: "retention refused", run: func(l *lab) {
		l.wantErr(l.SetRetention(l.ctx, "t", pipeproc.Retention{MaxAge: time.Hour}), pipeproc.ErrInvalidTopic)
		_, err := l.Retention(l.ctx, "t")
		l.wantErr(err, pipeproc.ErrInvalidTopic)
		l.commit("t", "0")
		good := pipeproc.Retention{GC: pipeproc.SwitchOn, MaxAge: time.Hour}
		l.retain("t", good)
		for option, r := range map[string]pipeproc.Retention{
			"GC": {GC: 9}, "IgnoreDisabled": {IgnoreDisabled: 9}, "MaxAge": {MaxAge: -1}, "MinAge": {MinAge: -1}, "MaxBytes": {MaxBytes: -1}, "Force": {Force: true},
		} {
			l.wantErr(l.SetRetention(l.ctx, "t", r), pipeproc.ErrInvalidOptions, option)
		}
		l.wantRetention("t", good)
	}},
	{name: "retention by age", run: func(l *lab) {
		l.commit("t", "0")
		l.commit("other", "0")
		l.retain("t", pipeproc.Retention{GC: pipeproc.SwitchOff, MaxAge: time.Hour})
		l.retain("other", pipeproc.Retention{GC: pipeproc.SwitchOff})
		l.aged()
		if pruned := l.collect(pipeproc.GCOptions{MinAge: young}); len(pruned) != 0 {
			l.t.Errorf("%+v", pruned)
		}
		l.retain("t", pipeproc.Retention{GC: pipeproc.SwitchOff, MaxAge: young})
		l.aged()
		if pruned := l.collect(pipeproc.GCOptions{MinAge: time.Hour}); len(pruned) != 1 || pruned[0].Topic != "t" || pruned[0].Reason.String() != "age" {
			l.t.Errorf("%+v", pruned)
		}
		l.wantTopic("t")
		l.wantTopic("other", "0")
	}},
	{name: "retention by age stops at procs", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		o := procOn("t")
		l.claimAck(o, 1)
		l.claim(o)
		l.claimAck(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, 2)
		l.disable("disabled")
		l.retain("t", pipeproc.Retention{MaxAge: time.Millisecond})
		l.aged()
		l.wantLeft(time.Hour, "1", "2", "3")
		l.ack("p")
		l.claimAck(o, 2)
		l.wantLeft(time.Hour, "2", "3")
		l.retain("t", pipeproc.Retention{MaxAge: time.Millisecond, IgnoreDisabled: pipeproc.SwitchOn})
		l.wantLeft(time.Hour)
		if i := l.info("p"); i.Skipped != 0 {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "retention by force passes procs and says so", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		o := procOn("t")
		l.claimAck(o, 1)
		c := l.claim(o)
		l.ensure(pipeproc.ProcOptions{Name: "disabled", Topic: "t"})
		l.disable("disabled")
		l.retain("t", pipeproc.Retention{MaxAge: time.Millisecond, Force: true, IgnoreDisabled: pipeproc.SwitchOn})
		l.aged()
		pruned := l.collect(pipeproc.GCOptions{MinAge: time.Hour})
		if len(pruned) != 1 || pruned[0].Next != 4 || !slices.Equal(pruned[0].Passed, []string{"p"}) {
			l.t.Errorf("%+v", pruned)
		}
		l.commit("t", "4")
		if r, err := l.Ack(l.ctx, "p", c.Token); err != nil || r != c.Range {
			l.t.Error("its claim is its own all the same", r, err)
		}
		l.skip(o, 2, "4")
		l.resume("disabled")
		l.skip(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, 4, "4")
	}},
	{name: "retention by force forces no other rule", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		l.claimAck(procOn("t"), 4)
		l.ensure(pipeproc.ProcOptions{Name: "new", Topic: "t"})
		l.retain("t", pipeproc.Retention{MaxAge: time.Hour, Force: true})
		l.aged()
		l.wantLeft(young, "0", "1", "2", "3")
	}},
	{name: "retention of one topic", run: func(l *lab) {
		topics := []string{"inherits", "off", "longer", "shorter"}
		for _, topic := range topics {
			l.commit(topic, "0")
		}
		l.retain("off", pipeproc.Retention{GC: pipeproc.SwitchOff})
		l.retain("longer", pipeproc.Retention{MinAge: time.Hour})
		l.retain("shorter", pipeproc.Retention{MinAge: young, GC: pipeproc.SwitchOn})
		left := func(want ...string) {
			l.t.Helper()
			var list []string
			for _, topic := range topics {
				if l.length(topic) > 0 {
					list = append(list, topic)
				}
			}
			if !slices.Equal(list, want) {
				l.t.Errorf("%q hold a record, want %q", list, want)
			}
		}
		l.aged()
		l.collect(pipeproc.GCOptions{MinAge: time.Hour})
		left("inherits", "off", "longer")
		l.collect(pipeproc.GCOptions{MinAge: young})
		left("off", "longer")
		l.retain("off", pipeproc.Retention{}) // taken back
		l.retain("longer", pipeproc.Retention{})
		l.collect(pipeproc.GCOptions{MinAge: young})
		left()
	}},
}
