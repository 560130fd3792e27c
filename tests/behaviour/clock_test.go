package behaviour_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// clockEvents counts what a node says of its clock.
func clockEvents(o *pipeproc.Options) *atomic.Int32 {
	var k atomic.Int32
	o.OnEvent = func(e pipeproc.Event) {
		if e.Kind == pipeproc.EventClock && e.Err != nil {
			k.Add(1)
		}
	}
	return &k
}

// newest returns the time of the newest record of a topic, before or after the clock.
func (n *lab) newest(topic string) time.Duration {
	n.t.Helper()
	i, err := n.Topic(n.t.Context(), topic)
	n.ok(err)
	return time.Until(i.LastTime)
}

// TestS18FutureClock: one reading of the clock that is 70 years ahead moves no id and
// turns no retention off.
func TestS18FutureClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		o := &pipeproc.Options{Clock: c.now}
		events := clockEvents(o)
		n := newLab(t, o)
		n.commit("t", "0")
		n.retain("t", pipeproc.Retention{GC: pipeproc.SwitchOff, MaxAge: time.Hour})
		c.set(70 * 365 * 24 * time.Hour)
		n.commit("other", "0")
		if ahead := n.newest("other"); ahead > 0 {
			t.Errorf("the id is %v ahead", ahead)
		}
		c.set(0)
		for range 1000 {
			n.commit("t", "1")
		}
		if a := n.Stats().Ahead; a > time.Second || a < -time.Second {
			t.Errorf("ahead by %v", a)
		}
		for range 240 {
			pass(time.Hour)
			n.collect(pipeproc.GCOptions{})
		}
		n.wantTopic("t")
		if k := events.Load(); k != 1 {
			t.Errorf("%d events of the clock, want 1", k)
		}
	})
}

// TestS18FutureStore: a store that is far ahead already is usable. Its ids go on,
// retention and what procs wait for go by what elapses, and it says so.
func TestS18FutureStore(t *testing.T) {
	const far = 70 * 365 * 24 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		c, disk := &clock{}, vfs.NewCrash()
		n := openOn(t, disk, pipeproc.Options{Clock: c.now})
		n.commit("t", "before")
		n.commit("new", "0")
		c.set(far)
		for range 3 { // long enough for the clock to be believed
			n.commit("u", "0")
			pass(time.Second)
		}
		n.commit("t", "wrong")
		if a := n.newest("t"); a < far-time.Minute {
			t.Fatalf("the clock was not believed: %v", a)
		}
		n.shut()
		c.set(0)
		o := pipeproc.Options{Clock: c.now}
		events := clockEvents(&o)
		n = openOn(t, disk, o)
		if a := n.Stats().Ahead; a < far-time.Minute || a > far+time.Minute {
			t.Errorf("ahead by %v, want %v", a, far)
		}
		n.retain("t", pipeproc.Retention{GC: pipeproc.SwitchOff, MaxAge: time.Hour})
		n.commit("t", "after")
		// What was written before is as old as the clock says, not 70 years.
		n.collect(pipeproc.GCOptions{})
		n.wantTopic("t", "before", "wrong", "after")
		p := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: -1, Retry: pipeproc.RetryPolicy{Backoff: time.Minute, ReclaimTimeout: time.Minute}}
		n.claim(p)
		pass(time.Minute) // its time is up
		n.want(p)         // and it waits before the retry
		pass(time.Minute + time.Second)
		n.want(p, "before", "wrong", "after")
		n.destroy("p")
		pass(40 * time.Minute)
		n.commit("t", "later")
		pass(25 * time.Minute)
		n.collect(pipeproc.GCOptions{})
		n.wantTopic("t", "later")
		pass(time.Hour)
		n.collect(pipeproc.GCOptions{})
		n.wantTopic("t")
		if k := events.Load(); k < 1 || k > 4 {
			t.Errorf("%d events of the clock in two hours", k)
		}
		n.shut()
	})
}

// TestS18Import: ids of an import that are ahead take their own topic ahead, and no other.
func TestS18Import(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewCrash()
		n := openOn(t, disk, pipeproc.Options{})
		in := func(yield func(pipeproc.Record, error) bool) {
			yield(pipeproc.Record{ID: pipeproc.ID{Millis: time.Now().Add(23 * time.Hour).UnixMilli(), Seq: 7}}, nil)
		}
		if _, err := n.Import(t.Context(), "imported", in, nil); err != nil {
			t.Fatal(err)
		}
		check := func() {
			t.Helper()
			ids, err := n.Commit(t.Context(), pipeproc.Record{Topic: "other"}, pipeproc.Record{Topic: "imported"})
			n.ok(err)
			if ahead := ids[0].Millis - time.Now().UnixMilli(); ahead != 0 {
				t.Errorf("another topic is %d ms ahead", ahead)
			}
			if ahead := time.Until(time.UnixMilli(ids[1].Millis)); ahead < 22*time.Hour {
				t.Errorf("the id after those imported is %v ahead", ahead)
			}
			if a := n.Stats().Ahead; a != 0 {
				t.Errorf("the node is ahead by %v", a)
			}
		}
		check()
		disk2 := disk.Kill()
		n.shut()
		n = openOn(t, disk2, pipeproc.Options{}) // from the log
		check()
		n.shut()
		n = openOn(t, disk2, pipeproc.Options{}) // from the snapshot
		check()
		n.shut()
	})
}
