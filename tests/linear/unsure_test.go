package linear

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/vfs"
)

// Histories with outcomes that nobody knows: the client was gone, or gave up,
// before the answer came.

// hidden is the token of a claim whose answer was lost, until somebody sees it.
var hidden = pipeproc.Token{Epoch: math.MaxUint64, Serial: math.MaxUint64}

// unsure is the model for a history with operations of unknown outcome, which are
// those with input.open. Such a one has taken effect within its times or not at
// all; a claim has taken any number of records up to the count.
func unsure(history []porcupine.Operation) porcupine.Model {
	given := map[pipeproc.Token]bool{}
	for _, op := range history {
		if in, out := op.Input.(input), op.Output.(output); in.kind == claim && !in.open {
			given[out.token] = true
		}
	}
	m := porcupine.NondeterministicModel{
		Partition: model.Partition,
		Init:      func() []any { return []any{state{}} },
		Step: func(s, in, out any) []any {
			return unsureStep(s.(state), in.(input), out.(output), given)
		},
		DescribeOperation: model.DescribeOperation,
	}
	return m.ToModel()
}

func unsureStep(s state, in input, out output, given map[pipeproc.Token]bool) (next []any) {
	if in.open {
		next = append(next, s)
		for _, n := range s.effects(in) {
			next = append(next, n)
		}
		return next
	}
	if ok, n := step(s, in, out); ok {
		next = append(next, n)
	}
	if s.token == hidden && (in.kind == inspect || in.kind == ensure) && out.token != (pipeproc.Token{}) && !given[out.token] {
		s.token = out.token // so that is what it is
		if ok, n := step(s, in, out); ok {
			next = append(next, n)
		}
	}
	return next
}

// effects returns what s may become when an operation is done, whatever its
// answer.
func (s state) effects(in input) (next []state) {
	n := s
	switch in.kind {
	case inspect, outLength, deadLength, ackRefused, ensure:
		return nil
	case commit:
		n.length++
		return []state{n}
	case claim:
		if s.half || s.disabled || s.token != (pipeproc.Token{}) || s.waiting || s.next >= s.length {
			return nil
		}
		for k := range min(in.count, s.length-s.next) {
			n.token, n.end = hidden, s.next+k+1
			next = append(next, n)
		}
		return next
	case ack, ackOut:
		if s.half || s.lost(in.token, "nothing") != "" {
			return nil
		}
		if in.kind == ack {
			n.begin(s.end)
		} else {
			n.out, n.half = s.out+1, true
		}
		return []state{n}
	case ackCommit:
		if !s.half {
			return nil
		}
		n.half = false
		n.begin(s.end)
		return []state{n}
	}
	if ok, n := step(s, in, output{}); ok {
		return []state{n}
	}
	return nil
}

// settle marks the operations of unknown outcome. They have taken effect before
// the end of the node that they were sent to: the next kill after their call. An
// ackCommit gets its first moment besides.
func settle(history []porcupine.Operation, kills []int64) (all []porcupine.Operation, unknown map[string]int) {
	unknown = map[string]int{}
	for _, op := range history {
		in := op.Input.(input)
		if op.Output.(output).code == unknownOutcome {
			unknown[kindNames[in.kind]]++
			in.open = true
			op.Input = in
			for _, at := range kills {
				if at > op.Call {
					op.Return = at
					break
				}
			}
			if in.kind == ackCommit {
				first := op
				in.kind = ackOut
				first.Input = in
				all = append(all, first)
			}
		}
		all = append(all, op)
	}
	return all, unknown
}

// quitter is a client that never sends anything twice. When its connection is lost
// it stops, and what was under way stays unknown.
type quitter struct {
	*rpc.Client
	m *mortal
}

// again returns another client of the same node.
func (q *quitter) again(ctx context.Context) *quitter {
	_ = q.Close()
	return q.m.quitter(ctx)
}

func (m *mortal) quitter(ctx context.Context) *quitter {
	for {
		m.up.RLock()
		c, err := rpc.Connect(ctx, m.addr.String(), &rpc.ConnectOptions{RetryFor: -1})
		m.up.RUnlock()
		if err == nil {
			m.t.Cleanup(func() { _ = c.Close() })
			return &quitter{c, m}
		}
		if ctx.Err() != nil {
			m.t.Error(err)
			return &quitter{new(rpc.Client), m}
		}
	}
}

