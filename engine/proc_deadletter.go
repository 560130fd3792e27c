package engine

import (
	"context"
	"errors"
	"strconv"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
)

// Headers of a record in a dead-letter topic, besides those that it had.
const (
	DeadProc     = "pipeproc-dead-proc"     // the proc that could not process it
	DeadID       = "pipeproc-dead-id"       // the id that it had in DeadTopic
	DeadTopic    = "pipeproc-dead-topic"    // the topic that it was in
	DeadAttempts = "pipeproc-dead-attempts" // how often it was delivered
	DeadReason   = "pipeproc-dead-reason"   // why the last attempt failed
)

// maxReason bounds the text of a reason, in bytes. These headers make a record longer
// by at most deadLetterRoom bytes.
const (
	maxReason      = 1 << 10
	deadLetterRoom = 2 << 10
)

// moveToDeadLetters commits copies of a claim's records to the dead-letter topic and
// acknowledges the claim, in one command.
func (e *Engine) moveToDeadLetters(ctx context.Context, s *procstate.State, claim procstate.OpenClaim, reason string) (*procstate.State, error) {
	b := new(topics.Batch)
	b.Unbounded()
	if err := e.addDeadLetters(b, s, claim, reason); err != nil {
		return nil, err
	}
	op := &procstate.Op{Kind: procstate.Bury, Name: s.Def.Name, Token: claim.Token, Commit: true}
	if err := e.Commit(ctx, &Request{Batch: b, Procs: []*procstate.Op{op}}); err != nil {
		return nil, err
	}
	e.cfg.Logger.Warn("pipeproc: records went to the dead-letter topic", "proc", s.Def.Name, "records", claim.Range.String(),
		"topic", s.Def.DeadLetter, "attempts", s.Reclaims+1, "reason", reason)
	return op.State, nil
}

// addDeadLetters adds the records of a claim to b. A record without a body stands for
// records that cannot be read, and its reason says why.
func (e *Engine) addDeadLetters(b *topics.Batch, s *procstate.State, claim procstate.OpenClaim, reason string) error {
	t, err := e.Topic(s.Def.Topic)
	if err != nil {
		return err
	}
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	var h []byte
	add := func(r *segment.Record, id topics.ID, reason string) error {
		h = append(h[:0], r.Headers...)
		for _, kv := range [][2]string{{DeadTopic, s.Def.Topic}, {DeadID, id.String()}, {DeadProc, s.Def.Name},
			{DeadAttempts, strconv.Itoa(s.Reclaims + 1)}, {DeadReason, reason}} {
			h = segment.AppendHeader(h, kv[0], []byte(kv[1]))
		}
		return b.Add(s.Def.DeadLetter, r.Key, h, r.Body)
	}
	c := t.Cursor(topics.Span{From: max(claim.Range.First.Seq, t.First()), To: claim.Range.Last.Seq + 1})
	defer c.Close()
	for {
		for c.Next() {
			r := c.Record()
			if err := add(r, topics.ID{Millis: r.Time, Seq: r.Seq}, reason); err != nil {
				return err
			}
		}
		err := c.Err()
		damage, corrupt := errors.AsType[*errs.CorruptError](err)
		if corrupt {
			id := topics.ID{Millis: claim.Range.First.Millis, Seq: damage.First}
			if err := add(&segment.Record{}, id, reason+"; "+err.Error()); err != nil {
				return err
			}
			if c.Resume() {
				continue
			}
		} else if err != nil && !errors.Is(err, errs.Pruned) {
			return err
		}
		if b.Len() == 0 { // all of it was pruned meanwhile
			return add(&segment.Record{}, claim.Range.First, reason+"; the records were pruned")
		}
		return nil
	}
}
