package pipeproc

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/worker"
)

// host is where the procs are that a pool of this process runs: the node itself,
// or a client's connection to it.
type host interface {
	// definitions returns the system procs of these names, all for none.
	definitions(ctx context.Context, names ...string) ([]*procstate.System, error)
	source() worker.Source
}

// pipes brings the definitions of system procs, which the store keeps, and the
// processors, which the program has, together in a pool. The pool comes to be
// with the first proc that can run.
type pipes struct {
	// attachMu is held from reading definitions to acting on them, so that older
	// ones never come after newer ones. It is taken before mu.
	attachMu   sync.Mutex
	mu         sync.Mutex
	opts       worker.Options
	processors map[string]Processor
	pool       *worker.Pool
	running    map[string]*procstate.System // as they were attached, by name
	remote     map[string]int               // pools of clients that run a proc
	closed     bool
}

func (p *pipes) register(name string, fn Processor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.processors == nil {
		p.processors = make(map[string]Processor)
	}
	old := p.processors[name]
	p.processors[name] = fn
	if old == nil {
		return
	}
	for system, s := range p.running { // attached anew, with fn
		if s.Processor == name {
			delete(p.running, system)
		}
	}
}

func (p *pipes) has(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.processors[name] != nil
}

// waiting says why a proc of a system proc does not run.
func (p *pipes) waiting(d *procstate.Def) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pool != nil && p.pool.Has(d.Name) || p.remote[d.Name] > 0 {
		return ""
	}
	return fmt.Sprintf("no processor is registered for system proc %q", d.System)
}

// elsewhere notes that the pool of a client runs a proc, until over is called.
func (p *pipes) elsewhere(proc string) (over func()) {
	count := func(n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.remote == nil {
			p.remote = make(map[string]int)
		}
		if p.remote[proc] += n; p.remote[proc] == 0 {
			delete(p.remote, proc)
		}
	}
	count(1)
	return func() { count(-1) }
}

// attach brings the pool up to the definitions of these names, or to all.
func (p *pipes) attach(ctx context.Context, h host, names ...string) error {
	p.attachMu.Lock()
	defer p.attachMu.Unlock()
	systems, err := h.definitions(ctx, names...)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errs.Closed.With("it is closed")
	}
	for _, s := range systems {
		fn, old := p.processors[s.Processor], p.running[s.Name]
		if old != nil && sameSystem(old, s) && p.runs(s) {
			continue
		}
		if old != nil {
			p.leave(old, s)
		}
		if fn == nil {
			continue
		}
		if p.pool == nil {
			p.pool = worker.New(h.source(), p.opts)
			p.running = make(map[string]*procstate.System)
		}
		for _, t := range s.From {
			if err := p.pool.Add(worker.Job{Proc: s.ProcName(t), Topic: t, To: s.To, Count: s.Count, Lanes: s.Lanes, Fn: fn}); err != nil {
				return err
			}
		}
		p.running[s.Name] = s
	}
	return nil
}

// runs reports whether all procs of s are in the pool: those that were destroyed,
// and made again since, are not.
func (p *pipes) runs(s *procstate.System) bool {
	return !slices.ContainsFunc(s.From, func(t string) bool { return !p.pool.Has(s.ProcName(t)) })
}

// leave stops running what old ran and s does not.
func (p *pipes) leave(old, s *procstate.System) {
	delete(p.running, old.Name)
	for _, t := range old.From {
		if name := old.ProcName(t); !s.Reads(name, t) || p.processors[s.Processor] == nil {
			p.pool.Remove(name)
		}
	}
}

// missing says which system procs wait for a processor.
func (p *pipes) missing(n *Node, log *slog.Logger) {
	if log == nil {
		return
	}
	for _, s := range n.e.Systems() {
		if !p.has(s.Processor) {
			log.Warn("pipeproc: a system proc waits for its processor to be registered", "name", s.Name, "processor", s.Processor)
		}
	}
}

// detach stops running a proc that was destroyed.
func (p *pipes) detach(proc string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pool != nil {
		p.pool.Remove(proc)
	}
}

// close ends the pool: processors are told to stop, and what they had claimed
// is acknowledged or given back.
func (p *pipes) close() error {
	p.mu.Lock()
	p.closed = true
	pool := p.pool
	p.mu.Unlock()
	if pool == nil {
		return nil
	}
	return pool.Close(context.Background())
}

func (n *Node) definitions(_ context.Context, names ...string) ([]*procstate.System, error) {
	if len(names) == 0 {
		return n.e.Systems(), nil
	}
	var out []*procstate.System
	for _, name := range names {
		if s := n.e.System(name); s != nil {
			out = append(out, s)
		}
	}
	return out, nil
}

func (n *Node) source() worker.Source { return source{n.e} }

// source lets the pool work on the engine of the same process.
type source struct{ e *engine.Engine }

// memory is what a worker's claim keeps from one time to the next.
type memory struct {
	claimed engine.Claimed
	op      procstate.Op
	ops     [1]*procstate.Op
	req     engine.Request
}

func (s source) Claim(ctx context.Context, proc string, count int, c *worker.Claim) error {
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

func (s source) AckCommit(ctx context.Context, c *worker.Claim, out *topics.Batch) error {
	m := c.Own.(*memory)
	m.op = procstate.Op{Kind: procstate.Ack, Name: c.Proc, Token: c.Token, Commit: true}
	m.ops[0] = &m.op
	m.req.Procs, m.req.Batch = m.ops[:], out
	if out != nil && out.Len() == 0 {
		m.req.Batch = nil
	}
	return s.e.Commit(ctx, &m.req)
}

func (s source) Reclaim(ctx context.Context, c *worker.Claim, reason error) error {
	_, err := s.e.Reclaim(ctx, c.Proc, c.Token, reason.Error())
	return err
}

func (s source) Release(ctx context.Context, c *worker.Claim) error {
	return s.e.Release(ctx, c.Proc, c.Token)
}

func (s source) Watch(proc, topic string, fn func()) (stop func()) { return s.e.Watch(proc, topic, fn) }
