package procstate

import (
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/record"
)

// states brings the proc p into each state that there is.
var states = []struct {
	name  string
	build func(m *machine)
}{
	{"none", func(*machine) {}},
	{"new", func(m *machine) { m.create(Options{}) }},
	{"claimed", func(m *machine) {
		m.create(Options{})
		m.run(m.take(2))
	}},
	{"acked", func(m *machine) {
		m.create(Options{})
		m.run(m.take(2))
		m.run(&Op{Kind: Ack, Name: "p"})
	}},
	{"given back", func(m *machine) {
		m.create(Options{Backoff: time.Second})
		m.run(m.take(2))
		m.run(&Op{Kind: Reclaim, Name: "p"})
	}},
	{"disabled", func(m *machine) {
		m.create(Options{})
		m.run(&Op{Kind: Stop, Name: "p"})
	}},
	{"disabled, claimed", func(m *machine) {
		m.create(Options{})
		m.run(m.take(2))
		m.run(&Op{Kind: Stop, Name: "p"})
	}},
	{"last chance, dead letter", func(m *machine) {
		m.create(Options{MaxReclaims: 1, OnMax: DeadLetter})
		m.run(m.take(2))
	}},
	{"last chance, disable", func(m *machine) {
		m.create(Options{MaxReclaims: 1})
		m.run(m.take(2))
	}},
	{"going", func(m *machine) { // in flight
		m.create(Options{})
		m.stage(&Op{Kind: Destroy, Name: "p"})
	}},
}

