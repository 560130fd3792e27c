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

// A command may carry the key under which a client in another process sent it. The key
// and the reply become part of the command. If the same key comes again, the command is
// not run: its caller gets the results of the first run and sees no difference.

// Turn orders the commands of one client.
type Turn interface {
	// Turn waits until the commands before this one have passed. After an error the
	// command must have no effect.
	Turn(ctx context.Context) error
	// Pass lets the next command go on.
	Pass()
	// TakeBack takes Pass back, unless a later command has passed, or is about to.
	TakeBack() bool
}

// key is what a client sent a command with.
type key struct {
	once.Key
	turn Turn // nil: it has none
}

// keyed is the context key of a key. The key travels in the context because it
// passes through every method between the server and submit (Commit, Propose, Claim,
// Reclaim, CreateTopic, …), and only submit and Claim use it; callers in the same
// process have none. A method that does not pass its context on would run a repeated
// command twice.
type keyed struct{}

// WithKey returns a context for one command that a client sent. No other command may
// be run with it: it would be taken for a repetition of the first.
//
// With a turn, which may be nil, the command takes its place among others when it is the
// client's turn, and the next one may go on as soon as the place is fixed. From then on
// the end of ctx does not end it.
func WithKey(ctx context.Context, k once.Key, t Turn) context.Context {
	return context.WithValue(ctx, keyed{}, key{k, t})
}

func keyOf(ctx context.Context) (key, bool) {
	k, ok := ctx.Value(keyed{}).(key)
	return k, ok
}

// submitOnce is submit for a command that a client may have sent before.
func (e *Engine) submitOnce(ctx context.Context, r *Request, k key) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if k.Again && !mutate.SkipOnce {
			if reply, ok := e.once.Lookup(k.Key); ok {
				return r.takeReply(reply)
			}
		}
		r.once = once.Op{Key: k.Key}
		r.keyed, r.turn = true, k.turn
		err := e.submit(ctx, r)
		r.keyed, r.turn = false, nil
		switch {
		case errors.Is(err, once.ErrRepeated):
			// It ran meanwhile, or was in flight and then failed.
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
// where proc is the payload of a proc's operation, with length 0 if there is none.
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

// takeReply sets the results in r from the reply to an earlier run of the command.
func (r *Request) takeReply(p []byte) error {
	d := enc.Reader{B: p}
	if d.Byte() == 1 {
		// The first run of a reclaim may have ended in dead letters, which are a
		// batch that r does not have.
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

// claimedBefore looks for the claim that was made under key k when the command was
// sent the first time. known says whether there was one. claim is nil if it is no
// longer open.
func (e *Engine) claimedBefore(k once.Key, s *procstate.State) (claim *procstate.OpenClaim, known bool) {
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
