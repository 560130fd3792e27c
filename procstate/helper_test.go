package procstate

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

var flagSeed = flag.Uint64("procstate.seed", 0, "run this one seed of the randomized tests")

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
			t.Logf("repeat with -procstate.seed=%d", seed)
		}
	}
}

const epoch = 7

// machine is a Machine and what a commit leader does with it.
type machine struct {
	*Machine
	t  *testing.T
	ms int64 // of the next command
}

func newMachine(t *testing.T) *machine { return &machine{New(epoch), t, 1000} }

// stage stages what must be taken.
func (m *machine) stage(op *Op) *Op {
	m.t.Helper()
	if err := m.Stage(op, m.ms); err != nil {
		m.t.Fatal(err)
	}
	return op
}

// run takes a proposal all the way.
func (m *machine) run(op *Op) *State {
	m.t.Helper()
	m.stage(op)
	m.Apply(op)
	m.Publish(nil)
	m.ms++
	return op.State
}

// create makes the proc p of topic t.
func (m *machine) create(o Options) *State {
	m.t.Helper()
	o, err := o.Check("t")
	if err != nil {
		m.t.Fatal(err)
	}
	return m.run(&Op{Kind: Create, Name: "p", Def: Def{Name: "p", Topic: "t", Options: o}})
}

// take is a claim of k records for the proc p, which are all there.
func (m *machine) take(k uint64) *Op {
	m.t.Helper()
	s := m.staged("p")
	if s == nil {
		return &Op{Kind: Take, Name: "p"}
	}
	return &Op{Kind: Take, Name: "p", Seen: s, Range: span(s.Next, s.Next+k-1)}
}

// staged is the state of a proc with everything in flight, nil for none.
func (m *machine) staged(name string) *State {
	for _, topic := range []string{"t", "u", "v"} {
		for _, s := range m.StagedOfTopic(nil, topic) {
			if s.Def.Name == name {
				return s
			}
		}
	}
	return nil
}

// span is a range of records, of which each has a millisecond of its own.
func span(first, last uint64) record.Range {
	return record.Range{First: record.ID{Millis: int64(first), Seq: first}, Last: record.ID{Millis: int64(last), Seq: last}, Count: last - first + 1}
}

// piece is an encoded operation.
type piece struct {
	code    byte
	payload []byte
}

func encode(op *Op) (list []piece) {
	var code byte
	op.Encode(nil, func(dst []byte, c byte) ([]byte, int) {
		code = c
		return dst, len(dst)
	}, func(dst []byte, mark int) { list = append(list, piece{code, bytes.Clone(dst[mark:])}) })
	return list
}

// captured is the applied state as the sections of a snapshot, in order.
func captured(m *Machine) (list []piece) {
	c := m.Capture()
	c.Sort()
	for _, s := range c.Procs {
		list = append(list, piece{OpProc, AppendProc(nil, s)})
	}
	for _, s := range c.Systems {
		list = append(list, piece{OpSystem, AppendSystem(nil, s)})
	}
	return list
}

// restored is a machine with such sections.
func restored(t *testing.T, list []piece) *Machine {
	t.Helper()
	m := New(epoch)
	for _, p := range list {
		if err := m.Decode(p.code, p.payload); err != nil {
			t.Fatal(err)
		}
	}
	m.Publish(nil)
	return m
}

func same(a, b []piece) bool {
	return slices.EqualFunc(a, b, func(x, y piece) bool { return x.code == y.code && bytes.Equal(x.payload, y.payload) })
}

// code is the code of an error, the name of one that is for the caller only, or
// "" for none.
func code(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrStale):
		return "stale"
	case errors.Is(err, ErrExists):
		return "exists"
	case errors.Is(err, ErrSpent):
		return "spent"
	}
	return errs.Code(err)
}

// public is all of a state that its user sees.
func public(s *State) string {
	if s == nil {
		return "none"
	}
	return fmt.Sprintf("%+v next %d floor %v disabled %v claims %+v last %v %d prev %v %d acked %v %d at %d %d reclaims %d retry %d skipped %d", *s.Def, s.Next, s.Floor,
		s.Disabled, s.Claims, s.LastClaimed, s.LastClaimed.Count, s.PrevClaimed, s.PrevClaimed.Count, s.LastAcked, s.LastAcked.Count,
		s.LastClaimedAt, s.LastAckedAt, s.Reclaims, s.RetryAt, s.Skipped)
}