// Every proposal in every state: what it comes to.
func TestStage(t *testing.T) {
	stale := Token{epoch, 99}
	for _, c := range []struct {
		name string
		op   func(m *machine) *Op
		want []string // by state
	}{
		//                                                              none, new, claimed, acked, given back, disabled, disabled+claimed, dead letter, disable, going
		{"create", func(*machine) *Op { return &Op{Kind: Create, Name: "p", Def: Def{Name: "p", Topic: "t"}} },
			[]string{"", "exists", "exists", "exists", "exists", "exists", "exists", "exists", "exists", ""}},
		{"create elsewhere", func(*machine) *Op { return &Op{Kind: Create, Name: "p", Def: Def{Name: "p", Topic: "u"}} },
			[]string{"", "proc_name_not_unique", "proc_name_not_unique", "proc_name_not_unique", "proc_name_not_unique", "proc_name_not_unique", "proc_name_not_unique", "proc_name_not_unique", "proc_name_not_unique", ""}},
		{"redefine", func(*machine) *Op { return &Op{Kind: Redefine, Def: Def{Name: "p", Topic: "t", System: "s"}} },
			[]string{"invalid_proc", "", "", "", "", "", "", "", "", "invalid_proc"}},
		{"take", func(m *machine) *Op { return m.take(1) },
			[]string{"invalid_proc", "", "stale", "", "", "stale", "stale", "stale", "stale", "invalid_proc"}},
		{"take of a stale state", func(*machine) *Op { return &Op{Kind: Take, Name: "p", Seen: &State{}, Range: span(9, 9)} },
			[]string{"invalid_proc", "stale", "stale", "stale", "stale", "stale", "stale", "stale", "stale", "invalid_proc"}},
		{"ack", func(*machine) *Op { return &Op{Kind: Ack, Name: "p"} },
			[]string{"invalid_proc", "invalid_ack", "", "invalid_ack", "invalid_ack", "invalid_ack", "", "", "", "invalid_proc"}},
		{"ack with records", func(*machine) *Op { return &Op{Kind: Ack, Name: "p", Commit: true} },
			[]string{"invalid_proc", "invalid_ack_or_commit", "", "invalid_ack_or_commit", "invalid_ack_or_commit", "invalid_ack_or_commit", "", "", "", "invalid_proc"}},
		{"ack of a stale claim", func(*machine) *Op { return &Op{Kind: Ack, Name: "p", Token: stale, Commit: true} },
			[]string{"invalid_proc", "claim_lost", "claim_lost", "claim_lost", "claim_lost", "claim_lost", "claim_lost", "claim_lost", "claim_lost", "invalid_proc"}},
		{"reclaim", func(*machine) *Op { return &Op{Kind: Reclaim, Name: "p"} },
			[]string{"invalid_proc", "nothing_to_reclaim", "", "nothing_to_reclaim", "nothing_to_reclaim", "proc_is_disabled", "proc_is_disabled", "spent", "", "invalid_proc"}},
		{"reclaim of a stale claim", func(*machine) *Op { return &Op{Kind: Reclaim, Name: "p", Token: stale} },
			[]string{"invalid_proc", "claim_lost", "claim_lost", "claim_lost", "claim_lost", "proc_is_disabled", "proc_is_disabled", "claim_lost", "claim_lost", "invalid_proc"}},
		{"release", func(*machine) *Op { return &Op{Kind: Release, Name: "p", Token: Token{epoch, 1}} },
			[]string{"invalid_proc", "claim_lost", "", "claim_lost", "claim_lost", "claim_lost", "", "", "", "invalid_proc"}},
		{"stop", func(*machine) *Op { return &Op{Kind: Stop, Name: "p"} },
			[]string{"invalid_proc", "", "", "", "", "proc_already_disabled", "proc_already_disabled", "", "", "invalid_proc"}},
		{"resume", func(*machine) *Op { return &Op{Kind: Resume, Name: "p"} },
			[]string{"invalid_proc", "proc_already_active", "proc_already_active", "proc_already_active", "proc_already_active", "", "", "proc_already_active", "proc_already_active", "invalid_proc"}},
		{"destroy", func(*machine) *Op { return &Op{Kind: Destroy, Name: "p"} },
			[]string{"invalid_proc", "", "", "", "", "", "", "", "", "invalid_proc"}},
		{"seek", func(*machine) *Op { return &Op{Kind: Seek, Name: "p", Next: 5} },
			[]string{"invalid_proc", "", "", "", "", "", "", "", "", "invalid_proc"}},
		{"unknown", func(*machine) *Op { return &Op{Kind: 99, Name: "p"} },
			[]string{"invalid_proc", "?", "?", "?", "?", "?", "?", "?", "?", "invalid_proc"}},
	} {
		for i, s := range states {
			m := newMachine(t)
			s.build(m)
			before, applied := m.staged("p"), captured(m.Machine)
			err := m.Stage(c.op(m), m.ms)
			switch got := code(err); {
			case c.want[i] == "?" && err == nil, c.want[i] != "?" && got != c.want[i]:
				t.Errorf("%s, %s: %v, want %q", c.name, s.name, err, c.want[i])
			case err != nil && m.staged("p") != before:
				t.Errorf("%s, %s: refused and staged all the same", c.name, s.name)
			}
			if !same(captured(m.Machine), applied) {
				t.Errorf("%s, %s: applied by staging", c.name, s.name)
			}
		}
	}
}

