package once

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

func key(client byte, seq, floor uint64, again bool) Key {
	return Key{Client: Client{client}, Seq: seq, Floor: floor, Again: again}
}

// do runs a command through m and returns Stage's error.
func do(m *Machine, k Key, reply string, ms int64) error {
	op := &Op{Key: k}
	if err := m.Stage(op); err != nil {
		return err
	}
	op.Reply = []byte(reply)
	m.Apply(op, ms)
	m.Publish()
	return nil
}

func TestRepeatedIsAnswered(t *testing.T) {
	m := New()
	if err := do(m, key(1, 1, 1, false), "first", 0); err != nil {
		t.Fatal(err)
	}
	if err := do(m, key(1, 1, 1, true), "second", 0); !errors.Is(err, ErrRepeated) {
		t.Error(err)
	}
	if r, ok := m.Lookup(key(1, 1, 1, true)); !ok || string(r) != "first" {
		t.Errorf("%q %v", r, ok)
	}
	if err := do(m, key(2, 1, 1, false), "another client", 0); err != nil {
		t.Error(err)
	}
}

func TestRepeatedWhileInFlight(t *testing.T) {
	m := New()
	op := &Op{Key: key(1, 5, 1, false)}
	if err := m.Stage(op); err != nil {
		t.Fatal(err)
	}
	if err := m.Stage(&Op{Key: key(1, 5, 1, true)}); !errors.Is(err, ErrRepeated) {
		t.Error(err)
	}
	if _, ok := m.Lookup(op.Key); ok {
		t.Error("answered before it was applied")
	}
	m.Apply(op, 0)
	if _, ok := m.Lookup(op.Key); ok {
		t.Error("answered before it was visible")
	}
	if err := m.Stage(&Op{Key: key(1, 5, 1, true)}); !errors.Is(err, ErrRepeated) {
		t.Error(err)
	}
	m.Publish()
	if _, ok := m.Lookup(op.Key); !ok {
		t.Error("not answered")
	}
	undone := &Op{Key: key(1, 6, 1, false)}
	if err := m.Stage(undone); err != nil {
		t.Fatal(err)
	}
	m.Undo(undone)
	if err := do(m, key(1, 6, 1, true), "", 0); err != nil {
		t.Error("what came to nothing may be tried again:", err)
	}
}

func TestFloorForgets(t *testing.T) {
	m := New()
	for seq := uint64(1); seq <= 10; seq++ {
		if err := do(m, key(1, seq, max(seq, 3)-2, false), "r", 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := m.Lookup(key(1, 7, 0, true)); ok {
		t.Error("a reply that has arrived is kept")
	}
	if _, ok := m.Lookup(key(1, 9, 0, true)); !ok {
		t.Error("a reply that may not have arrived is gone")
	}
	if err := do(m, key(1, 3, 1, true), "", 0); !errors.Is(err, ErrForgotten) {
		t.Error(err)
	}
}

// TestUnknownClient: whether the first command of a client was done is known,
// whether a later one was is not, when the client is not known any more.
func TestUnknownClient(t *testing.T) {
	m := New()
	if err := do(m, key(1, 1, 1, true), "", 0); err != nil {
		t.Error(err)
	}
	if err := do(m, key(2, 9, 8, true), "", 0); !errors.Is(err, ErrForgotten) {
		t.Error(err)
	}
	if err := do(m, key(2, 9, 8, false), "", 0); err != nil {
		t.Error(err)
	}
}

func TestBounds(t *testing.T) {
	m := New()
	for seq := uint64(1); seq <= maxReplies+10; seq++ {
		if err := do(m, key(1, seq, 1, false), "r", 0); err != nil {
			t.Fatal(err)
		}
	}
	c := m.clients[Client{1}]
	if len(c.replies) != maxReplies || c.floor != 11 || c.bytes != maxReplies {
		t.Error(len(c.replies), c.floor, c.bytes)
	}
	big := string(make([]byte, maxBytes/2))
	for seq := uint64(1); seq <= 5; seq++ {
		if err := do(m, key(2, seq, 1, false), big, 0); err != nil {
			t.Fatal(err)
		}
	}
	if c := m.clients[Client{2}]; c.bytes > maxBytes || len(c.replies) != 2 {
		t.Error(c.bytes, len(c.replies))
	}
	for i := range maxClients + 5 {
		if err := do(m, Key{Client: Client{3, byte(i), byte(i >> 8)}, Seq: 1, Floor: 1}, "", 0); err != nil {
			t.Fatal(err)
		}
	}
	if m.Len() != maxClients {
		t.Error(m.Len())
	}
}

// TestOneJumpForgetsNobody: a time far ahead, in one command, does not take away
// what a small number of clients may need.
func TestOneJumpForgetsNobody(t *testing.T) {
	m := New()
	for i := range keepAlways {
		if err := do(m, Key{Client: Client{1, byte(i), byte(i >> 8)}, Seq: 1, Floor: 1}, "", 1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := do(m, key(1, 2, 1, false), "", 1<<46); err != nil || m.Len() != keepAlways {
		t.Error(err, m.Len())
	}
	if err := do(m, key(2, 1, 1, false), "", 1<<46); err != nil || m.Len() != keepAlways {
		t.Error("silent clients beyond the number that is kept should have gone", err, m.Len())
	}
}

// TestReplay: replaying the operations, and restoring a snapshot, give the same
// machine.
func TestReplay(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	m, replayed := New(), New()
	next := map[byte]uint64{}
	for i := range 3000 {
		c := byte(r.IntN(20))
		next[c]++
		floor := next[c] - min(next[c]-1, uint64(r.IntN(5)))
		op := &Op{Key: key(c, next[c], floor, false)}
		if err := m.Stage(op); err != nil {
			continue
		}
		op.Reply = fmt.Append(nil, i)
		payload := op.Append(nil)
		m.Apply(op, int64(i))
		m.Publish()
		if err := replayed.Decode(payload, int64(i)); err != nil {
			t.Fatal(err)
		}
		replayed.Publish()
	}
	restored := New()
	text := func(m *Machine) (b []byte) {
		for _, c := range m.Capture() {
			b = c.Append(b)
		}
		return b
	}
	for _, c := range m.Capture() {
		if err := restored.Restore(c.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if want := text(m); !bytes.Equal(want, text(replayed)) || !bytes.Equal(want, text(restored)) {
		t.Error("the machines differ")
	}
}

func TestHostile(t *testing.T) {
	op := &Op{Key: key(1, 3, 2, false), Reply: []byte("reply")}
	payload := op.Append(nil)
	for n := range payload {
		if err := New().Decode(payload[:n], 0); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
	m := New()
	if err := do(m, key(1, 1, 1, false), "reply", 5); err != nil {
		t.Fatal(err)
	}
	c := m.Capture()[0]
	section := c.Append(nil)
	for n := range section {
		if err := New().Restore(section[:n]); err == nil {
			t.Errorf("%d bytes of a section were taken", n)
		}
	}
	if err := m.Restore(section); err == nil {
		t.Error("a client twice")
	}
}
