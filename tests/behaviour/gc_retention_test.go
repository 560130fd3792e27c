package behaviour_test

import (
	"slices"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

func (n *lab) retain(topic string, r pipeproc.Retention) {
	n.t.Helper()
	n.ok(n.SetRetention(n.t.Context(), topic, r))
}

// Retention by age works without the node's GC, at its interval, and on topics
// without procs.
func TestRetentionByAge(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.each("t", "0", "1", "2")
		n.commit("other", "0")
		n.retain("t", pipeproc.Retention{MaxAge: time.Minute})
		pass(57 * time.Second)
		n.wantTopic("t", "0", "1", "2")
		pass(33 * time.Second)
		n.wantTopic("t")
		n.wantTopic("other", "0")
		if pruned := n.collect(pipeproc.GCOptions{MinAge: time.Hour}); len(pruned) != 0 {
			t.Errorf("%+v", pruned)
		}
	})
}

// Exactly as old as MaxAge is not older.
func TestRetentionByAgeBound(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		n.retain("t", pipeproc.Retention{MaxAge: time.Minute, GC: pipeproc.SwitchOff})
		pass(time.Minute)
		if pruned := n.collect(pipeproc.GCOptions{}); len(pruned) != 0 {
			t.Errorf("%+v", pruned)
		}
		pass(time.Millisecond)
		if pruned := n.collect(pipeproc.GCOptions{}); len(pruned) != 1 || pruned[0].Reason.String() != "age" {
			t.Errorf("%+v", pruned)
		}
	})
}

// It never removes what a proc has not acknowledged, even if the proc is disabled.
func TestRetentionByAgeStopsAtProcs(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2", "3")
		p := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}
		n.claimAck(p, 1)
		n.claim(p)
		n.claimAck(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, 2)
		n.disable("disabled")
		n.retain("t", pipeproc.Retention{MaxAge: time.Minute})
		pass(time.Hour)
		n.wantTopic("t", "1", "2", "3")
		n.ack("p")
		n.claimAck(p, 2)
		pass(time.Minute)
		n.wantTopic("t", "2", "3")
		n.retain("t", pipeproc.Retention{MaxAge: time.Minute, IgnoreDisabled: pipeproc.SwitchOn})
		pass(time.Minute)
		n.wantTopic("t")
		if i := n.info("p"); i.Skipped != 0 {
			t.Errorf("%+v", i)
		}
	})
}

// With Force it does, and says which procs it passed; disabled ones that protect
// nothing are not among them.
func TestRetentionForced(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2", "3")
		p := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}
		n.claimAck(p, 1)
		c := n.claim(p)
		n.ensure(pipeproc.ProcOptions{Name: "disabled", Topic: "t"})
		n.disable("disabled")
		n.retain("t", pipeproc.Retention{MaxAge: time.Minute, Force: true, IgnoreDisabled: pipeproc.SwitchOn})
		pass(time.Minute + time.Millisecond)
		pruned := n.collect(pipeproc.GCOptions{})
		if len(pruned) != 1 || pruned[0].Next != 4 || !slices.Equal(pruned[0].Passed, []string{"p"}) {
			t.Errorf("%+v", pruned)
		}
		n.commit("t", "4")
		if r, err := n.Ack(t.Context(), "p", c.Token); err != nil || r != c.Range {
			t.Error("its claim is its own all the same", r, err)
		}
		if c := n.want(p, "4"); c.Skipped != 2 {
			t.Errorf("skipped %d", c.Skipped)
		}
		n.resume("disabled")
		if c := n.want(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, "4"); c.Skipped != 4 {
			t.Errorf("skipped %d", c.Skipped)
		}
	})
}

