package gcprune

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
)

// Operations of a command have these payloads. Integers are uvarints, ages are
// in milliseconds. A section of a snapshot holds one policy, with the payload of
// its operation.
//
//	policy:      topic id | flags byte | MinAge | MaxAge | MaxBytes
//	policy gone: topic id
//
//	flags: bits 0-1 GC, bits 2-3 IgnoreDisabled (0 inherit, 1 on, 2 off), bit 4 Force
//
// A policy that is zero is always written as gone. A program refuses flags that
// it does not know: pruning by half a policy loses what the other half keeps.

// Codes of operations within a command. They are part of the format.
const (
	OpPolicy     = 24
	OpPolicyGone = 25
)

const (
	ignoreShift = 2
	switchMask  = 3
	flagForce   = 1 << 4
	knownFlags  = flagForce | switchMask<<ignoreShift | switchMask
)

// Encode calls fn for the operation that a staged proposal comes to, if it comes
// to any. fill appends its payload.
func (op *Op) Encode(fn func(code byte, fill func(dst []byte) []byte)) {
	switch {
	case !op.Changes():
	case op.Policy == Policy{}:
		fn(OpPolicyGone, func(dst []byte) []byte { return binary.AppendUvarint(dst, op.Topic) })
	default:
		fn(OpPolicy, func(dst []byte) []byte { return AppendPolicy(dst, op.Topic, op.Policy) })
	}
}

// AppendPolicy appends the payload of a policy that has been checked and is not
// zero.
func AppendPolicy(dst []byte, topic uint64, p Policy) []byte {
	flags := byte(p.GC) | byte(p.IgnoreDisabled)<<ignoreShift
	if p.Force {
		flags |= flagForce
	}
	dst = append(enc.AppendUvarints(dst, topic), flags)
	return enc.AppendUvarints(dst, uint64(p.MinAge/time.Millisecond), uint64(p.MaxAge/time.Millisecond), uint64(p.MaxBytes))
}

// DecodePolicy is the inverse of AppendPolicy. The bytes may be anything: what
// it returns without an error is a topic number and a policy that could have
// been staged. The error is ErrVersion for flags of a newer version.
func DecodePolicy(payload []byte) (topic uint64, p Policy, err error) {
	d := enc.Reader{B: payload}
	topic = d.Uvarint()
	flags := d.Byte()
	if flags&^knownFlags != 0 {
		return 0, Policy{}, errs.Version.With("a policy of a kind that a newer version made")
	}
	p.GC, p.IgnoreDisabled = Switch(flags&switchMask), Switch(flags>>ignoreShift&switchMask)
	p.Force = flags&flagForce != 0
	minPrune, maxAge, maxBytes := d.Uvarint(), d.Uvarint(), d.Uvarint()
	longest := uint64(maxDuration / time.Millisecond)
	if d.Err != nil || len(d.B) != 0 || topic == 0 || minPrune > longest || maxAge > longest || maxBytes > math.MaxInt64 {
		return 0, Policy{}, enc.ErrMalformed
	}
	p.MinAge, p.MaxAge = time.Duration(minPrune)*time.Millisecond, time.Duration(maxAge)*time.Millisecond
	p.MaxBytes = int64(maxBytes)
	if _, err := p.Check(); err != nil || p == (Policy{}) {
		return 0, Policy{}, enc.ErrMalformed
	}
	return topic, p, nil
}

// Decode takes an operation, or with OpPolicy a section of a snapshot, over into
// the applied state, as replay does. It fails, and changes nothing, when the
// payload is malformed or of a newer version. Leader only.
func (m *Machine) Decode(code byte, payload []byte) error {
	switch code {
	case OpPolicy:
		topic, p, err := DecodePolicy(payload)
		if err == nil {
			m.settle(topic, p)
		}
		return err
	case OpPolicyGone:
		d := enc.Reader{B: payload}
		topic := d.Uvarint()
		if d.Err != nil || len(d.B) != 0 || topic == 0 {
			return enc.ErrMalformed
		}
		// That there is none already is no fault: a damaged section of the
		// snapshot may have held it, and its end is the same.
		m.settle(topic, Policy{})
		return nil
	}
	return errs.Version.With(fmt.Sprintf("operation %d on policies", code))
}

// Capture returns the applied policies by topic id, for the sections of a
// snapshot. The caller keeps the leader from changing them meanwhile.
func (m *Machine) Capture() []*Entry { return entries(m.applied) }
