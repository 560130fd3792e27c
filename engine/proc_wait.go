package engine

import (
	"context"
	"slices"

	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
)

// WaitForWork returns once a proc has something to claim. On a node that accepts no
// writes it returns why, if there is nothing now.
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

// claimable reports whether a claim for a proc would return records now.
func (e *Engine) claimable(name string) (bool, error) {
	p, s, err := e.procs.Get(name)
	if err != nil {
		return false, err
	}
	if s.Disabled || s.Claim() != nil || e.deadlines.held(p.ID(), s) {
		return false, nil
	}
	return e.hasUnseen(s)
}

// hasUnseen reports whether there are records that a proc in state s has not
// acknowledged. Without its topic there are none.
func (e *Engine) hasUnseen(s *procstate.State) (bool, error) {
	t, err := e.reg.Topic(s.Def.Topic)
	if err != nil {
		return false, nil
	}
	from, _, err := firstUnacked(t, s)
	return err == nil && from < t.End(), err
}

// WaitForProcs returns once there was a moment at which all procs, or those named, had
// acknowledged everything in their topics. A proc that is disabled, does not exist or
// whose topic does not exist has nothing to do. On a node that accepts no writes it
// returns why, unless nothing is left to do.
func (e *Engine) WaitForProcs(ctx context.Context, names []string) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if e.shut.Load() {
			return errClosed()
		}
		ch, stop := e.procs.Changed()
		idle, err := e.allIdle(ctx, names)
		if err == nil && !idle {
			err = e.writable() // without writes, nothing would ever be acknowledged
		}
		if err == nil && !idle {
			err = e.procs.Wait(ctx, ch)
		}
		stop()
		if err != nil || idle {
			return err
		}
	}
}

// observedProc is a proc, its topic and the topic's end, as they were observed.
type observedProc struct {
	s   *procstate.State
	t   *topics.Topic
	end uint64
}

// allIdle reports whether there was a moment at which none of the procs had anything to
// do. It examines the procs without a lock, and then checks that nothing has changed.
func (e *Engine) allIdle(ctx context.Context, names []string) (bool, error) {
	for {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		seen := e.observeProcs(names)
		for _, l := range seen {
			if l.s.Claim() != nil {
				return false, nil
			}
			from, _, err := firstUnacked(l.t, l.s)
			if err != nil {
				return false, err
			}
			if from < l.end {
				return false, nil
			}
		}
		if e.unchangedSince(names, seen) {
			return true, nil
		}
	}
}

// observeProcs returns the procs that are named, or all, except those that cannot have
// anything to do.
func (e *Engine) observeProcs(names []string) []observedProc {
	var states []*procstate.State
	if len(names) == 0 {
		states = e.procs.All()
	}
	for _, n := range names {
		if _, s, err := e.procs.Get(n); err == nil {
			states = append(states, s)
		}
	}
	var out []observedProc
	for _, s := range states {
		if s.Disabled {
			continue
		}
		if t, err := e.reg.Topic(s.Def.Topic); err == nil {
			out = append(out, observedProc{s, t, t.End()})
		}
	}
	return out
}

// unchangedSince reports whether all that was seen still holds, at one moment: no commit
// can become visible while it compares.
func (e *Engine) unchangedSince(names []string, seen []observedProc) bool {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	return slices.Equal(e.observeProcs(names), seen)
}