// Force applies to age and size only, not to the acknowledgement rule.
func TestRetentionForceDoesNotForceTheOtherRule(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1", "2", "3")
		n.claimAck(pipeproc.ProcOptions{Name: "p", Topic: "t"}, 4)
		n.ensure(pipeproc.ProcOptions{Name: "new", Topic: "t"})
		n.retain("t", pipeproc.Retention{MaxAge: 1000 * time.Hour, Force: true})
		pass(time.Hour)
		n.wantLeft(time.Second, "0", "1", "2", "3")
	})
}

// A topic may use the node's rule or turn it off, and may have an age of its own.
func TestRetentionOfOneTopic(t *testing.T) {
	bubble(t, &pipeproc.Options{GC: &pipeproc.GCOptions{Interval: time.Second, MinAge: time.Minute}}, func(t *testing.T, n *lab) {
		for _, topic := range []string{"inherits", "off", "longer", "shorter"} {
			n.commit(topic, "0")
		}
		n.retain("off", pipeproc.Retention{GC: pipeproc.SwitchOff})
		n.retain("longer", pipeproc.Retention{MinAge: time.Hour})
		n.retain("shorter", pipeproc.Retention{MinAge: time.Second, GC: pipeproc.SwitchOn})
		left := func(topics ...string) {
			t.Helper()
			var list []string
			for _, topic := range []string{"inherits", "off", "longer", "shorter"} {
				if len(n.bodies(topic)) > 0 {
					list = append(list, topic)
				}
			}
			if !slices.Equal(list, topics) {
				t.Errorf("%q hold a record, want %q", list, topics)
			}
		}
		pass(10 * time.Second)
		left("inherits", "off", "longer")
		pass(time.Minute)
		left("off", "longer")
		pass(time.Hour)
		left("off")
		n.retain("off", pipeproc.Retention{}) // taken back
		pass(time.Minute)
		left()
	})
}

// A topic's own rule is applied also by a node that has none.
func TestRetentionWithoutNodeGC(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		n.commit("other", "0")
		n.retain("t", pipeproc.Retention{GC: pipeproc.SwitchOn, MinAge: time.Second})
		pass(30 * time.Second)
		n.wantTopic("t")
		n.wantTopic("other", "0")
	})
}

// Setting retention again and again does not postpone a collection.
func TestRetentionDoesNotPutOffCollections(t *testing.T) {
	bubble(t, &pipeproc.Options{GC: &pipeproc.GCOptions{Interval: 30 * time.Second, MinAge: time.Second}}, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		n.commit("other", "0")
		for i := range 100 {
			pass(20 * time.Second)
			n.retain("other", pipeproc.Retention{MaxAge: time.Duration(i+1) * time.Hour})
		}
		n.wantTopic("t")
	})
}

// Policies survive a reopening, and are deleted with their topic.
func TestRetentionSurvivesReopen(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0")
		n.commit("u", "0")
		want := pipeproc.Retention{GC: pipeproc.SwitchOff, MinAge: time.Second, IgnoreDisabled: pipeproc.SwitchOn, MaxAge: 3 * time.Hour, MaxBytes: 1 << 40, Force: true}
		n.retain("t", want)
		n.retain("u", want)
		n.retain("u", pipeproc.Retention{})
		for range 2 {
			n = reopen()
			if r, err := n.Retention(t.Context(), "t"); err != nil || r != want {
				t.Errorf("%+v, %v", r, err)
			}
			if r, err := n.Retention(t.Context(), "u"); err != nil || r != (pipeproc.Retention{}) {
				t.Errorf("%+v, %v", r, err)
			}
		}
		pass(3*time.Hour + time.Minute)
		n.wantTopic("t")
		n.ok(n.DeleteTopic(t.Context(), "t"))
		n.commit("t", "new")
		for range 2 {
			if r, err := n.Retention(t.Context(), "t"); err != nil || r != (pipeproc.Retention{}) {
				t.Errorf("%+v, %v", r, err)
			}
			n = reopen()
		}
		pass(1000 * time.Hour)
		n.wantTopic("t", "new")
	})
}
