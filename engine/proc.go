package engine

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/topics"
)

// stageProcs stages the proposals of r in order, for a command at time ms (unix
// milliseconds).
func (e *Engine) stageProcs(r *Request, ms int64) error {
	for i, op := range r.Procs {
		if op.AtEnd {
			op.Next = e.reg.StagedNext(e.topicOf(op))
		} else if op.Kind == procstate.Create || op.Kind == procstate.Seek {
			// Records pruned since the offset was resolved do not count as skipped.
			op.Next = max(op.Next, e.reg.First(e.topicOf(op)))
		}
		if err := e.procs.Stage(op, ms); err != nil {
			e.undoProcs(r.Procs[:i])
			return err
		}
	}
	return nil
}

func (e *Engine) topicOf(op *procstate.Op) string {
	if op.Kind == procstate.Create {
		return op.Def.Topic
	}
	p, _, err := e.procs.Get(op.Name)
	if err != nil {
		return ""
	}
	return p.Topic()
}

func (e *Engine) undoProcs(ops []*procstate.Op) {
	for i := len(ops) - 1; i >= 0; i-- {
		e.procs.Undo(ops[i])
	}
}

// appendProcOps encodes the operations that staged proposals result in.
func appendProcOps(dst []byte, ops []*procstate.Op) []byte {
	for _, op := range ops {
		dst = op.Encode(dst, openOp, closeOp)
	}
	return dst
}

// Propose runs proposals about procs as one command.
func (e *Engine) Propose(ctx context.Context, d Durability, ops ...*procstate.Op) error {
	return e.Commit(ctx, &Request{Procs: ops, Durability: d})
}

// Proc returns the state of a proc.
func (e *Engine) Proc(name string) (*procstate.State, error) {
	if e.shut.Load() {
		return nil, errClosed()
	}
	_, s, err := e.procs.Get(name)
	return s, err
}

// Procs returns the states of all procs, by name.
func (e *Engine) Procs() ([]*procstate.State, error) {
	if e.shut.Load() {
		return nil, errClosed()
	}
	return e.procs.All(), nil
}

// System returns the definition of a system proc, or nil.
func (e *Engine) System(name string) *procstate.System { return e.procs.System(name) }

// Systems returns the definitions of all system procs, by name.
func (e *Engine) Systems() ([]*procstate.System, error) {
	if e.shut.Load() {
		return nil, errClosed()
	}
	return e.procs.Systems(), nil
}

// endOf returns the end of a topic, or 0 if there is no such topic.
func (e *Engine) endOf(topic string) uint64 {
	t, err := e.reg.Topic(topic)
	if err != nil {
		return 0
	}
	return t.End()
}

// ProcStart is where a proc starts to read, when it is created or after a seek.
type ProcStart struct {
	Next  uint64    // the first sequence
	Floor record.ID // the lowest id, if Next cannot say so yet: it lies in the future
	AtEnd bool      // at the end of the topic when the command is staged; Next is unused
}

// Offset resolves the text of an offset in a topic: ">" is its first record, "$>" the
// first one after the command that uses the result, "ms" the first at or after a time in
// unix milliseconds, "ms-seq" the first after an id, ":seq" the first after a record,
// which must exist.
func (e *Engine) Offset(topic, text string) (ProcStart, error) {
	t, err := e.Topic(topic)
	if err != nil && !errors.Is(err, errs.InvalidTopic) {
		return ProcStart{}, err
	}
	switch text {
	case "", ">":
		if t == nil {
			return ProcStart{}, nil
		}
		return ProcStart{Next: t.First()}, nil
	case "$>":
		return ProcStart{AtEnd: true}, nil
	}
	b, perr := record.ParseBound(text)
	if perr != nil {
		return ProcStart{}, errs.InvalidRangeOffset.With(fmt.Sprintf("offset %q is none of >, $>, an id, a time in milliseconds or :sequence", text))
	}
	switch {
	case b.Kind == record.SeqBound && t == nil:
		return ProcStart{}, err // there is no such topic
	case b.Kind == record.SeqBound:
		next, err := t.After(b.ID.Seq)
		return ProcStart{Next: next}, err
	}
	floor := b.ID // the whole millisecond
	if b.Kind == record.IDBound {
		floor = above(b.ID)
	}
	p := ProcStart{Floor: floor}
	if t == nil {
		return p, nil
	}
	end := t.End()
	if p.Next, err = t.Lower(floor); err != nil {
		return ProcStart{}, err
	}
	p.Next = max(p.Next, t.First())
	if p.Next < end {
		p.Floor = record.ID{} // found: later records are above it
	}
	p.Next = min(p.Next, end)
	return p, nil
}

