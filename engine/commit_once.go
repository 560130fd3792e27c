package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
)

// A command may carry the key under which a client of another process sent it.
// The key and what the client is told become part of the command. When the same
// key comes again, the command is not run: it is given the results of the first
// time, so that whoever called sees no difference.

type keyed struct{}

// WithKey returns a context under which one command, the next that is run with
// it, is that of a client. More than one must not be run with it.
func WithKey(ctx context.Context, k once.Key) context.Context {
	return context.WithValue(ctx, keyed{}, k)
}

func keyOf(ctx context.Context) (once.Key, bool) {
	k, ok := ctx.Value(keyed{}).(once.Key)
	return k, ok
}

// submitOnce is submit for a command that may have been sent before.
func (e *Engine) submitOnce(ctx context.Context, r *Request, k once.Key) error {
	for {
		if k.Again && !mutate.SkipOnce {
			if reply, ok := e.once.Lookup(k); ok {
				return r.takeReply(reply)
			}
		}
		r.once = once.Op{Key: k}
		r.keyed = true
		err := e.submit(ctx, r)
		r.keyed = false
		switch {
		case errors.Is(err, once.ErrRepeated):
			// It ran meanwhile; or it was in flight, and then came to nothing.
			k.Again = true
		case errors.Is(err, once.ErrForgotten):
			return errs.OutcomeUnknown.With("the command was sent before, and it is not known any more whether it was done")
		default:
			return err
		}
	}
}

// appendReply appends the results of a staged command:
//
//	batch byte: 1, then length and result (topics/wire.go), or 0 |
//	op count | { proc | claim or 0 }…
//
// with the payload of a proc's operation, 0 for a length of none.
func (r *Request) appendReply(dst []byte) []byte {
	if r.Batch != nil {
		dst = append(dst, 1)
		dst = enc.AppendBytes(dst, r.Batch.AppendResult(nil))
	} else {
		dst = append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Procs)))
	for _, op := range r.Procs {
		dst = op.AppendResult(dst)
	}
	return dst
}

// takeReply gives r the results that the same command had before.
func (r *Request) takeReply(p []byte) error {
	d := enc.Reader{B: p}
	if d.Byte() == 1 {
		// A reclaim that ended in dead letters has a batch of its own.
		if b := d.Bytes(); r.Batch != nil && r.Batch.ReadResult(b) != nil {
			return errKeyReused()
		}
	} else if r.Batch != nil {
		return errKeyReused()
	}
	if n := d.Uvarint(); n != uint64(len(r.Procs)) {
		return errKeyReused()
	}
	for _, op := range r.Procs {
		if err := op.ReadResult(&d); err != nil {
			return errKeyReused()
		}
	}
	return nil
}

func errKeyReused() error {
	return fmt.Errorf("a command was sent under a key that another one had: %w", errs.InvalidOptions)
}

// claimedBefore looks for the claim that was made under the key of ctx when the
// command was sent the first time. known is whether there was one; the claim is
// nil if it is not open any more.
func (e *Engine) claimedBefore(k once.Key, s *procstate.State) (claim *procstate.Claim, known bool) {
	reply, ok := e.once.Lookup(k)
	if !ok {
		return nil, false
	}
	var op procstate.Op
	r := Request{Procs: []*procstate.Op{&op}}
	if r.takeReply(reply) != nil {
		return nil, true
	}
	if c := s.Claim(); c != nil && c.Token == op.Claim.Token {
		return c, true
	}
	return nil, true
}
