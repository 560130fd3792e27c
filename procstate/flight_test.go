package procstate

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// chain stages proposals about one proc, each upon those in flight before it.
func (m *machine) chain() (ops []*Op) {
	m.t.Helper()
	for _, next := range []func() *Op{
		func() *Op { return m.take(2) },
		func() *Op { return &Op{Kind: Reclaim, Name: "p"} },
		func() *Op { return m.take(1) },
		func() *Op { return &Op{Kind: Stop, Name: "p"} },
		func() *Op { return &Op{Kind: Ack, Name: "p"} },
		func() *Op { return &Op{Kind: Resume, Name: "p"} },
		func() *Op { return &Op{Kind: Seek, Name: "p", Next: 9} },
		func() *Op { return &Op{Kind: Redefine, Def: Def{Name: "p", Topic: "t", System: "s"}} },
		func() *Op { return m.take(3) },
		func() *Op { return &Op{Kind: Destroy, Name: "p"} },
	} {
		ops = append(ops, m.stage(next()))
	}
	return ops
}

// Undone in reverse order, each step is as it was before.
func TestUndo(t *testing.T) {
	for keep := range 11 {
		m := newMachine(t)
		before := []*State{m.create(Options{})}
		ops := m.chain()
		for _, op := range ops[:len(ops)-1] {
			before = append(before, op.State)
		}
		for i := len(ops) - 1; i >= keep; i-- {
			m.Undo(ops[i])
			if got := m.staged("p"); got != before[i] {
				t.Fatalf("without proposal %d: %s, want %s", i, public(got), public(before[i]))
			}
		}
		for _, op := range ops[:min(keep, len(ops))] {
			m.Apply(op)
		}
		m.Publish(nil)
		if _, s, err := m.Get("p"); keep < 10 && (err != nil || s != before[keep]) || keep == 10 && err == nil {
			t.Errorf("%d applied: %s, %v", keep, public(s), err)
		}
	}
}

// When a write fails halfway, what was written is applied, and the rest is put
// back to that, in whatever order.
func TestAbort(t *testing.T) {
	for keep := range 11 {
		for _, backwards := range []bool{false, true} {
			m := newMachine(t)
			first := m.create(Options{})
			ops := m.chain()
			for _, op := range ops[:keep] {
				m.Apply(op)
			}
			m.Publish(nil)
			rest := slices.Clone(ops[keep:])
			if backwards {
				slices.Reverse(rest)
			}
			for _, op := range rest {
				m.Abort(op)
			}
			want := first
			if keep > 0 {
				want = ops[keep-1].State
			}
			if keep == 10 {
				want = nil
			}
			if got := m.staged("p"); got != want {
				t.Errorf("%d applied, %v: staged %s, want %s", keep, backwards, public(got), public(want))
			}
			if _, s, _ := m.Get("p"); s != want {
				t.Errorf("%d applied, %v: visible %s, want %s", keep, backwards, public(s), public(want))
			}
			if (m.Len() == 1) != (want != nil) {
				t.Errorf("%d applied: %d procs", keep, m.Len())
			}
		}
	}
}

// A proc that came to nothing leaves nothing, and its name is free.
func TestCreateThatCameToNothing(t *testing.T) {
	for name, end := range map[string]func(m *machine, op *Op){
		"undo":  func(m *machine, op *Op) { m.Undo(op) },
		"abort": func(m *machine, op *Op) { m.Abort(op) },
	} {
		m := newMachine(t)
		op := m.stage(&Op{Kind: Create, Name: "p", Def: Def{Name: "p", Topic: "t"}})
		if _, _, err := m.Get("p"); code(err) != "invalid_proc" {
			t.Errorf("%s: visible before it is published: %v", name, err)
		}
		stop := m.stage(&Op{Kind: Stop, Name: "p"})
		end(m, stop)
		end(m, op)
		if m.Len() != 0 || m.staged("p") != nil || len(m.OfTopic(nil, "t")) != 0 || len(captured(m.Machine)) != 0 {
			t.Errorf("%s: something is left", name)
		}
		if s := m.run(&Op{Kind: Create, Name: "p", Def: Def{Name: "p", Topic: "u"}}); s.Def.Topic != "u" {
			t.Errorf("%s: %s", name, public(s))
		}
	}
}

// Destroyed and made again in one command, on another topic: it works out, comes
// to nothing, or comes to half of it, as the case may be.
func TestDestroyAndCreateInFlight(t *testing.T) {
	for _, applied := range []int{0, 1, 2} {
		for _, how := range []string{"undo", "abort", "abort backwards"} {
			m := newMachine(t)
			old := m.create(Options{})
			ops := []*Op{m.stage(&Op{Kind: Destroy, Name: "p"}), m.stage(&Op{Kind: Create, Name: "p", Def: Def{Name: "p", Topic: "u"}})}
			rest := ops[applied:]
			if how == "undo" {
				for i := len(rest) - 1; i >= 0; i-- {
					m.Undo(rest[i])
				}
			}
			for _, op := range ops[:applied] {
				m.Apply(op)
			}
			m.Publish(nil)
			if how == "abort backwards" {
				slices.Reverse(rest)
			}
			for _, op := range rest {
				if how != "undo" {
					m.Abort(op)
				}
			}
			want := []*State{old, nil, ops[1].State}[applied]
			if applied == 2 {
				want = m.staged("p")
				if want == nil || want.Def.Topic != "u" {
					t.Errorf("%s: the new one is %s", how, public(want))
				}
			}
			if _, s, _ := m.Get("p"); s != want || m.staged("p") != want {
				t.Errorf("%d applied, %s: visible %s, staged %s, want %s", applied, how, public(s), public(m.staged("p")), public(want))
			}
			if n := len(m.OfTopic(nil, "t")) + len(m.OfTopic(nil, "u")); (n == 1) != (want != nil) {
				t.Errorf("%d applied, %s: %d procs", applied, how, n)
			}
		}
	}
}

