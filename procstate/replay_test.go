package procstate

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/record"
)

// history proposes at random, as a commit leader does, with what the user of the
// machine knows.
type history struct {
	*machine
	rnd  *rand.Rand
	kept []*State // some states of the past
}

func (h *history) name() string { return fmt.Sprint("p", h.rnd.IntN(4)) }

func (h *history) token(s *State) Token {
	switch {
	case h.rnd.IntN(3) > 0 || s == nil:
		return Token{}
	case s.Claim() != nil && h.rnd.IntN(2) == 0:
		return s.Claim().Token
	}
	return Token{epoch, h.rnd.Uint64N(20)}
}

func (h *history) options() Options {
	o := Options{MaxReclaims: h.rnd.IntN(4), OnMax: Strategy(h.rnd.IntN(int(numStrategies))), Backoff: time.Duration(h.rnd.IntN(3)) * time.Second}
	o, err := o.Check("t")
	if err != nil {
		h.t.Fatal(err)
	}
	return o
}

func (h *history) op() *Op {
	name := h.name()
	s := h.staged(name)
	if s != nil {
		h.kept = append(h.kept, s)
	}
	switch h.rnd.IntN(14) {
	case 0, 1:
		d := Def{Name: name, Topic: []string{"t", "u"}[h.rnd.IntN(2)], Options: h.options(), Owner: h.rnd.Uint64N(2)}
		if h.rnd.IntN(2) == 0 {
			d.System = "sys"
		}
		return &Op{Kind: Create, Name: name, Def: d, Next: h.rnd.Uint64N(10), Floor: record.ID{Millis: h.rnd.Int64N(2)}}
	case 2, 3, 4:
		if len(h.kept) > 0 && h.rnd.IntN(8) == 0 {
			s = h.kept[h.rnd.IntN(len(h.kept))]
		}
		if s == nil {
			return &Op{Kind: Take, Name: name}
		}
		skip := h.rnd.Uint64N(3)
		return &Op{Kind: Take, Name: name, Seen: s, Skipped: skip, Range: span(s.Next+skip, s.Next+skip+h.rnd.Uint64N(3))}
	case 5, 6:
		return &Op{Kind: Ack, Name: name, Token: h.token(s), Commit: h.rnd.IntN(2) == 0}
	case 7:
		return &Op{Kind: Reclaim, Name: name, Token: h.token(s)}
	case 8:
		return &Op{Kind: []Kind{Release, Bury}[h.rnd.IntN(2)], Name: name, Token: h.token(s)}
	case 9:
		return &Op{Kind: []Kind{Stop, Resume}[h.rnd.IntN(2)], Name: name}
	case 10:
		return &Op{Kind: Destroy, Name: name}
	case 11:
		return &Op{Kind: Seek, Name: name, Next: h.rnd.Uint64N(20), Floor: record.ID{Seq: h.rnd.Uint64N(2)}}
	case 12:
		return &Op{Kind: Redefine, Def: Def{Name: name, System: []string{"", "sys"}[h.rnd.IntN(2)], Options: h.options()}}
	}
	if h.rnd.IntN(4) == 0 {
		return &Op{Kind: DropSystem, Name: "sys"}
	}
	def := &System{Name: "sys", Processor: "f", From: []string{"t", "u"}[:1+h.rnd.IntN(2)], Many: true, Count: h.rnd.IntN(9), Lanes: 1}
	return &Op{Kind: PutSystem, System: def, SeenSystem: h.System("sys")}
}

// command stages some proposals as one; when one is refused the others are
// undone.
func (h *history) command() (ops []*Op) {
	for range 1 + h.rnd.IntN(3) {
		op := h.op()
		if err := h.Stage(op, h.ms); err != nil {
			for i := len(ops) - 1; i >= 0; i-- {
				h.Undo(ops[i])
			}
			return nil
		}
		ops = append(ops, op)
	}
	return ops
}

// group takes some commands through: staged one after the other, some of the
// first applied, the rest aborted, as when a write fails halfway. It returns what
// was encoded, by command.
func (h *history) group() (written [][]piece) {
	var commands [][]*Op
	for range h.rnd.IntN(5) {
		if ops := h.command(); ops != nil {
			commands = append(commands, ops)
		}
	}
	n := len(commands)
	if h.rnd.IntN(3) == 0 {
		n = h.rnd.IntN(n + 1)
	}
	for _, ops := range commands[:n] {
		var list []piece
		for _, op := range ops {
			list = append(list, encode(op)...)
		}
		written = append(written, list)
		for _, op := range ops {
			h.Apply(op)
		}
	}
	h.Publish(nil)
	for _, ops := range commands[n:] {
		for _, op := range ops {
			h.Abort(op)
		}
	}
	h.ms += h.rnd.Int64N(1000)
	return written
}

