package gcprune

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

func stage(t *testing.T, m *Machine, topic uint64, p Policy) *Op {
	t.Helper()
	op := &Op{Topic: topic, Policy: p}
	if err := m.Stage(op); err != nil {
		t.Fatal(err)
	}
	return op
}

// set takes a policy all the way.
func set(t *testing.T, m *Machine, topic uint64, p Policy) {
	t.Helper()
	m.Apply(stage(t, m, topic, p))
	m.Publish()
}

func values(list []*Entry) (out []Entry) {
	for _, e := range list {
		out = append(out, *e)
	}
	return out
}

func TestPolicyIsVisibleWhenPublished(t *testing.T) {
	m := New()
	want := Policy{GC: On, MaxAge: time.Second}
	op := stage(t, m, 5, want)
	if m.Get(5) != (Policy{}) || m.Any() || len(m.Capture()) != 0 {
		t.Error("a staged policy is there")
	}
	m.Apply(op)
	if m.Get(5) != (Policy{}) || m.Any() || len(m.All()) != 0 {
		t.Error("a policy is visible before it is published")
	}
	if got := values(m.Capture()); !slices.Equal(got, []Entry{{5, want}}) {
		t.Error("an applied policy is not captured", got)
	}
	m.Publish()
	if m.Get(5) != want || !m.Any() || !slices.Equal(values(m.All()), []Entry{{5, want}}) {
		t.Error("a published policy is not visible")
	}
}

func TestStageRefuses(t *testing.T) {
	m := New()
	if err := m.Stage(&Op{Topic: 1, Policy: Policy{MaxBytes: -1}}); !errors.Is(err, errs.InvalidOptions) {
		t.Error(err)
	}
	if err := m.Stage(&Op{Policy: Policy{GC: On}}); !errors.Is(err, errs.InvalidTopic) {
		t.Error(err)
	}
	if len(m.staged) != 0 {
		t.Error("what was refused is staged", m.staged)
	}
}

func TestStageRoundsDurations(t *testing.T) {
	m := New()
	set(t, m, 1, Policy{MaxAge: time.Second + 1})
	if got := m.Get(1).MaxAge; got != time.Second+ms {
		t.Error(got)
	}
}

func TestZeroPolicyIsNone(t *testing.T) {
	m := New()
	set(t, m, 1, Policy{GC: On})
	set(t, m, 1, Policy{})
	if m.Any() || len(m.All())+len(m.Capture())+len(m.applied)+len(m.staged)+len(m.shown) != 0 {
		t.Errorf("something is left: %+v", m)
	}
}

// A command that changes nothing need not be written.
func TestUnchangedPolicyHasNoOperation(t *testing.T) {
	m := New()
	p := Policy{GC: On}
	for _, c := range []struct {
		name   string
		policy Policy
		want   bool
	}{
		{"none before and after", Policy{}, false}, {"new", p, true}, {"the same in flight", p, false},
		{"gone", Policy{}, true}, {"new again", p, true},
	} {
		op := stage(t, m, 1, c.policy)
		ops := 0
		op.Encode(func(byte, func([]byte) []byte) { ops++ })
		if op.Changes() != c.want || (ops == 1) != c.want {
			t.Errorf("%s: changes %v, %d operations", c.name, op.Changes(), ops)
		}
	}
}

func TestAnyCountsWhatTurnsARuleOn(t *testing.T) {
	for p, want := range map[Policy]bool{
		{GC: On}: true, {MaxAge: ms}: true, {MaxBytes: 1}: true,
		{GC: Off}: false, {MinAge: ms}: false, {IgnoreDisabled: On}: false,
	} {
		m := New()
		set(t, m, 1, p)
		if m.Any() != want {
			t.Errorf("%+v: %v", p, m.Any())
		}
		set(t, m, 2, Policy{GC: On})
		set(t, m, 1, Policy{})
		set(t, m, 2, Policy{GC: Off})
		if m.Any() {
			t.Errorf("%+v: still, when nothing is on", p)
		}
	}
}

func TestTopicGone(t *testing.T) {
	m := New()
	set(t, m, 1, Policy{GC: On})
	set(t, m, 2, Policy{GC: Off})
	m.TopicGone(1)
	m.TopicGone(9)
	if m.Get(1) == (Policy{}) {
		t.Error("gone before it is published")
	}
	m.Publish()
	if m.Get(1) != (Policy{}) || m.Get(2) != (Policy{GC: Off}) || m.Any() {
		t.Errorf("%+v", m)
	}
	if op := stage(t, m, 1, Policy{}); op.Changes() {
		t.Error("it is still staged")
	}
}

// Groups of proposals, some of them undone or aborted, against a plain map; and
// a second machine that replays what was encoded.
func TestMachineAgainstModel(t *testing.T) {
	seeds(t, 300, func(rnd *rand.Rand) {
		m, replayed, model := New(), New(), map[uint64]Policy{}
		for range 30 {
			if rnd.IntN(8) == 0 {
				topic := 1 + rnd.Uint64N(4)
				m.TopicGone(topic)
				replayed.TopicGone(topic)
				delete(model, topic)
			}
			group(t, rnd, m, replayed, model)
			m.Publish()
			replayed.Publish()
			want := values(entries(model))
			for name, got := range map[string][]*Entry{"visible": m.All(), "captured": m.Capture(),
				"staged": entries(m.staged), "replayed": replayed.All(), "replayed and captured": replayed.Capture()} {
				if got := values(got); !slices.Equal(got, want) {
					t.Errorf("%s: %+v, want %+v", name, got, want)
				}
			}
			on := slices.ContainsFunc(want, func(e Entry) bool { return e.Policy.prunes() })
			if m.Any() != on || replayed.Any() != on {
				t.Errorf("any: %v, %v, want %v", m.Any(), replayed.Any(), on)
			}
		}
	})
}

// group stages some proposals, undoes some of the last, applies some of the
// first and aborts the rest, as a leader does whose write fails halfway.
func group(t *testing.T, rnd *rand.Rand, m, replayed *Machine, model map[uint64]Policy) {
	t.Helper()
	var ops []*Op
	for range rnd.IntN(6) {
		ops = append(ops, stage(t, m, 1+rnd.Uint64N(4), randomPolicy(rnd)))
	}
	for len(ops) > 0 && rnd.IntN(4) == 0 {
		m.Undo(ops[len(ops)-1])
		ops = ops[:len(ops)-1]
	}
	written := len(ops)
	if rnd.IntN(3) == 0 {
		written = rnd.IntN(len(ops) + 1)
	}
	for _, op := range ops[:written] {
		op.Encode(func(code byte, fill func([]byte) []byte) {
			if err := replayed.Decode(code, fill(nil)); err != nil {
				t.Fatal(err)
			}
		})
		m.Apply(op)
		put(model, op.Topic, op.Policy)
		if rnd.IntN(2) == 0 {
			m.Publish()
		}
	}
	for _, op := range ops[written:] {
		m.Abort(op)
	}
}

func TestReadersBesideTheLeader(t *testing.T) {
	m := New()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				// Both change in one publication.
				if list := m.All(); len(list) == 1 || len(list) == 2 && list[0].Policy != list[1].Policy {
					t.Error("half a publication:", list)
					return
				}
				m.Get(1)
				m.Any()
			}
		})
	}
	for i := range int64(2000) {
		p := Policy{MaxBytes: i % 10}
		a, b := stage(t, m, 1, p), stage(t, m, 2, p)
		m.Apply(a)
		m.Apply(b)
		m.Publish()
	}
	close(done)
	wg.Wait()
}
