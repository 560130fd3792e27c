package rpc

import (
	"context"
	"errors"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/hook"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/topics"
)

// keyedContext returns a context that gives one command the key that the client
// sent, and its turn, if it is to have one.
func keyedContext(ctx context.Context, c *transport.Call, k once.Key, turn engine.Turn) context.Context {
	if k.Seq == 0 {
		return ctx
	}
	k.Client = c.Peer().ClientID
	return engine.WithKey(ctx, k, turn)
}

// held is the turn of a command that later ones wait for until it has ended: a reclaim
// may find that the records have to become dead letters, which is a second step.
type held struct{ *transport.Call }

func (held) Pass()          {}
func (held) TakeBack() bool { return true }

// fail answers a call with an error.
func fail(c *transport.Call, err error) {
	code, text, details := message.EncodeError(err)
	_ = c.Fail(code, text, details)
}

// commit is the reusable memory of one commit.
type commit struct {
	recs topics.Batch
	req  engine.Request
	ack  procstate.Op
	ops  [1]*procstate.Op
}

// commit runs MethodCommit: a batch, with or without an acknowledgement.
func (s *service) commit(ctx context.Context, c *transport.Call) error {
	var m message.Commit
	batch, err := m.Take(c.Body())
	if err != nil {
		return err
	}
	b := s.commits.Get().(*commit)
	defer s.commits.Put(b)
	defer b.recs.Reset() // the records are the call's
	if err := b.recs.ReadWire(batch); err != nil {
		return err
	}
	b.req.Batch, b.req.Procs, b.req.Durability = &b.recs, nil, engine.Durability(m.Durability)
	if m.Ack {
		b.ack = procstate.Op{Kind: procstate.Ack, Name: m.Proc, Token: m.Token, Commit: true}
		b.ops[0] = &b.ack
		b.req.Procs = b.ops[:]
	}
	b.req.Position = 0 // stays 0 if a remembered answer is returned
	err = s.e.Commit(keyedContext(ctx, c, m.Key, c), &b.req)
	b.req.Procs = nil
	if err != nil {
		return err
	}
	done := message.Committed{Position: b.req.Position}
	if m.Ack {
		done.Acked = b.ack.Claim.Range
	}
	if b.req.Durability == engine.ByMode {
		s.sync.learn(s.e, done.Position)
	}
	return c.Reply(b.recs.AppendResult(done.Append(nil)))
}

// ofClaim runs MethodAck, MethodReclaim and MethodRelease, which is not counted
// as a failure.
func (s *service) ofClaim(ctx context.Context, c *transport.Call) error {
	var m message.OfClaim
	if err := m.Take(c.Body(), c.Method()); err != nil {
		return err
	}
	if c.Method() == message.MethodReclaim {
		ctx = keyedContext(ctx, c, m.Key, held{c})
	} else {
		ctx = keyedContext(ctx, c, m.Key, c)
	}
	var r record.Range
	var err error
	switch c.Method() {
	case message.MethodAck:
		r, err = s.n.Ack(ctx, m.Proc, m.Token)
	case message.MethodReclaim:
		r, err = s.n.Reclaim(ctx, m.Proc, m.Token, m.Reason)
	default:
		if err := s.e.Release(ctx, m.Proc, m.Token); err != nil {
			return err
		}
		return c.Reply()
	}
	if err != nil {
		return err
	}
	return c.Reply(message.AppendRange(nil, r))
}

// claim runs MethodClaim.
func (s *service) claim(ctx context.Context, c *transport.Call) error {
	var m message.Claim
	if err := m.Take(c.Body()); err != nil {
		return err
	}
	if err := c.After(ctx); err != nil {
		return err
	}
	if m.Topic != "" { // the proc that the client knew may be another one by now
		if st, err := s.e.Proc(m.Proc); err == nil && st.Def.Topic != m.Topic {
			return procstate.NotUnique(st.Def, m.Topic)
		}
	}
	k := s.claims.Get().(*engine.Claimed)
	defer func() {
		k.Trim()
		s.claims.Put(k)
	}()
	if err := s.e.Claim(keyedContext(ctx, c, m.Key, nil), m.Proc, m.Count, k); err != nil {
		return err
	}
	answer := message.Claimed{Token: k.Token, Attempt: k.Attempt, Timeout: k.Timeout, Skipped: k.Skipped, Topic: k.Topic, Range: k.Range, Records: k.Records}
	return c.Reply(answer.Append(nil))
}

// get runs MethodGet.
func (s *service) get(ctx context.Context, c *transport.Call) error {
	var m message.Get
	if err := m.Take(c.Body()); err != nil {
		return err
	}
	var answer []byte
	var err error
	release, lerr := s.answers.load(ctx, func() int {
		var r record.Record
		if r, err = s.n.Get(ctx, m.Topic, m.Seq); err != nil {
			return 0
		}
		answer = message.AppendRecord(nil, &r)
		return len(answer)
	})
	if lerr != nil {
		return lerr
	}
	defer release()
	if err != nil {
		return err
	}
	return c.Reply(answer)
}

// length runs MethodLength.
func (s *service) length(ctx context.Context, c *transport.Call) error {
	var topic message.Name
	if err := topic.Take(c.Body()); err != nil {
		return err
	}
	n, err := s.n.Length(ctx, string(topic))
	if err != nil {
		return err
	}
	return c.Reply(message.AppendNumber(nil, n))
}

// wait runs the methods that return when something has happened.
func (s *service) wait(ctx context.Context, c *transport.Call) error {
	err := c.After(ctx)
	if err != nil {
		return err
	}
	switch c.Method() {
	case message.MethodSync:
		err = s.n.Sync(ctx)
	case message.MethodWaitFor:
		var m message.Get
		if err = m.Take(c.Body()); err == nil {
			err = s.n.WaitForRecord(ctx, m.Topic, m.Seq)
		}
	case message.MethodWaitForProcs:
		var names message.Names
		if err = names.Take(c.Body()); err == nil {
			err = s.n.WaitForProcs(ctx, names...)
		}
	default:
		var proc message.Name
		if err = proc.Take(c.Body()); err == nil {
			err = s.n.WaitForWork(ctx, string(proc))
		}
	}
	if err != nil {
		return err
	}
	return c.Reply()
}

// watch runs MethodWatch: an item whenever a proc may have become claimable. A
// pool of workers at the other end counts as running the proc.
func (s *service) watch(ctx context.Context, c *transport.Call) error {
	var m message.Watch
	if err := m.Take(c.Body()); err != nil {
		return err
	}
	ch := make(chan struct{}, 1)
	stop := s.e.Watch(m.Proc, m.Topic, func() {
		select {
		case ch <- struct{}{}:
		default:
		}
	})
	defer stop()
	defer hook.Pipelines(s.n).Elsewhere(m.Proc)()
	if err := c.Item(); err != nil { // from now on nothing is missed
		return err
	}
	for {
		select {
		case <-ch:
			if err := c.Item(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.e.Done():
			return errors.New("the node is closing")
		}
	}
}
