package gcprune

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/record"
)

var flagSeed = flag.Uint64("gcprune.seed", 0, "run this one seed of the randomized tests")

// seeds calls fn with n seeds, or with the one that was asked for, until the
// test has failed.
func seeds(t *testing.T, n uint64, fn func(rnd *rand.Rand)) {
	t.Helper()
	first := *flagSeed
	if first == 0 {
		first = max(rand.Uint64()>>1, 1)
	} else {
		n = 1
	}
	for seed := first; seed < first+n && !t.Failed(); seed++ {
		fn(rand.New(rand.NewPCG(seed, 0)))
		if t.Failed() {
			t.Logf("repeat with -gcprune.seed=%d", seed)
		}
	}
}

// world is a topic with all of its records.
type world struct {
	Topic
	ids []record.ID
}

// Decide must agree with rules that look at one record at a time and nothing
// else, on topics with gaps, equal times and procs in any state.
func TestDecideAgainstOracle(t *testing.T) {
	var reasons [numReasons]int
	passed := 0
	seeds(t, 20_000, func(rnd *rand.Rand) {
		w, r, now := randomWorld(rnd), randomRules(rnd), rnd.Int64N(80)
		m, err := Decide(w.Topic, r, now)
		if err != nil {
			t.Fatal(err)
		}
		if m.First < w.First || m.First > w.Next || (m.First == w.First) != (m.Reason == None) {
			t.Errorf("%+v is no mark of [%d, %d)", m, w.First, w.Next)
		}
		for _, id := range w.ids {
			if id.Seq >= w.First && w.goes(id, r, now) != (id.Seq < m.First) {
				t.Errorf("record %v: the oracle says %v, the mark is %+v", id, w.goes(id, r, now), m)
			}
		}
		if want := w.passedBy(m, r); !slices.Equal(m.Passed, want) {
			t.Errorf("passed %v, want %v", m.Passed, want)
		}
		bound, any := Bound(w.Procs, r.IgnoreDisabled)
		if any && !r.Force && m.Reason != None && m.First > bound {
			t.Errorf("%+v lies above the bound %d and was not forced", m, bound)
		}
		if t.Failed() {
			t.Logf("now %d, rules %+v\nids %v\ntopic %+v", now, r, w.ids, w.Topic)
		}
		reasons[m.Reason]++
		if len(m.Passed) > 0 {
			passed++
		}
	})
	// Worlds in which nothing ever happens would agree with anything.
	t.Logf("marks by reason %v, with procs passed %d", reasons, passed)
	if *flagSeed == 0 && (slices.Min(reasons[:]) < 500 || passed < 500) {
		t.Error("the worlds are too much alike")
	}
}

// goes reports whether any rule lets a record go.
func (w *world) goes(id record.ID, r Rules, now int64) bool {
	return w.goesAcknowledged(id, r, now) || w.goesByAge(id, r, now) || w.goesBySize(id, r)
}

func (w *world) protecting(r Rules) []Proc {
	return slices.DeleteFunc(slices.Clone(w.Procs), func(p Proc) bool { return p.Disabled && r.IgnoreDisabled })
}

// seenByAll reports whether all protecting procs have acknowledged sequence seq.
func (w *world) seenByAll(seq uint64, r Rules) bool {
	return !slices.ContainsFunc(w.protecting(r), func(p Proc) bool { return seq >= p.Acked })
}

func (w *world) goesAcknowledged(id record.ID, r Rules, now int64) bool {
	cutoff := now - r.MinAge.Milliseconds()
	procs := w.protecting(r)
	claimed := slices.DeleteFunc(slices.Clone(procs), func(p Proc) bool { return p.Previous.Count == 0 })
	switch {
	case !r.GC:
		return false
	case len(procs) == 0:
		return id.Millis <= cutoff
	case len(claimed) == 0:
		return false
	}
	slices.SortFunc(claimed, func(a, b Proc) int { return int(a.Previous.First.Seq) - int(b.Previous.First.Seq) })
	f := claimed[0].Previous.First
	return f.Millis <= cutoff && id.Seq < f.Seq && w.seenByAll(id.Seq, r)
}

