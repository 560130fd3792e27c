package behaviour_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
)

// clock is wall time that can jump, without a monotonic reading.
type clock struct{ jump atomic.Int64 }

func (c *clock) now() time.Time {
	return time.UnixMilli(time.Now().Add(time.Duration(c.jump.Load())).UnixMilli())
}

func (c *clock) set(jump time.Duration) { c.jump.Store(int64(jump)) }

// jumping runs fn on a node with such a clock that collects every minute what is
// older than an hour, by both rules.
func jumping(t *testing.T, fn func(t *testing.T, n *lab, c *clock)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		n := newLab(t, &pipeproc.Options{Clock: c.now, GC: &pipeproc.GCOptions{Interval: time.Minute, MinAge: time.Hour}})
		n.commit("t", "0")
		n.commit("aged", "0")
		n.retain("aged", pipeproc.Retention{GC: pipeproc.SwitchOff, MaxAge: time.Hour, Force: true})
		n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "aged"})
		fn(t, n, c)
	})
}

func (n *lab) wantBoth(bodies ...string) {
	n.t.Helper()
	n.wantTopic("t", bodies...)
	n.wantTopic("aged", bodies...)
}

// One wrong reading of the clock, a year ahead, prunes nothing.
func TestGCOneWrongReading(t *testing.T) {
	jumping(t, func(_ *testing.T, n *lab, c *clock) {
		pass(5*time.Minute + time.Second)
		n.wantBoth("0")
		c.set(365 * 24 * time.Hour)
		pass(time.Minute)
		c.set(0)
		n.wantBoth("0")
		pass(10 * time.Minute)
		n.wantBoth("0")
		pass(time.Hour)
		n.wantBoth()
	})
}

// Nor does one at the first collection after the node was opened.
func TestGCOneWrongReadingAtFirst(t *testing.T) {
	jumping(t, func(_ *testing.T, n *lab, c *clock) {
		pass(time.Second)
		c.set(365 * 24 * time.Hour)
		pass(time.Minute)
		c.set(0)
		pass(10 * time.Minute)
		n.wantBoth("0")
		pass(time.Hour)
		n.wantBoth()
	})
}

// Nor in a call of GC.
func TestGCOneWrongReadingInACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		n := newLab(t, &pipeproc.Options{Clock: c.now})
		n.commit("t", "0")
		pass(time.Minute)
		n.collect(pipeproc.GCOptions{MinAge: time.Hour})
		pass(time.Minute)
		c.set(365 * 24 * time.Hour)
		n.collect(pipeproc.GCOptions{MinAge: time.Hour})
		n.wantTopic("t", "0")
	})
}

// A clock that stays ahead is right.
func TestGCClockSetForward(t *testing.T) {
	jumping(t, func(_ *testing.T, n *lab, c *clock) {
		pass(5*time.Minute + time.Second)
		c.set(365 * 24 * time.Hour)
		pass(5 * time.Minute)
		n.wantBoth()
	})
}

// While the clock is behind the store, time goes on by a little less than what
// elapses: nothing goes too early, and nothing stays for good.
func TestGCClockSetBack(t *testing.T) {
	jumping(t, func(_ *testing.T, n *lab, c *clock) {
		pass(5 * time.Minute)
		c.set(-24 * time.Hour)
		pass(50 * time.Minute)
		n.wantBoth("0")
		n.commit("t", "1") // not below the time of 0
		n.commit("aged", "1")
		pass(30 * time.Minute)
		n.wantBoth("1")
		c.set(-48 * time.Hour)
		pass(20 * time.Minute)
		n.wantBoth("1")
		pass(30 * time.Minute)
		n.wantBoth()
		c.set(0)
		pass(2 * time.Hour)
		n.commit("t", "2")
		n.commit("aged", "2")
		pass(55 * time.Minute)
		n.wantBoth("2")
		pass(10 * time.Minute)
		n.wantBoth()
	})
}

// A clock before 1970 is refused where it would be written, and prunes nothing.
func TestGCClockBeforeTheEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.UnixMilli(5000)
		n := newLab(t, &pipeproc.Options{Clock: func() time.Time { return now }})
		n.commit("t", "0")
		now = time.UnixMilli(-5000)
		n.collect(pipeproc.GCOptions{MinAge: time.Second})
		n.retain("t", pipeproc.Retention{MaxAge: time.Second})
		n.collect(pipeproc.GCOptions{})
		n.wantTopic("t", "0")
	})
}
