package procstate

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

func randomID(rnd *rand.Rand) record.ID {
	return record.ID{Millis: int64(rnd.Uint64() >> (1 + rnd.IntN(63))), Seq: (rnd.Uint64() >> rnd.IntN(64)) &^ 1}
}

func randomRange(rnd *rand.Rand) record.Range {
	if rnd.IntN(3) == 0 {
		return record.Range{}
	}
	a, b := randomID(rnd), randomID(rnd)
	if a.Seq > b.Seq {
		a.Seq, b.Seq = b.Seq, a.Seq
	}
	return record.Range{First: a, Last: b, Count: 1 + rnd.Uint64()>>(1+rnd.IntN(63))}
}

func randomOptions(rnd *rand.Rand) Options {
	some := func() time.Duration { return time.Duration(rnd.Int64N(int64(maxDuration)+1)>>rnd.IntN(63)) / 1e6 * 1e6 }
	o := Options{Offset: []string{">", "$>", ":5", "1700000000000-3", ""}[rnd.IntN(5)], MaxReclaims: rnd.IntN(1000) - 1,
		ReclaimTimeout: some(), OnMax: Strategy(rnd.IntN(int(numStrategies))), Backoff: some(), MaxBackoff: some()}
	if rnd.IntN(3) == 0 {
		o.ReclaimTimeout = -time.Millisecond
	}
	if o.OnMax == DeadLetter {
		o.DeadLetter = "dead"
	}
	return o
}

// randomState also makes states that no history leads to.
func randomState(rnd *rand.Rand) *State {
	u := func() uint64 { return rnd.Uint64() >> rnd.IntN(64) }
	ms := func() int64 { return int64(u() >> 1) }
	d := &Def{ID: 1 + u()>>1, Name: fmt.Sprint("proc #", rnd.IntN(5)), Topic: fmt.Sprint("t", rnd.IntN(3)), CreatedAt: ms(), Owner: u(), Options: randomOptions(rnd)}
	if rnd.IntN(2) == 0 {
		d.System = "sys"
	}
	s := &State{Def: d, Next: u(), Disabled: rnd.IntN(2) == 0, LastClaimed: randomRange(rnd), PrevClaimed: randomRange(rnd), LastAcked: randomRange(rnd),
		LastClaimedAt: ms(), LastAckedAt: ms(), Reclaims: int(u()&math.MaxInt) >> 2, RetryAt: ms(), Skipped: u()}
	if rnd.IntN(2) == 0 {
		s.Floor = randomID(rnd)
	}
	if r := randomRange(rnd); !r.Empty() {
		s.Claims = []OpenClaim{{Token: Token{u() + 1, u()}, Range: r, At: ms()}}
	}
	return s
}

func randomSystem(rnd *rand.Rand) *System {
	topics := func(n int) (list []string) {
		for range n {
			list = append(list, fmt.Sprint("t", rnd.IntN(9)))
		}
		return list
	}
	s := &System{Name: "sys", Processor: "fn", From: topics(1 + rnd.IntN(4)), To: topics(rnd.IntN(4)), Many: rnd.IntN(2) == 0,
		Count: rnd.IntN(1 << 20), Lanes: rnd.IntN(1 << 10), CreatedAt: rnd.Int64(), Options: randomOptions(rnd)}
	if rnd.IntN(2) == 0 {
		s.Command, s.Source = topics(1+rnd.IntN(3)), topics(1)[0]
	}
	return s
}

// The format is for ever.
func TestProcBytes(t *testing.T) {
	if OpProc != 16 || OpState != 17 || OpGone != 18 || OpSystem != 19 || OpSystemGone != 20 {
		t.Error("codes of operations have changed")
	}
	o := Options{Offset: "$>", MaxReclaims: -1, ReclaimTimeout: 300 * time.Millisecond, OnMax: DeadLetter, DeadLetter: "d", Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond}
	s := &State{Def: &Def{ID: 300, Name: "p", Topic: "t", CreatedAt: 5, Owner: 6, System: "s", Options: o}, Next: 7, Floor: record.ID{Millis: 8, Seq: 9}, Disabled: true,
		Claims:      []OpenClaim{{Token: Token{1, 2}, Range: record.Range{First: record.ID{Millis: 3, Seq: 4}, Last: record.ID{Millis: 5, Seq: 6}, Count: 3}, At: 10}},
		LastClaimed: record.Range{First: record.ID{Millis: 3, Seq: 4}, Last: record.ID{Millis: 5, Seq: 6}, Count: 3}, LastClaimedAt: 11, LastAckedAt: 12, Reclaims: 13, RetryAt: 14, Skipped: 15}
	options := "\x02$>" + "\x01" + "\xd8\x04" + "\x02" + "\x01d" + "\x02" + "\x04"
	claim := "\x03\x06\x04\x0a\x06" // three records, 3-4 to 5-6
	state := "\x07\x10\x09\x01" + "\x01\x01\x02" + claim + "\x14" + "\x00" + claim + "\x00\x00" + "\x16\x18\x0d\x1c\x0f"
	want := "\xac\x02" + "\x01p\x01t" + "\x0a" + "\x06" + "\x01s" + options + state
	if got := AppendProc(nil, s); string(got) != want {
		t.Errorf("% x, want % x", got, want)
	}
	sys := &System{Name: "s", Processor: "f", From: []string{"a", "b"}, To: []string{"x"}, Many: true, Count: 300, Lanes: 2, CreatedAt: 5, Options: o}
	want = "\x01s\x01f\x02\x01a\x01b\x01\x01x\x01\xac\x02\x02\x0a" + options
	if got := AppendSystem(nil, sys); string(got) != want {
		t.Errorf("% x, want % x", got, want)
	}
	sys.Command, sys.Source = []string{"sh", "x"}, "y"
	if got := AppendSystem(nil, sys); string(got) != want+"\x02\x02sh\x01x\x01y" {
		t.Errorf("% x, want % x", got, want)
	}
	if err := New(epoch).Decode(OpSystem, []byte(want+"\x00\x01y")); err == nil {
		t.Error("a source without a command was taken")
	}
}