func (w *world) goesByAge(id record.ID, r Rules, now int64) bool {
	return r.MaxAge > 0 && id.Millis < now-r.MaxAge.Milliseconds() && (r.Force || w.seenByAll(id.Seq, r))
}

// A record goes with its segment, when the segment and all newer ones are too
// large together.
func (w *world) goesBySize(id record.ID, r Rules) bool {
	if r.MaxBytes == 0 {
		return false
	}
	for i, s := range w.Segments[:max(len(w.Segments)-1, 0)] {
		if id.Seq < s.Base || id.Seq >= s.Next {
			continue
		}
		var total int64
		for _, newer := range w.Segments[i:] {
			total += newer.Bytes
		}
		last := w.Segments[i+1].Base - 1
		return total > r.MaxBytes && (r.Force || w.seenByAll(last, r))
	}
	return false
}

func (w *world) passedBy(m Mark, r Rules) []string {
	var names []string
	for _, p := range w.protecting(r) {
		if m.Reason != None && p.Acked < m.First {
			names = append(names, p.Name)
		}
	}
	return names
}

func randomRules(rnd *rand.Rand) Rules {
	some := func() time.Duration { return time.Duration(rnd.IntN(40)) * ms }
	r := Rules{GC: rnd.IntN(2) == 0, MinAge: some(), IgnoreDisabled: rnd.IntN(2) == 0}
	if rnd.IntN(2) == 0 {
		r.MaxAge = some()
	}
	if rnd.IntN(2) == 0 {
		r.MaxBytes = rnd.Int64N(60)
	}
	r.Force = rnd.IntN(3) == 0
	return r
}

func randomWorld(rnd *rand.Rand) *world {
	w := &world{}
	seq, now := uint64(0), int64(0)
	for range rnd.IntN(30) {
		if rnd.IntN(8) == 0 {
			seq += rnd.Uint64N(4) // a gap that an import or a repair left
		}
		now += rnd.Int64N(5)
		w.ids = append(w.ids, record.ID{Millis: now, Seq: seq})
		seq++
	}
	w.Name, w.First, w.Next = "t", rnd.Uint64N(min(seq, 4)+1), seq
	w.Seek = func(ms int64) (uint64, error) {
		for _, id := range w.ids {
			if id.Millis >= ms && id.Seq >= w.First {
				return id.Seq, nil
			}
		}
		return w.Next, nil
	}
	w.Segments = randomSegments(rnd, w)
	for i := range rnd.IntN(4) {
		w.Procs = append(w.Procs, randomProc(rnd, w, string(rune('a'+i))))
	}
	return w
}

func randomSegments(rnd *rand.Rand, w *world) (list []Segment) {
	for base := uint64(0); base < w.Next; {
		next := min(base+1+rnd.Uint64N(8), w.Next)
		if next > w.First {
			list = append(list, Segment{base, next, rnd.Int64N(20)})
		}
		base = next
	}
	if rnd.IntN(4) == 0 {
		list = append(list, Segment{w.Next, w.Next, rnd.Int64N(5)}) // just begun
	}
	return list
}

// randomProc also makes procs that no history leads to, such as one that has
// acknowledged less than its previous claim.
func randomProc(rnd *rand.Rand, w *world, name string) Proc {
	p := Proc{Name: name, Disabled: rnd.IntN(3) == 0, Acked: rnd.Uint64N(w.Next + 2)}
	if rnd.IntN(2) == 0 {
		p.Acked = w.Next
	}
	if n := len(w.ids); n > 0 && rnd.IntN(4) > 0 {
		i := rnd.IntN(n)
		k := i + rnd.IntN(n-i)
		p.Previous = record.Range{First: w.ids[i], Last: w.ids[k], Count: uint64(k - i + 1)}
	}
	return p
}