// Dead letters are for the last reclaim that is allowed, and look at the proc
// again.
func TestStageBury(t *testing.T) {
	want := map[string]string{"none": "invalid_proc", "going": "invalid_proc", "last chance, dead letter": "", "last chance, disable": ""}
	for _, s := range states {
		m := newMachine(t)
		s.build(m)
		op := &Op{Kind: Bury, Name: "p", Commit: true}
		if st := m.staged("p"); st != nil && st.Claim() != nil {
			op.Token = st.Claim().Token
		}
		err := m.Stage(op, m.ms)
		if w, ok := want[s.name]; ok && code(err) != w || !ok && err == nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

// What each proposal leaves, written out.
func TestStageResults(t *testing.T) {
	m := newMachine(t)
	s := m.create(Options{MaxReclaims: 2, Backoff: time.Second})
	if s.Def.ID != 1 || s.Def.CreatedAt != 1000 || s.Claim() != nil {
		t.Error(public(s))
	}
	m.ms = 2000
	op := m.take(3)
	op.Skipped, op.Range = 4, span(4, 6)
	s = m.run(op)
	if c := s.Claim(); c == nil || *c != op.Claim || c.Token != (Token{epoch, 1}) || c.Range != span(4, 6) || c.At != 2000 ||
		s.LastClaimed != span(4, 6) || !s.PrevClaimed.Empty() || s.LastClaimedAt != 2000 || s.Next != 4 || s.Skipped != 4 {
		t.Error(public(s))
	}
	m.ms = 3000
	op = &Op{Kind: Reclaim, Name: "p"}
	s = m.run(op)
	if op.Claim.Token != (Token{epoch, 1}) || s.Claim() != nil || s.Reclaims != 1 || s.RetryAt != 4000 || !s.LastClaimed.Empty() || s.Next != 4 {
		t.Error(public(s))
	}
	op = m.take(2)
	s = m.run(op)
	if s.RetryAt != 0 || s.Reclaims != 1 || s.Claim().Token != (Token{epoch, 2}) || s.Skipped != 4 {
		t.Error(public(s))
	}
	m.ms = 5000
	s = m.run(&Op{Kind: Ack, Name: "p", Token: Token{epoch, 2}})
	if s.Next != 6 || s.LastAcked != span(4, 5) || s.LastAckedAt != 5000 || s.Reclaims != 0 || s.Claim() != nil {
		t.Error(public(s))
	}
	m.run(m.take(1))
	s = m.run(&Op{Kind: Release, Name: "p", Token: Token{epoch, 3}})
	if s.Claim() != nil || s.Reclaims != 0 || s.RetryAt != 0 || s.LastClaimed != span(4, 5) {
		t.Error("a release does not count", public(s))
	}
	for range 2 {
		m.run(m.take(1))
		s = m.run(&Op{Kind: Reclaim, Name: "p"})
	}
	if !s.Disabled || s.Reclaims != 2 {
		t.Error(public(s))
	}
	s = m.run(&Op{Kind: Resume, Name: "p"})
	if s.Disabled || s.Reclaims != 0 || s.RetryAt != 0 {
		t.Error(public(s))
	}
	m.run(m.take(1))
	floor := record.ID{Millis: 9, Seq: 9}
	s = m.run(&Op{Kind: Seek, Name: "p", Next: 3, Floor: floor})
	if s.Next != 3 || s.Floor != floor || s.Claim() != nil || !s.LastClaimed.Empty() || !s.PrevClaimed.Empty() || s.LastAcked != span(4, 5) {
		t.Error(public(s))
	}
	op = &Op{Kind: Destroy, Name: "p"}
	if s = m.run(op); s.Next != 3 || m.Len() != 0 || len(m.All()) != 0 {
		t.Error("not as it was, or not gone", public(s))
	}
	if s = m.create(Options{}); s.Def.ID != 2 || s.Next != 0 {
		t.Error("made again it is another one", public(s))
	}
}

// A claim's token is never used twice, whatever becomes of the claim.
func TestTokensAreUnique(t *testing.T) {
	m := newMachine(t)
	m.create(Options{MaxReclaims: -1})
	seen := map[Token]bool{}
	for i := range 50 {
		op := m.stage(m.take(1))
		if seen[op.Claim.Token] || op.Claim.Token.Epoch != epoch {
			t.Fatal(op.Claim.Token)
		}
		seen[op.Claim.Token] = true
		switch i % 3 {
		case 0:
			m.Undo(op)
		case 1:
			m.Abort(op)
		default:
			m.Apply(op)
			m.Publish(nil)
			m.run(&Op{Kind: Reclaim, Name: "p"})
		}
	}
}

// The wait doubles up to its bound, for any number of retries.
func TestDelayDoubles(t *testing.T) {
	o := Options{Backoff: 10 * time.Millisecond, MaxBackoff: 3 * time.Second}
	for n, want := range map[int]time.Duration{1: 10 * time.Millisecond, 2: 20 * time.Millisecond, 9: 2560 * time.Millisecond, 10: 3 * time.Second, 1 << 30: 3 * time.Second} {
		if d := o.Delay(n); d != want {
			t.Errorf("%d: %v, want %v", n, d, want)
		}
	}
	none := Options{}
	small := Options{Backoff: time.Minute, MaxBackoff: time.Second}
	if none.Delay(5) != 0 || small.Delay(1) != time.Second {
		t.Error(none.Delay(5), small.Delay(1))
	}
}
