package behaviour_test

import (
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// At its interval, 30 s by default, the node collects what has reached the minimum
// age, also 30 s by default.
func TestGCInterval(t *testing.T) {
	for _, c := range []struct {
		gc   pipeproc.GCOptions
		left []int // records, every ten seconds
	}{
		{pipeproc.GCOptions{}, []int{1, 1, 0}}, // at 30 s it is 30 s old
		{pipeproc.GCOptions{Interval: 10 * time.Second}, []int{1, 1, 0}},
		{pipeproc.GCOptions{Interval: 20 * time.Second, MinAge: 15 * time.Second}, []int{1, 0, 0}},
		{pipeproc.GCOptions{MinAge: 31 * time.Second}, []int{1, 1, 1, 1, 1, 0}},
	} {
		var events []string
		o := &pipeproc.Options{GC: &c.gc, OnEvent: func(e pipeproc.Event) {
			if e.Kind == pipeproc.EventPruned {
				events = append(events, e.Name)
			}
		}}
		bubble(t, o, func(t *testing.T, n *lab) {
			n.commit("t", "0")
			for i, want := range c.left {
				pass(10 * time.Second)
				if left := len(n.bodies("t")); left != want {
					t.Errorf("%+v: %d records after %d seconds, want %d", c.gc, left, 10*(i+1), want)
				}
			}
			if len(events) != 1 || events[0] != "t" {
				t.Errorf("events %q", events)
			}
		})
	}
}

// IgnoreDisabled of the node applies to every topic that does not say otherwise.
func TestGCIgnoreDisabled(t *testing.T) {
	bubble(t, &pipeproc.Options{GC: &pipeproc.GCOptions{IgnoreDisabled: true}}, func(t *testing.T, n *lab) {
		for _, topic := range []string{"t", "strict"} {
			n.commit(topic, "0")
			n.ensure(pipeproc.ProcOptions{Name: topic, Topic: topic})
			n.disable(topic)
		}
		n.retain("strict", pipeproc.Retention{IgnoreDisabled: pipeproc.SwitchOff})
		pass(time.Hour)
		n.wantTopic("t")
		n.wantTopic("strict", "0")
	})
}

// It is off by default.
func TestGCOff(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		pass(1000 * time.Hour)
		n.wantTopic("t", "0")
	})
}

// It goes on if there was no topic at the first collection.
func TestGCWithoutTopicsAtFirst(t *testing.T) {
	bubble(t, &pipeproc.Options{GC: &pipeproc.GCOptions{Interval: time.Second, MinAge: time.Second}}, func(t *testing.T, n *lab) {
		pass(10 * time.Second)
		n.commit("t", "0")
		pass(10 * time.Second)
		n.wantTopic("t")
		n.commit("t", "1")
		pass(10 * time.Second)
		n.wantTopic("t")
	})
}

// What is collected while the node runs is gone after a reopening, and
// sequences go on.
func TestGCSequencesStay(t *testing.T) {
	reopenings(t, pipeproc.Options{GC: &pipeproc.GCOptions{Interval: time.Second, MinAge: time.Second}}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1", "2")
		pass(time.Minute)
		n = reopen()
		if l, err := n.Length(t.Context(), "t"); err != nil || l != 0 {
			t.Errorf("length %d, %v", l, err)
		}
		if ids := n.commit("t", "3"); ids[0].Seq != 3 {
			t.Errorf("the next id is %v", ids[0])
		}
		if l, err := n.Length(t.Context(), "t"); err != nil || l != 1 {
			t.Errorf("length %d, %v", l, err)
		}
		i, err := n.Topic(t.Context(), "t")
		n.ok(err)
		if i.First != 3 || i.Next != 4 || i.Records != 1 {
			t.Errorf("%+v", i)
		}
		if r, err := n.Get(t.Context(), "t", 3); err != nil || string(r.Body) != "3" {
			t.Errorf("%+v, %v", r, err)
		}
		_, err = n.Get(t.Context(), "t", 2)
		wantCode(t, err, "pruned")
		for _, err := range n.Range(t.Context(), "t", pipeproc.RangeOptions{Start: pipeproc.AtSeq(2)}) {
			wantCode(t, err, "invalid_tone_id_search", ":3")
		}
	})
}

// A collection runs beside claims and commits without removing what somebody still
// needs.
func TestGCBesideClaims(t *testing.T) {
	n := newLab(t, nil)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := n.GC(t.Context(), pipeproc.GCOptions{MinAge: time.Nanosecond}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 3}
	n.ensure(o)
	next := uint64(0)
	for range 600 {
		n.commit("t", "x", "y")
		c := n.claim(o)
		if c.Skipped != 0 || c.Range.First.Seq != next {
			t.Fatalf("%v was claimed, %d is next, %d skipped", c.Range, next, c.Skipped)
		}
		next = c.Range.Last.Seq + 1
		// A proc made meanwhile gets all from where it begins.
		q := n.ensure(pipeproc.ProcOptions{Name: "q", Topic: "t"})
		if d := n.claim(pipeproc.ProcOptions{Name: "q", Topic: "t"}); d.Skipped != 0 || d.Range.First.Seq != q.Next {
			t.Fatalf("made at %d, it begins with %v, %d skipped", q.Next, d.Range, d.Skipped)
		}
		n.destroy("q")
		n.ack("p")
	}
	close(stop)
	<-stopped
}

// A proc that is made between the decision and the prune loses nothing: either the
// topic is pruned before it, or it gets everything.
func TestGCBesideTheFirstProc(t *testing.T) {
	n := newLab(t, nil)
	for range 300 {
		n.commit("t", "0", "1", "2")
		gc := start(func() error {
			_, err := n.GC(t.Context(), pipeproc.GCOptions{MinAge: time.Nanosecond})
			return err
		})
		p := n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		<-gc.done
		n.ok(gc.err)
		c := n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		if c.Skipped != 0 || !c.Empty() && c.Range.First.Seq != p.Next {
			t.Fatalf("made at %d, it begins with %v, %d skipped", p.Next, c.Range, c.Skipped)
		}
		n.destroy("p")
	}
}