// above returns the least id above id.
func above(id record.ID) record.ID {
	if id.Millis == math.MaxInt64 {
		return id // no record has it
	}
	if id.Seq == 1<<64-1 {
		return record.ID{Millis: id.Millis + 1}
	}
	return record.ID{Millis: id.Millis, Seq: id.Seq + 1}
}

// firstUnacked returns the first sequence of t that a proc in state s has not acknowledged
// and that was not pruned, and how many sequences were pruned before the proc saw them.
func firstUnacked(t *topics.Topic, s *procstate.State) (from, skipped uint64, err error) {
	first := t.First()
	if s.Floor != (record.ID{}) {
		if from, err = t.Lower(s.Floor); err != nil {
			return 0, 0, err
		}
	} else if first > s.Next {
		skipped = first - s.Next
	}
	return max(from, s.Next, first), skipped, nil
}

// EnsureProc returns the proc that d names, and creates it if there is none of that
// name. A proc that exists keeps its own options. made says whether it was created.
func (e *Engine) EnsureProc(ctx context.Context, d procstate.Def) (s *procstate.State, made bool, err error) {
	for {
		if s, err := e.Proc(d.Name); err == nil {
			if s.Def.Topic != d.Topic {
				return nil, false, procstate.NotUnique(s.Def, d.Topic)
			}
			return s, false, nil
		} else if !errors.Is(err, errs.InvalidProc) {
			return nil, false, err
		}
		op, err := e.Creation(d)
		if err != nil {
			return nil, false, err
		}
		switch err := e.Propose(ctx, ByMode, op); {
		case err == nil:
			return op.State, true, nil
		case errors.Is(err, procstate.ErrStale) || errors.Is(err, procstate.ErrExists):
		default:
			return nil, false, err
		}
	}
}

// Creation returns the proposal that creates a proc. The options of d must have been
// checked.
func (e *Engine) Creation(d procstate.Def) (*procstate.Op, error) {
	if err := record.CheckProcName(d.Name); err != nil {
		return nil, err
	}
	if err := record.CheckName(d.Topic); err != nil {
		return nil, err
	}
	if d.Owner != 0 {
		d.Owner = e.epoch()
	}
	at, err := e.Offset(d.Topic, d.Offset)
	if err != nil {
		return nil, err
	}
	return &procstate.Op{Kind: procstate.Create, Name: d.Name, Def: d, Next: at.Next, Floor: at.Floor, AtEnd: at.AtEnd}, nil
}

// SeekProc moves a proc to an offset. Its open claim, if any, is lost.
func (e *Engine) SeekProc(ctx context.Context, name, offset string) (*procstate.State, error) {
	s, err := e.Proc(name)
	if err != nil {
		return nil, err
	}
	at, err := e.Offset(s.Def.Topic, offset)
	if err != nil {
		return nil, err
	}
	op := &procstate.Op{Kind: procstate.Seek, Name: name, Next: at.Next, Floor: at.Floor, AtEnd: at.AtEnd}
	err = e.Propose(ctx, ByMode, op)
	return op.State, err
}

// epoch returns the store's epoch.
func (e *Engine) epoch() uint64 {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	return e.store.Epoch
}

// Pending returns how many sequences a proc in state s has not acknowledged.
func (e *Engine) Pending(s *procstate.State) uint64 {
	t, err := e.reg.Topic(s.Def.Topic)
	if err != nil {
		return 0
	}
	end := t.End() // read before firstUnacked: a prune in between only makes the result smaller
	from, _, err := firstUnacked(t, s)
	if err != nil || from >= end {
		return 0
	}
	return end - from
}
