package gcprune

import "github.com/pipeproc/pipeproc/internal/errs"

// Op is one proposal: the policy that a topic is to have from now on.
type Op struct {
	Topic  uint64 // its id, which the proposer has looked up
	Policy Policy // zero: none; Stage checks it and rounds its durations

	before Policy
}

// Stage decides a proposal against the state including everything in flight.
// The error is ErrInvalidOptions or ErrInvalidTopic, and nothing is changed
// then. Leader only, as are all methods that take an Op.
func (m *Machine) Stage(op *Op) error {
	if op.Topic == 0 {
		return errs.InvalidTopic.With("a policy for topic number 0, which no topic has")
	}
	p, err := op.Policy.Check()
	if err != nil {
		return err
	}
	op.Policy, op.before = p, m.staged[op.Topic]
	put(m.staged, op.Topic, p)
	return nil
}

// Changes reports whether a staged proposal comes to anything. If not, the topic
// has that policy already and Encode gives no operation.
func (op *Op) Changes() bool { return op.Policy != op.before }

// Undo takes back a staged proposal, in the reverse order of staging.
func (m *Machine) Undo(op *Op) { put(m.staged, op.Topic, op.before) }

// Abort resets what a staged proposal touched to the applied state, when
// everything staged and not applied is discarded.
func (m *Machine) Abort(op *Op) { put(m.staged, op.Topic, m.applied[op.Topic]) }

// Apply makes a staged proposal part of the applied state. It cannot fail.
func (m *Machine) Apply(op *Op) {
	if op.Changes() {
		m.set(op.Topic, op.Policy)
	}
}