// Replaying what was encoded gives the state that applying gave, and so does a
// snapshot of it; what is staged after each group is what is applied, and what is
// visible.
func TestReplayIsTheSameAsApply(t *testing.T) {
	outcomes := map[string]int{}
	seeds(t, 80, func(rnd *rand.Rand) {
		h := &history{machine: newMachine(t), rnd: rnd}
		replayed := New(epoch)
		for range 60 {
			if rnd.IntN(12) == 0 {
				topic := []string{"t", "u"}[rnd.IntN(2)]
				h.TopicGone(topic)
				replayed.TopicGone(topic)
				h.Publish(nil)
				replayed.Publish(nil)
			}
			for _, list := range h.group() {
				for _, p := range list {
					outcomes[fmt.Sprint(p.code)]++
					if err := replayed.Decode(p.code, p.payload); err != nil {
						t.Fatalf("operation %d: %v", p.code, err)
					}
				}
				replayed.Publish(nil)
			}
			want := captured(h.Machine)
			if !same(captured(replayed), want) {
				t.Errorf("replay gives another state")
			}
			if !same(captured(restored(t, want)), want) {
				t.Errorf("a snapshot gives another state")
			}
			for name, m := range map[string]*Machine{"applied": h.Machine, "replayed": replayed} {
				if got := visible(m); !same(got, want) {
					t.Errorf("%s: %d visible, %d applied", name, len(got), len(want))
				}
				if got := staged(m); !same(got, want[:len(got)]) || len(got) != m.Len() {
					t.Errorf("%s: what is staged after a group is not what is applied", name)
				}
			}
		}
	})
	t.Logf("operations by code %v", outcomes)
	for _, code := range []byte{OpProc, OpState, OpGone, OpSystem, OpSystemGone} {
		if *flagSeed == 0 && !t.Failed() && outcomes[fmt.Sprint(code)] < 20 {
			t.Errorf("operation %d: %d times only", code, outcomes[fmt.Sprint(code)])
		}
	}
}

// visible is what readers see, as the sections of a snapshot.
func visible(m *Machine) (list []piece) {
	c := &Captured{Procs: m.All(), Systems: m.Systems()}
	c.Sort()
	for _, s := range c.Procs {
		list = append(list, piece{OpProc, AppendProc(nil, s)})
	}
	for _, s := range c.Systems {
		list = append(list, piece{OpSystem, AppendSystem(nil, s)})
	}
	return list
}

// staged is the procs with what is in flight, likewise.
func staged(m *Machine) (list []piece) {
	c := &Captured{}
	for _, topic := range []string{"t", "u"} {
		c.Procs = m.StagedOfTopic(c.Procs, topic)
	}
	c.Sort()
	for _, s := range c.Procs {
		list = append(list, piece{OpProc, AppendProc(nil, s)})
	}
	return list
}

// Hostile bytes: whatever is cut off or flipped in an operation, it is refused,
// and then nothing has changed, or what it makes can be written and read again.
func TestHostileOperations(t *testing.T) {
	taken, refused := 0, 0
	seeds(t, 2, func(rnd *rand.Rand) {
		h := &history{machine: newMachine(t), rnd: rnd}
		for range 10 {
			before := captured(h.Machine)
			for _, list := range h.group() {
				for _, p := range list {
					for _, bad := range mutilated(p) {
						if hostile(t, before, bad) {
							taken++
						} else {
							refused++
						}
					}
				}
				break // what follows has another state before it
			}
			if t.Failed() {
				return
			}
		}
	})
	t.Logf("%d refused, %d taken", refused, taken)
}

// mutilated are all truncations and bit flips of an operation.
func mutilated(p piece) (list []piece) {
	for n := range p.payload {
		list = append(list, piece{p.code, p.payload[:n]})
		for bit := range 8 {
			b := append([]byte(nil), p.payload...)
			b[n] ^= 1 << bit
			list = append(list, piece{p.code, b})
		}
	}
	for bit := range 8 {
		list = append(list, piece{p.code ^ 1<<bit, p.payload})
	}
	return append(list, piece{p.code, append(append([]byte(nil), p.payload...), 0)})
}

func hostile(t *testing.T, before []piece, bad piece) (taken bool) {
	t.Helper()
	m := restored(t, before)
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("operation %d % x: panic: %v", bad.code, bad.payload, r)
		}
	}()
	err := m.Decode(bad.code, bad.payload)
	m.Publish(nil)
	after := captured(m)
	if err != nil {
		if !same(after, before) {
			t.Errorf("operation %d % x: refused and taken all the same: %v", bad.code, bad.payload, err)
		}
		return false
	}
	again := New(epoch)
	for _, p := range after {
		err = errors.Join(err, again.Decode(p.code, p.payload))
	}
	if err != nil || !same(captured(again), after) {
		t.Errorf("operation %d % x: what it makes cannot be read again: %v", bad.code, bad.payload, err)
	}
	return true
}
