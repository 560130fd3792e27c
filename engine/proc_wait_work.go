package engine

import (
	"context"

	"github.com/pipeproc/pipeproc/procstate"
)

// WaitForWork returns once a proc has something to claim.
func (e *Engine) WaitForWork(ctx context.Context, name string) error {
	s, err := e.Proc(name)
	if err != nil {
		return err
	}
	ch := make(chan struct{}, 1)
	stop := e.Watch(name, s.Def.Topic, func() {
		select {
		case ch <- struct{}{}:
		default:
		}
	})
	defer stop()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if ok, err := e.claimable(name); ok || err != nil {
			return err
		}
		if err := e.writable(); err != nil {
			return err
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-e.procs.Done():
			return errClosed()
		}
	}
}

func (e *Engine) claimable(name string) (bool, error) {
	p, s, err := e.procs.Get(name)
	if err != nil {
		return false, err
	}
	if s.Disabled || s.Claim() != nil || e.deadlines.held(p.ID(), s) {
		return false, nil
	}
	return e.behind(s)
}

// behind reports whether there are records that a proc in state s has not seen.
func (e *Engine) behind(s *procstate.State) (bool, error) {
	t, err := e.reg.Topic(s.Def.Topic)
	if err != nil {
		return false, nil
	}
	from, _, err := position(t, s)
	return err == nil && from < t.End(), err
}
