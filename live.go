package pipeproc

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"sync"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// LiveOptions define a LiveProc.
type LiveOptions struct {
	Topic string // need not exist yet
	// Offset is where it begins, as in ProcOptions. Default: OffsetNew.
	Offset string
	// Count is the largest number of records in a claim. Default 1.
	Count int
	// Name names a proc that outlives the LiveProc: a later LiveProc of the same
	// name continues it. Without a name the proc is ephemeral.
	Name string
	// Retry says what happens to records whose processing failed.
	Retry RetryPolicy
}

// LiveProc delivers the records of a topic as they are committed, in the process that
// created it. Its user acknowledges each claim or gives it back; until then no other
// claim is delivered. Nothing polls: a commit wakes it.
type LiveProc struct {
	s      Store
	o      ProcOptions
	cancel context.CancelCauseFunc
	ctx    context.Context

	mu   sync.Mutex
	last Token // of the latest claim

	// gate is held for reading while a claim is made, which also creates the proc if
	// it is missing, so that nothing is claimed or created after Cancel.
	gate sync.RWMutex
	done bool // Cancel has destroyed the proc; under gate
}

var errCancelled = errs.Closed.With("the live proc was cancelled")

// NewLiveProc creates a LiveProc on any store. By default it begins with the first
// record that is committed after NewLiveProc returned.
func NewLiveProc(ctx context.Context, s Store, o LiveOptions) (*LiveProc, error) {
	p := ProcOptions{Name: o.Name, Topic: o.Topic, Count: countOf(o.Count), Offset: cmp.Or(o.Offset, OffsetNew), Retry: o.Retry}
	if p.Name == "" {
		p.Name, p.Ephemeral = "liveproc-"+rand.Text(), true
	}
	if p.Retry.OnMaxReclaims == StrategyDisable {
		p.Retry.OnMaxReclaims = StrategyContinue
	}
	if _, err := s.EnsureProc(ctx, p); err != nil {
		return nil, err
	}
	l := &LiveProc{s: s, o: p}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l, nil
}

// OpenLiveProc creates a LiveProc on the node; see NewLiveProc.
func (n *Node) OpenLiveProc(ctx context.Context, o LiveOptions) (*LiveProc, error) {
	return NewLiveProc(ctx, n, o)
}

// Name returns the name of its proc.
func (l *LiveProc) Name() string { return l.o.Name }

// next waits for records and claims them.
func (l *LiveProc) next(caller context.Context) (Claim, error) {
	ctx, stop := l.join(caller)
	defer stop()
	for {
		if err := l.s.WaitForWork(ctx, l.o.Name); err != nil {
			return Claim{}, l.ended(caller, err)
		}
		c, err := l.claim(ctx)
		if err != nil {
			return Claim{}, l.ended(caller, err)
		}
		if !c.Empty() {
			l.mu.Lock()
			l.last = c.Token
			l.mu.Unlock()
			return c, nil
		}
	}
}

func (l *LiveProc) claim(ctx context.Context) (Claim, error) {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if l.ctx.Err() != nil {
		return Claim{}, errCancelled
	}
	return l.s.Claim(ctx, l.o)
}

// join returns a context that ends with ctx and with the LiveProc.
func (l *LiveProc) join(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(errCancelled) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// ended returns why a claim failed with err: because of Cancel, because ctx ended, or err.
func (l *LiveProc) ended(ctx context.Context, err error) error {
	if l.ctx.Err() != nil {
		return errCancelled
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Claims iterates over claims. The loop body processes each claim and acknowledges it or
// gives it back, with the methods of l, before the next one. While there is nothing to
// claim, the loop waits.
//
//	for c, err := range l.Claims(ctx) {
//		if err != nil {
//			return err
//		}
//		…
//		if _, err := l.Ack(ctx); err != nil {
//			return err
//		}
//	}
//
// When ctx ends, the last error yielded is its cause. Cancel ends the loop without an
// error. ErrClosed and ErrInvalidProc end it, too; after any other error the loop may
// continue.
func (l *LiveProc) Claims(ctx context.Context) iter.Seq2[Claim, error] {
	return func(yield func(Claim, error) bool) {
		for {
			c, err := l.next(ctx)
			//nolint:errorlint // this one, which errors.Is takes for any ErrClosed
			if err == errCancelled || !yield(c, err) || err != nil && ctx.Err() != nil || errors.Is(err, ErrClosed) || errors.Is(err, ErrInvalidProc) {
				return
			}
		}
	}
}

// token returns the token of the latest claim. Before the first one it returns an error:
// none, unless the proc cannot be inspected. A zero token would be taken for that of
// any open claim, which with a name may be somebody else's.
func (l *LiveProc) token(ctx context.Context, none *errs.Error) (Token, error) {
	l.mu.Lock()
	t := l.last
	l.mu.Unlock()
	if t != (Token{}) {
		return t, nil
	}
	if _, err := l.Inspect(ctx); err != nil {
		return t, err
	}
	return t, none.With("the live proc has not claimed anything yet")
}

// Ack acknowledges the latest claim. The error is ErrInvalidAck before the first one.
func (l *LiveProc) Ack(ctx context.Context) (IDRange, error) {
	t, err := l.token(ctx, errs.InvalidAck)
	if err != nil {
		return IDRange{}, err
	}
	return l.s.Ack(ctx, l.o.Name, t)
}

// AckCommit acknowledges the latest claim and commits records, both or neither. The error
// is ErrInvalidAckCommit before the first claim.
func (l *LiveProc) AckCommit(ctx context.Context, recs ...Record) (IDRange, []ID, error) {
	t, err := l.token(ctx, errs.InvalidAckCommit)
	if err != nil {
		return IDRange{}, nil, err
	}
	return l.s.AckCommit(ctx, l.o.Name, t, recs...)
}

// Reclaim gives the latest claim back, to be delivered again. The error is
// ErrNothingToReclaim before the first claim.
func (l *LiveProc) Reclaim(ctx context.Context, reason string) (IDRange, error) {
	t, err := l.token(ctx, errs.NothingToReclaim)
	if err != nil {
		return IDRange{}, err
	}
	return l.s.Reclaim(ctx, l.o.Name, t, reason)
}

// Inspect returns the description of its proc.
func (l *LiveProc) Inspect(ctx context.Context) (ProcInfo, error) {
	return l.s.InspectProc(ctx, l.o.Name)
}

// Disable stops deliveries until Resume.
func (l *LiveProc) Disable(ctx context.Context) (ProcInfo, error) {
	return l.s.DisableProc(ctx, l.o.Name)
}

// Resume lets deliveries continue.
func (l *LiveProc) Resume(ctx context.Context) (ProcInfo, error) {
	return l.s.ResumeProc(ctx, l.o.Name)
}

// Cancel ends the LiveProc: nothing is delivered after it has returned. A proc
// without a name of its own is removed; one with a name stays, with its
// position, for the next LiveProc of that name. Calling it again does nothing,
// unless it failed.
func (l *LiveProc) Cancel(ctx context.Context) error {
	l.cancel(errCancelled)
	l.gate.Lock()
	defer l.gate.Unlock()
	if l.done || !l.o.Ephemeral {
		return nil
	}
	if _, err := l.s.DestroyProc(ctx, l.o.Name); err != nil && !errors.Is(err, ErrInvalidProc) {
		return err
	}
	l.done = true
	return nil
}
