package pipeproc

import (
	"context"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/worker"
)

// host lets the pools of this process work on the engine.
type host struct{ e *engine.Engine }

func (h host) Definitions(_ context.Context, names ...string) ([]*procstate.System, error) {
	if len(names) == 0 {
		return h.e.Systems()
	}
	var out []*procstate.System
	for _, name := range names {
		if s := h.e.System(name); s != nil {
			out = append(out, s)
		}
	}
	return out, nil
}

func (h host) Source() worker.Source { return source(h) }

// source lets the pool work on the engine of the same process.
type source struct{ e *engine.Engine }

// memory is what a worker.Task keeps from one use to the next.
type memory struct {
	claimed engine.Claimed
	op      procstate.Op
	ops     [1]*procstate.Op
	req     engine.Request
}

func (s source) Claim(ctx context.Context, proc string, count int, c *worker.Task) error {
	m, _ := c.Own.(*memory)
	if m == nil {
		m = new(memory)
		c.Own = m
	}
	k := &m.claimed
	if err := s.e.Claim(ctx, proc, count, k); err != nil {
		return err
	}
	c.Proc, c.Topic, c.Token, c.Attempt, c.Timeout, c.Skipped, c.Records = k.Proc, k.Topic, k.Token, k.Attempt, k.Timeout, k.Skipped, k.Records
	return nil
}

func (s source) AckCommit(ctx context.Context, c *worker.Task, out *topics.Batch) error {
	m := c.Own.(*memory)
	m.op = procstate.Op{Kind: procstate.Ack, Name: c.Proc, Token: c.Token, Commit: true}
	m.ops[0] = &m.op
	m.req.Procs, m.req.Batch = m.ops[:], out
	if out != nil && out.Len() == 0 {
		m.req.Batch = nil
	}
	return s.e.Commit(ctx, &m.req)
}

func (s source) Reclaim(ctx context.Context, c *worker.Task, reason error) error {
	_, err := s.e.Reclaim(ctx, c.Proc, c.Token, reason.Error())
	return err
}

func (s source) Release(ctx context.Context, c *worker.Task) error {
	return s.e.Release(ctx, c.Proc, c.Token)
}

func (s source) Watch(proc, topic string, fn func()) (stop func()) { return s.e.Watch(proc, topic, fn) }
