package gcprune

import (
	"testing"
	"time"
)

func byAge(first uint64, passed ...string) Mark { return Mark{first, Age, passed} }

func bySize(first uint64, passed ...string) Mark { return Mark{first, Size, passed} }

// pairs is six in three segments of 10 bytes each.
func pairs() Topic {
	t := six()
	t.Segments = []Segment{{0, 2, 10}, {2, 4, 10}, {4, 6, 10}}
	return t
}

func maxAge(d time.Duration) Rules { return Rules{MaxAge: d} }

func maxBytes(n int64) Rules { return Rules{MaxBytes: n} }

func forced(r Rules) Rules {
	r.Force = true
	return r
}

func TestAgeTakesWhatIsOlder(t *testing.T) {
	run(t,
		row{"none", six(), maxAge(100 * ms), 1100, Mark{}},
		row{"exactly that age stays", six(), maxAge(100 * ms), 1120, byAge(2)},
		row{"a millisecond older goes", six(), maxAge(100 * ms), 1121, byAge(3)},
		row{"all", six(), maxAge(100 * ms), 2000, byAge(6)},
		row{"the clock is before the age", six(), maxAge(10 * time.Second), 2000, Mark{}},
		row{"the clock is far before 1970", six(), maxAge(100 * ms), -1 << 63, Mark{}},
	)
}

func TestSizeTakesWholeOldestSegments(t *testing.T) {
	cut := pairs()
	cut.First = 1
	run(t,
		row{"exactly the size stays", pairs(), maxBytes(30), 0, Mark{}},
		row{"one byte above", pairs(), maxBytes(29), 0, bySize(2)},
		row{"as many as it takes", pairs(), maxBytes(19), 0, bySize(4)},
		row{"a segment that is pruned in part counts whole", cut, maxBytes(29), 0, bySize(2)},
		row{"no segments", six(), maxBytes(1), 0, Mark{}},
	)
}

func TestSizeKeepsTheNewestSegment(t *testing.T) {
	alone := six()
	alone.Segments = []Segment{{0, 6, 100}}
	run(t,
		row{"of several", pairs(), maxBytes(1), 0, bySize(4)},
		row{"alone", alone, maxBytes(1), 0, Mark{}},
	)
}

// P28: retention never passes an active proc unless forced.
func TestRetentionKeepsWhatIsNotAcknowledged(t *testing.T) {
	p := Proc{Name: "p", Acked: 3}
	stopped := Proc{Name: "stopped", Acked: 1, Disabled: true}
	run(t,
		row{"age", pairs().with(p), maxAge(100 * ms), 2000, byAge(3)},
		row{"age, of all procs", pairs().with(p, stopped), maxAge(100 * ms), 2000, byAge(1)},
		row{"age, a disabled proc is ignored", pairs().with(p, stopped), ignoring(maxAge(100 * ms)), 2000, byAge(3)},
		row{"age, only disabled procs", pairs().with(stopped), ignoring(maxAge(100 * ms)), 2000, byAge(6)},
		row{"size", pairs().with(Proc{Name: "p", Acked: 4}), maxBytes(1), 0, bySize(4)},
		row{"size, of all procs", pairs().with(p, stopped), maxBytes(1), 0, Mark{}},
		row{"a proc behind the topic's start", Topic{First: 4, Next: 6, Seek: six().Seek}.with(p), maxAge(ms), 2000, Mark{First: 4}},
	)
}

// Half a segment would be lost to readers and free nothing.
func TestSizeStopsAtASegmentBelowWhatIsAcknowledged(t *testing.T) {
	run(t, row{"within the second", pairs().with(Proc{Name: "p", Acked: 3}), maxBytes(1), 0, bySize(2)})
}

// Retention does not look at claims, and not at MinAge.
func TestRetentionNeedsNoPreviousClaim(t *testing.T) {
	p := Proc{Name: "p", Acked: 6}
	run(t,
		row{"age", six().with(p), Rules{MaxAge: ms, MinAge: time.Hour}, 2000, byAge(6)},
		row{"size", pairs().with(p), Rules{MaxBytes: 1, MinAge: time.Hour}, 2000, bySize(4)},
	)
}