// Random states come back as they were.
func TestProcRoundTrip(t *testing.T) {
	seeds(t, 500, func(rnd *rand.Rand) {
		s, sys := randomState(rnd), randomSystem(rnd)
		m := New(epoch)
		if err := errors.Join(m.Decode(OpProc, AppendProc(nil, s)), m.Decode(OpSystem, AppendSystem(nil, sys))); err != nil {
			t.Fatalf("%v: %s %+v", err, public(s), sys)
		}
		if m.Len() != 1 || len(m.All()) != 0 || len(m.Systems()) != 0 {
			t.Error("visible before it is published")
		}
		var changed []*State
		m.Publish(func(_ *Proc, s *State) { changed = append(changed, s) })
		p, got, err := m.Get(s.Def.Name)
		if err != nil || public(got) != public(s) || p.ID() != s.Def.ID || p.Topic() != s.Def.Topic || len(changed) != 1 || changed[0] != got {
			t.Errorf("%v\n%s became\n%s", err, public(s), public(got))
		}
		if got := m.System("sys"); got == nil || fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", *sys) {
			t.Errorf("%+v became %+v", sys, got)
		}
	})
}

// The head keeps numbers of procs from being used again.
func TestHeadRoundTrip(t *testing.T) {
	m := newMachine(t)
	m.create(Options{})
	m.run(&Op{Kind: Destroy, Name: "p"})
	next := New(epoch)
	if err := next.RestoreHead(m.Capture().AppendHead(nil)); err != nil {
		t.Fatal(err)
	}
	m = &machine{next, t, 1}
	if s := m.create(Options{}); s.Def.ID != 2 {
		t.Errorf("number %d was used before", s.Def.ID)
	}
	for _, b := range []string{"", "\x80", "\x01\x01"} {
		if err := next.RestoreHead([]byte(b)); !errors.Is(err, enc.ErrMalformed) {
			t.Errorf("% x: %v", b, err)
		}
	}
}

// What a newer version may write is refused as that, not taken for damage.
func TestNewerVersions(t *testing.T) {
	s := &State{Def: &Def{ID: 1, Name: "p", Topic: "t"}}
	good := AppendProc(nil, s)
	base := len(good) - len(appendState(nil, s))
	change := func(at int, b byte) []byte {
		p := bytes.Clone(good)
		p[base+at] = b
		return p
	}
	m := New(epoch)
	for name, err := range map[string]error{
		"flags":               m.Decode(OpProc, change(3, 2)),
		"acknowledged ranges": m.Decode(OpProc, change(5, 1)),
		"operation":           m.Decode(21, nil),
	} {
		if !errors.Is(err, errs.Version) {
			t.Errorf("%s: %v", name, err)
		}
	}
	two := *s
	two.Claims = []OpenClaim{{Token: Token{1, 1}, Range: span(0, 1), At: 1}, {Token: Token{1, 2}, Range: span(2, 3), At: 1}}
	if err := m.Decode(OpProc, AppendProc(nil, &two)); !errors.Is(err, errs.Version) {
		t.Errorf("two claims: %v", err)
	}
	if m.Len() != 0 {
		t.Error("taken all the same")
	}
}

// Numbers that cannot be are refused.
func TestImpossibleStates(t *testing.T) {
	for name, change := range map[string]func(s *State){
		"no number":        func(s *State) { s.Def.ID = 0 },
		"the last number":  func(s *State) { s.Def.ID = math.MaxUint64 },
		"no name":          func(s *State) { s.Def.Name = "" },
		"no topic":         func(s *State) { s.Def.Topic = "" },
		"bad topic":        func(s *State) { s.Def.Topic = "a b" },
		"strategy":         func(s *State) { s.Def.OnMax = numStrategies },
		"timeout":          func(s *State) { s.Def.ReclaimTimeout = 2 * maxDuration },
		"negative timeout": func(s *State) { s.Def.ReclaimTimeout = -2 * time.Millisecond },
		"backoff":          func(s *State) { s.Def.MaxBackoff = 2 * maxDuration },
		"a range backwards": func(s *State) {
			s.LastAcked = record.Range{First: record.ID{Seq: 2}, Last: record.ID{Seq: 1}, Count: 1}
		},
		"the last sequence": func(s *State) { s.LastAcked = record.Range{Last: record.ID{Seq: math.MaxUint64}, Count: 1} },
		"an empty claim":    func(s *State) { s.Claims = []OpenClaim{{Token: Token{1, 1}}} },
		"a claim of nobody": func(s *State) { s.Claims = []OpenClaim{{Range: span(0, 1)}} },
	} {
		s := &State{Def: &Def{ID: 1, Name: "p", Topic: "t"}}
		change(s)
		m := New(epoch)
		if err := m.Decode(OpProc, AppendProc(nil, s)); !errors.Is(err, enc.ErrMalformed) || m.Len() != 0 {
			t.Errorf("%s: %v, %d procs", name, err, m.Len())
		}
	}
	m := New(epoch)
	for _, code := range []byte{OpState, OpGone} {
		if err := m.Decode(code, []byte{1}); err == nil {
			t.Errorf("operation %d on a proc that does not exist", code)
		}
	}
}
