package engine

import (
	"context"

	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/topics"
)

// adminCommand is a command about a topic rather than its records.
type adminCommand struct {
	kind  byte
	name  string
	opts  topics.Options
	first uint64
	id    uint64
	// guard is set for a prune by a collection, which must not pass what procs have
	// acknowledged; see boundByProcs.
	guard  *gcprune.Rules
	policy gcprune.Op
}

// CreateTopic creates a topic without records.
func (e *Engine) CreateTopic(ctx context.Context, name string, o topics.Options) error {
	return e.runAdmin(ctx, &adminCommand{kind: opCreate, name: name, opts: o})
}

// Prune makes first the first sequence of a topic. Records below it disappear for
// readers at once. Disk space is freed by whole segments.
func (e *Engine) Prune(ctx context.Context, name string, first uint64) error {
	return e.runAdmin(ctx, &adminCommand{kind: opPrune, name: name, first: first})
}

// DeleteTopic removes a topic with all its records.
func (e *Engine) DeleteTopic(ctx context.Context, name string) error {
	return e.runAdmin(ctx, &adminCommand{kind: opDelete, name: name})
}

func (e *Engine) runAdmin(ctx context.Context, a *adminCommand) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := e.writable(); err != nil {
		return err
	}
	return e.send(ctx, &Request{admin: a})
}

func (e *Engine) stageAdmin(r *Request, now int64) (err error) {
	a := r.admin
	switch a.kind {
	case opCreate:
		a.id, a.opts, err = e.reg.StageCreate(a.name, a.opts)
		if err == nil {
			err = e.spaceError(e.admit(e.reg.Count()+1), "the disk is full; nothing was created")
		}
	case opPrune:
		e.boundByProcs(a)
		a.id, err = e.reg.StagePrune(a.name, a.first)
	case opDelete:
		a.id, err = e.reg.StageDelete(a.name)
	case opPolicy:
		if e.reg.TopicByID(a.id) == nil {
			return errs.InvalidTopic.With("the topic was deleted meanwhile")
		}
		err = e.rules.Stage(&a.policy)
	}
	if err != nil {
		return err
	}
	r.ms = max(now, e.reg.TimeFloor())
	if err := topics.CheckTime(r.ms); err != nil {
		return err
	}
	s := &e.scratch
	s.meta = appendCommand(s.meta, r.ms)
	switch a.kind {
	case opCreate:
		s.meta = appendCreate(s.meta, a.id, a.name, a.opts)
	case opPrune:
		s.meta = appendPrune(s.meta, a.id, a.first)
	case opDelete:
		s.meta = appendDelete(s.meta, a.id)
	case opPolicy:
		a.policy.Encode(func(code byte, fill func([]byte) []byte) {
			var m int
			s.meta, m = openOp(s.meta, code)
			s.meta = fill(s.meta)
			closeOp(s.meta, m)
		})
	}
	return nil
}

func (e *Engine) applyAdmin(r *Request, pos uint64) {
	a := r.admin
	var err error
	switch a.kind {
	case opCreate:
		e.reg.ApplyCreate(a.id, a.name, a.opts, pos, r.ms)
	case opPrune:
		err = e.reg.ApplyPrune(a.id, a.first, r.ms)
		e.procs.TopicPruned(a.name)
	case opDelete:
		err = e.deleteTopic(a.id, pos, r.ms)
	case opPolicy:
		e.rules.Apply(&a.policy)
	}
	if e.reg.HasDead() {
		e.freeable.Store(true) // a checkpoint frees the space
		e.wakeKeeper()
	}
	if err != nil { // it passed the same checks a moment ago
		e.poison(err)
		r.err = err
	}
}
