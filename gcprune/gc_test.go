package gcprune

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/record"
)

// row is one question to Decide and the mark that it must give.
type row struct {
	name  string
	topic Topic
	rules Rules
	now   int64
	want  Mark
}

func run(t *testing.T, rows ...row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Helper()
			m, err := Decide(r.topic, r.rules, r.now)
			if err != nil {
				t.Fatal(err)
			}
			if m.First != r.want.First || m.Reason != r.want.Reason || !slices.Equal(m.Passed, r.want.Passed) {
				t.Errorf("got %+v, want %+v", m, r.want)
			}
		})
	}
}

// at returns a topic with one record at each time, sequences from 0.
func at(times ...int64) Topic {
	return Topic{Name: "t", Next: uint64(len(times)), Seek: func(ms int64) (uint64, error) {
		i, _ := slices.BinarySearch(times, ms)
		return uint64(i), nil
	}}
}

func (t Topic) with(procs ...Proc) Topic {
	t.Procs = procs
	return t
}

// six is the topic of §13 and of the tests of the original: a record every 10 ms
// from 1000 on.
func six() Topic { return at(1000, 1010, 1020, 1030, 1040, 1050) }

// claim is a range of six.
func claim(first, last uint64) record.Range {
	id := func(seq uint64) record.ID { return record.ID{Millis: 1000 + 10*int64(seq), Seq: seq} }
	return record.Range{First: id(first), Last: id(last), Count: last - first + 1}
}

func gc(min time.Duration) Rules { return Rules{GC: true, MinAge: min} }

func ignoring(r Rules) Rules {
	r.IgnoreDisabled = true
	return r
}

const ms = time.Millisecond

// Mark.First is the first sequence that stays, so "4 of 6 left" is a mark of 2.
func acked(first uint64) Mark { return Mark{First: first, Reason: Acknowledged} }

// §13: no active proc on the topic: every record with a time up to
// now - MinAge.
func TestGCWithoutProcsTakesWhatIsOldEnough(t *testing.T) {
	run(t,
		row{"all are old", six(), gc(100 * ms), 1250, acked(6)},
		row{"none is old", six(), gc(1000 * ms), 1250, Mark{}},
		row{"some are old", six(), gc(300 * ms), 1325, acked(3)},
		row{"the clock is far before 1970", six(), gc(100 * ms), -1 << 63, Mark{}},
	)
}

// §13: inclusive of that millisecond.
func TestGCIncludesTheMillisecondOfTheCutoff(t *testing.T) {
	run(t,
		row{"the cutoff is a record's time", six(), gc(100 * ms), 1120, acked(3)},
		row{"a millisecond earlier", six(), gc(100 * ms), 1119, acked(2)},
		row{"all records of that millisecond", at(5, 5, 5, 6), gc(ms), 6, acked(3)},
	)
}

// §13: length is 0 when all is gone, and the next id continues.
func TestGCCanEmptyATopic(t *testing.T) {
	gone := six()
	gone.First = gone.Next
	run(t,
		row{"to the end and no further", six(), gc(ms), 1 << 40, acked(6)},
		row{"an empty topic stays as it is", gone, gc(ms), 1 << 40, Mark{First: 6}},
		row{"so does one that never had a record", at(), gc(ms), 1 << 40, Mark{}},
	)
}

// §13: one proc, claims [0,1] [2,3] [4,5]: 0 and 1 are deleted.
func TestGCExampleOfThreeClaims(t *testing.T) {
	topic := six().with(Proc{Name: "p", Acked: 6, Previous: claim(2, 3)})
	run(t,
		row{"before the previous claim, 4 of 6 left", topic, gc(300 * ms), 2000, acked(2)},
		row{"the previous claim is too young, 6 left", topic, gc(600 * ms), 1500, Mark{}},
		row{"not after it, however old, 4 of 6 left", topic, gc(ms), 1 << 40, acked(2)},
	)
}

// §13: the age test looks at F, the first record of the previous claim, not at
// the records that go.
func TestGCAgeIsThatOfThePreviousClaim(t *testing.T) {
	topic := six().with(Proc{Name: "p", Acked: 6, Previous: claim(2, 3)})
	run(t,
		row{"F is at the cutoff", topic, gc(100 * ms), 1120, acked(2)},
		row{"F is after it, what would go is before", topic, gc(100 * ms), 1119, Mark{}},
	)
}

// §13: no previous claim. The original ignores such procs; here nothing goes.
func TestGCKeepsAllWithoutAPreviousClaim(t *testing.T) {
	run(t,
		row{"one claim, acknowledged", six().with(Proc{Name: "p", Acked: 2}), gc(100 * ms), 2000, Mark{}},
		row{"the first claim was taken back", six().with(Proc{Name: "p"}), gc(100 * ms), 2000, Mark{}},
		row{"all is acknowledged in one claim", six().with(Proc{Name: "p", Acked: 6}), gc(100 * ms), 2000, Mark{}},
	)
}