// What is in flight is not seen: readers see the state that was published last,
// all of it.
func TestReadersSeeWhatIsPublished(t *testing.T) {
	for name, ops := range map[string][]*Op{
		"destroy":            {{Kind: Destroy, Name: "p"}},
		"stop":               {{Kind: Stop, Name: "p"}},
		"destroy and create": {{Kind: Destroy, Name: "p"}, {Kind: Create, Name: "p", Def: Def{Name: "p", Topic: "u"}}},
		"another":            {{Kind: Create, Name: "q", Def: Def{Name: "q", Topic: "t"}}},
	} {
		m := newMachine(t)
		old := m.create(Options{})
		for i := range 2 {
			for _, op := range ops {
				if i == 0 {
					m.stage(op)
				} else {
					m.Apply(op)
				}
			}
			if _, s, err := m.Get("p"); err != nil || s != old {
				t.Errorf("%s: %s, %v", name, public(s), err)
			}
			if all := m.All(); len(all) != 1 || all[0] != old {
				t.Errorf("%s: %d procs", name, len(all))
			}
			if list := m.OfTopic(nil, "t"); len(list) != 1 || list[0] != old {
				t.Errorf("%s: %d procs on the topic", name, len(list))
			}
		}
	}
}

// Definitions of system procs, in flight.
func TestSystemsInFlight(t *testing.T) {
	m := newMachine(t)
	def := func(from ...string) *System {
		return &System{Name: "s", Processor: "f", From: from, Many: true, Count: 1, Lanes: 1}
	}
	m.run(&Op{Kind: PutSystem, System: def("t", "u")})
	shown := m.System("s")
	if shown == nil || shown.CreatedAt != 1000 {
		t.Fatalf("%+v", shown)
	}
	for _, topic := range []string{"t", "u"} {
		m.run(&Op{Kind: Create, Def: Def{Name: "s__" + topic, Topic: topic, System: "s"}})
	}
	a := m.stage(&Op{Kind: Destroy, Name: "s__t"})
	b := m.stage(&Op{Kind: Destroy, Name: "s__u"})
	if m.System("s") != shown || len(m.Systems()) != 1 {
		t.Error("what is in flight is seen")
	}
	m.Undo(b)
	m.Undo(a)
	a = m.stage(&Op{Kind: Destroy, Name: "s__u"})
	m.Abort(a)
	a = m.stage(&Op{Kind: Destroy, Name: "s__u"})
	m.Apply(a)
	m.Publish(nil)
	if s := m.System("s"); s == nil || !slices.Equal(s.From, []string{"t"}) || s.CreatedAt != 1000 {
		t.Errorf("%+v", s)
	}
	m.run(&Op{Kind: Destroy, Name: "s__t"})
	if m.System("s") != nil || len(m.Systems()) != 0 || len(captured(m.Machine)) != 0 {
		t.Error("it does not end with its last topic")
	}
	m.run(&Op{Kind: DropSystem, Name: "s"}) // nothing to do
	if code(m.Stage(&Op{Kind: PutSystem, System: def("t"), SeenSystem: shown}, 1)) != "stale" {
		t.Error("a definition over one that is not there any more")
	}
	op := m.stage(&Op{Kind: PutSystem, System: def("t")})
	if code(m.Stage(&Op{Kind: PutSystem, System: def("u")}, 1)) != "stale" {
		t.Error("a second one at once")
	}
	m.Undo(op)
	m.run(&Op{Kind: PutSystem, System: def("t")})
	m.run(&Op{Kind: DropSystem, Name: "s"})
	if len(m.Systems()) != 0 {
		t.Error("not dropped")
	}
}

// Readers beside a leader see one published state after the other, never half
// of a publication.
func TestProcReadersBesideTheLeader(t *testing.T) {
	m := newMachine(t)
	m.run(&Op{Kind: Create, Def: Def{Name: "a", Topic: "t"}})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		last := uint64(0)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, s, err := m.Get("a")
			if err != nil || s.Next < last {
				t.Errorf("%v after %d, %v", s, last, err)
				return
			}
			last = s.Next
			m.All()
			m.OfTopic(nil, "t")
			m.Systems()
		}
	}()
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range uint64(3000) {
		op := m.stage(&Op{Kind: Seek, Name: "a", Next: i})
		if rnd.IntN(3) == 0 {
			m.Undo(op)
			continue
		}
		m.Apply(op)
		if i%7 == 0 {
			m.run(&Op{Kind: Create, Def: Def{Name: "b", Topic: "t"}})
			m.run(&Op{Kind: Destroy, Name: "b"})
		}
		m.Publish(nil)
	}
	close(stop)
	<-stopped
}