// TestLinearizableUnknown runs clients that do not send again what was not
// answered while the node is killed and comes back. What they do not know must
// have been done at one moment before the kill, or never.
func TestLinearizableUnknown(t *testing.T) {
	addr, err := transport.ParseAddr("unix://" + t.TempDir() + "/node.sock")
	if err != nil {
		t.Fatal(err)
	}
	m := &mortal{t: t, addr: addr, disk: vfs.NewCrash()}
	m.start()
	defer func() { m.stop() }()
	var stores []calls
	for range *clients {
		stores = append(stores, m.quitter(t.Context()))
	}
	seed := seedOf(t)
	prepare(t, stores[0])
	finished := make(chan []porcupine.Operation, 1)
	begin := time.Now()
	kick := make(chan struct{}, 1)
	go func() { finished <- letLoose(t, seed, *opsFlag/2, false, begin, kick, stores...) }()
	var kills []int64
	for {
		select {
		case history := <-finished:
			all, unknown := settle(history, kills)
			total := 0
			for _, n := range unknown {
				total += n
			}
			t.Logf("%d kills, %d outcomes unknown: %v", len(kills), total, unknown)
			if total == 0 {
				t.Error("every outcome was known")
			}
			checkBy(t, unsure(all), all)
			return
		case <-kick: // somewhere in the middle of their work
			kills = append(kills, m.kill().Sub(begin).Nanoseconds())
		}
	}
}

// TestUnsureRejects: the check of histories with unknown outcomes can fail.
func TestUnsureRejects(t *testing.T) {
	token, other := pipeproc.Token{Epoch: 1, Serial: 1}, pipeproc.Token{Epoch: 1, Serial: 2}
	var history []porcupine.Operation
	at := int64(0)
	add := func(in input, out output) {
		at += 10
		in.open = out.code == unknownOutcome
		history = append(history, porcupine.Operation{ClientId: 0, Input: in, Output: out, Call: at, Return: at + 5})
	}
	gone := output{code: unknownOutcome}
	for name, c := range map[string]struct {
		fits bool
		make func()
	}{
		"a commit was done": {true, func() {
			add(input{kind: commit}, gone)
			add(input{kind: commit}, output{seq: 1})
		}},
		"a commit was not done": {true, func() {
			add(input{kind: commit}, gone)
			add(input{kind: commit}, output{})
		}},
		"a commit was done twice": {false, func() {
			add(input{kind: commit}, gone)
			add(input{kind: commit}, output{seq: 2})
		}},
		"a commit was done after the kill": {false, func() {
			add(input{kind: commit}, gone)
			add(input{kind: commit}, output{})
			add(input{kind: commit}, output{seq: 2})
		}},
		"a claim is found later": {true, func() {
			add(input{kind: commit}, output{})
			add(input{kind: claim, count: 4}, gone)
			add(input{kind: inspect}, output{token: token})
			add(input{kind: ack}, output{n: 1})
		}},
		"a claim has more than there was": {false, func() {
			add(input{kind: commit}, output{})
			add(input{kind: claim, count: 4}, gone)
			add(input{kind: ack}, output{n: 2})
		}},
		"a claim changes its token": {false, func() {
			add(input{kind: commit}, output{})
			add(input{kind: claim, count: 4}, gone)
			add(input{kind: inspect}, output{token: token})
			add(input{kind: inspect}, output{token: other})
		}},
		"a claim that was acknowledged is open again": {false, func() {
			add(input{kind: commit}, output{})
			add(input{kind: claim, count: 1}, output{token: token, n: 1})
			add(input{kind: ack, token: token}, output{n: 1})
			add(input{kind: commit}, output{seq: 1})
			add(input{kind: claim, count: 1}, gone)
			add(input{kind: inspect}, output{token: token, seq: 1})
		}},
		"an acknowledgement is taken back": {false, func() {
			add(input{kind: commit}, output{})
			add(input{kind: claim, count: 1}, output{token: token, n: 1})
			add(input{kind: ack, token: token}, gone)
			add(input{kind: inspect}, output{seq: 1})
			add(input{kind: inspect}, output{token: token})
		}},
		"half of a commit": {false, func() {
			add(input{kind: commit}, output{})
			add(input{kind: claim, count: 1}, output{token: token, n: 1})
			add(input{kind: ackOut, token: token}, gone)
			history[len(history)-1].Return += 10
			add(input{kind: ackCommit, token: token}, gone)
			add(input{kind: outLength}, output{seq: 1})
			add(input{kind: outLength, at: 1}, output{})
		}},
		"records without their acknowledgement": {false, func() {
			add(input{kind: commit}, output{})
			add(input{kind: claim, count: 1}, output{token: token, n: 1})
			add(input{kind: ackOut, token: token}, gone)
			add(input{kind: ackCommit, token: token}, gone)
			add(input{kind: outLength}, output{seq: 1})
			add(input{kind: inspect}, output{token: token})
			add(input{kind: ack, token: token}, output{n: 1})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			history, at = nil, 0
			c.make()
			if porcupine.CheckOperations(unsure(history), history) != c.fits {
				t.Errorf("fits: %v", !c.fits)
			}
		})
	}
}