func TestForceNamesTheProcsThatItPasses(t *testing.T) {
	slow, edge, ahead := Proc{Name: "slow", Acked: 1}, Proc{Name: "edge", Acked: 4}, Proc{Name: "ahead", Acked: 5}
	stopped := Proc{Name: "stopped", Disabled: true}
	topic := pairs().with(slow, ahead, edge, stopped)
	run(t,
		row{"age", topic, forced(maxAge(100 * ms)), 2000, byAge(6, "slow", "ahead", "edge", "stopped")},
		row{"size, everything below is acknowledged by two", topic, forced(maxBytes(1)), 0, bySize(4, "slow", "stopped")},
		row{"one that protects nothing is not passed", topic, ignoring(forced(maxBytes(1))), 0, bySize(4, "slow")},
		row{"nothing to do, nobody passed", topic, forced(maxBytes(30)), 0, Mark{}},
		row{"nobody is behind", pairs().with(edge), forced(maxBytes(1)), 0, bySize(4)},
	)
}

// Force is about retention. The acknowledgement rule stays below every proc.
func TestForceDoesNotTouchTheAcknowledgementRule(t *testing.T) {
	p := Proc{Name: "p", Acked: 1, Previous: claim(3, 4)}
	run(t, row{"acknowledged", six().with(p), forced(gc(ms)), 2000, acked(1)})
}

func TestMarkIsTheFurthestOfAllRules(t *testing.T) {
	all := Rules{GC: true, MinAge: 100 * ms, MaxAge: 100 * ms, MaxBytes: 19}
	run(t,
		row{"age", pairs(), Rules{MaxAge: 100 * ms, MaxBytes: 29}, 1131, byAge(4)},
		row{"size", pairs(), all, 1111, bySize(4)},
		row{"acknowledged", pairs(), all, 1140, acked(5)},
		row{"the first of equals", pairs(), Rules{MaxAge: 100 * ms, MaxBytes: 29}, 1120, byAge(2)},
	)
}

func TestMarkStaysWithinTheTopic(t *testing.T) {
	wild := pairs()
	wild.First, wild.Next = 3, 5
	wild.Seek = func(ms int64) (uint64, error) {
		if ms < 2000 {
			return 0, nil
		}
		return 100, nil
	}
	wild.Segments = []Segment{{0, 2, 10}, {2, 40, 10}, {40, 60, 10}}
	run(t,
		row{"below", wild, gc(ms), 1500, Mark{First: 3}},
		row{"above", wild, gc(ms), 2500, acked(5)},
		row{"age above", wild, maxAge(ms), 2500, byAge(5)},
		row{"segments above", wild, maxBytes(1), 0, Mark{First: 3}},
		row{"procs above", six().with(Proc{Acked: 100, Previous: claim(90, 95)}), gc(ms), 1 << 40, acked(6)},
	)
}

func TestBound(t *testing.T) {
	off := Proc{Disabled: true, Acked: 1}
	for _, c := range []struct {
		procs  []Proc
		ignore bool
		bound  uint64
		any    bool
	}{
		{nil, false, 0, false},
		{[]Proc{{Acked: 7}, {Acked: 3}, {Acked: 5}}, false, 3, true},
		{[]Proc{{Acked: 7}, off}, false, 1, true},
		{[]Proc{{Acked: 7}, off}, true, 7, true},
		{[]Proc{off}, true, 0, false},
		{[]Proc{{}}, true, 0, true},
	} {
		if bound, any := Bound(c.procs, c.ignore); bound != c.bound || any != c.any {
			t.Errorf("%+v, ignoring %v: %d, %v", c.procs, c.ignore, bound, any)
		}
	}
}

func TestReasonNames(t *testing.T) {
	for r, want := range map[Reason]string{None: "none", Acknowledged: "acknowledged", Age: "age", Size: "size", 9: "Reason(9)"} {
		if r.String() != want {
			t.Errorf("%q, want %q", r, want)
		}
	}
}