// §13: F is the topic's first record: nothing lies before it. The original
// ignores such procs, others decide; here they protect.
func TestGCKeepsAllWhenThePreviousClaimIsTheFirst(t *testing.T) {
	first := Proc{Name: "first", Acked: 4, Previous: claim(0, 1)}
	run(t,
		row{"two claims, acknowledged", six().with(first), gc(100 * ms), 2000, Mark{}},
		row{"another proc is ahead", six().with(Proc{Name: "p", Acked: 6, Previous: claim(4, 4)}, first), gc(100 * ms), 2000, Mark{}},
	)
}

// §13: the minimum over the procs.
func TestGCSlowestProcCounts(t *testing.T) {
	fast := Proc{Name: "fast", Acked: 6, Previous: claim(4, 4)}
	slow := Proc{Name: "slow", Acked: 4, Previous: claim(2, 2)}
	run(t,
		row{"the slow one is last", six().with(fast, slow), gc(100 * ms), 2000, acked(2)},
		row{"the slow one is first", six().with(slow, fast), gc(100 * ms), 2000, acked(2)},
		row{"it is the slow one's age that counts", six().with(fast, slow), gc(100 * ms), 1120, acked(2)},
	)
}

// §18: a proc without claims protects from its start position.
func TestGCKeepsWhatANewProcHasNotSeen(t *testing.T) {
	old := Proc{Name: "old", Acked: 6, Previous: claim(4, 4)}
	run(t,
		row{"it starts at the beginning", six().with(old, Proc{Name: "new"}), gc(100 * ms), 2000, Mark{}},
		row{"it starts within", six().with(old, Proc{Name: "new", Acked: 3}), gc(100 * ms), 2000, acked(3)},
		row{"it starts at the end", six().with(old, Proc{Name: "new", Acked: 6}), gc(100 * ms), 2000, acked(4)},
		row{"it is alone", six().with(Proc{Name: "new", Acked: 3}), gc(100 * ms), 2000, Mark{}},
	)
}

// §18: never beyond what is acknowledged.
func TestGCNeverPassesWhatIsAcknowledged(t *testing.T) {
	run(t,
		row{"by the proc itself", six().with(Proc{Name: "p", Acked: 1, Previous: claim(3, 4)}), gc(100 * ms), 2000, acked(1)},
		row{"by another one with claims", six().with(
			Proc{Name: "p", Acked: 6, Previous: claim(3, 4)},
			Proc{Name: "q", Acked: 2, Previous: claim(5, 5)}), gc(100 * ms), 2000, acked(2)},
		row{"below the topic's start", Topic{First: 3, Next: 6, Procs: []Proc{{Acked: 1, Previous: claim(4, 4)}}}, gc(ms), 2000, Mark{First: 3}},
	)
}

// §18: a disabled proc protects its topic too unless told otherwise.
func TestGCDisabledProcProtectsUnlessIgnored(t *testing.T) {
	old := Proc{Name: "old", Acked: 6, Previous: claim(4, 4)}
	stopped := Proc{Name: "stopped", Disabled: true, Acked: 4, Previous: claim(2, 3)}
	fresh := Proc{Name: "fresh", Disabled: true}
	run(t,
		row{"by its previous claim", six().with(old, stopped), gc(100 * ms), 2000, acked(2)},
		row{"by its start position", six().with(old, fresh), gc(100 * ms), 2000, Mark{}},
		row{"ignored, the others count", six().with(fresh, old, stopped), ignoring(gc(100 * ms)), 2000, acked(4)},
		row{"alone", six().with(stopped), gc(100 * ms), 2000, acked(2)},
		row{"ignored and alone, as if there were none", six().with(stopped, fresh), ignoring(gc(100 * ms)), 2000, acked(6)},
		row{"ignoring does not touch active procs", six().with(Proc{Name: "p"}), ignoring(gc(100 * ms)), 2000, Mark{}},
	)
}

func TestGCOffTakesNothing(t *testing.T) {
	run(t, row{"no rule is on", six(), Rules{MinAge: ms}, 1 << 40, Mark{}})
}

// What cannot be read is not pruned either.
func TestDecideReportsAFailedSearch(t *testing.T) {
	broken := errors.New("broken")
	topic := six()
	topic.First = 1
	topic.Seek = func(int64) (uint64, error) { return 5, broken }
	for name, r := range map[string]Rules{"acknowledged": gc(ms), "age": {MaxAge: ms}} {
		m, err := Decide(topic, r, 2000)
		if !errors.Is(err, broken) || m.First != 1 || m.Reason != None {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

// A search may read from a disk. It is for rules that need it only.
func TestDecideSearchesOnlyWhenItMust(t *testing.T) {
	topic := six().with(Proc{Name: "p", Acked: 4, Previous: claim(4, 5)})
	topic.Segments = []Segment{{0, 3, 10}, {3, 6, 10}}
	topic.Seek = nil
	run(t,
		row{"procs and sizes", topic, Rules{GC: true, MinAge: ms, MaxBytes: 1}, 2000, acked(4)},
		row{"age, where acknowledgements reach as far already", topic, Rules{GC: true, MinAge: ms, MaxAge: ms}, 2000, acked(4)},
		row{"no record is from before 1970", Topic{Next: 6}, Rules{GC: true, MinAge: ms, MaxAge: ms}, 0, Mark{}},
		row{"an empty topic", Topic{First: 6, Next: 6}, Rules{GC: true, MaxAge: ms, MaxBytes: 1}, 2000, Mark{First: 6}},
	)
}
