package pipeproc

import (
	"context"
	"errors"
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
	programs   *programs                    // nil: those of the node, of which this is a client
	pool       *worker.Pool                 // of processors
	outer      *worker.Pool                 // of programs
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
		if s.Processor == name && len(s.Command) == 0 {
			delete(p.running, system)
		}
	}
}

func (p *pipes) has(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.processors[name] != nil
}

// lacks says why a system proc cannot run here; "" if it can.
func (p *pipes) lacks(s *procstate.System) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(s.Command) > 0:
		return p.programs.missing(s)
	case p.processors[s.Processor] == nil:
		return fmt.Sprintf("no processor is registered for system proc %q", s.Name)
	}
	return ""
}

// waiting says why a proc of a system proc does not run.
func (p *pipes) waiting(s *procstate.System, proc string) string {
	p.mu.Lock()
	runs := s == nil || p.hasProc(proc) || p.remote[proc] > 0
	p.mu.Unlock()
	if runs {
		return ""
	}
	return p.lacks(s)
}

// hasProc reports whether a pool runs a proc. p.mu is held.
func (p *pipes) hasProc(proc string) bool {
	return p.pool != nil && p.pool.Has(proc) || p.outer != nil && p.outer.Has(proc)
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

// elsewhereRuns reports whether a client runs a proc of s.
func (p *pipes) elsewhereRuns(s *procstate.System) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(s.From, func(t string) bool { return p.remote[s.ProcName(t)] > 0 })
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
		if err := p.run(h, s); err != nil {
			return err
		}
	}
	return nil
}

// run runs s, if there is something to run it with. p.mu is held.
func (p *pipes) run(h host, s *procstate.System) error {
	old := p.running[s.Name]
	if old != nil && sameSystem(old, s) && p.runs(s) {
		return nil
	}
	fn, pool, err := p.processor(h, s)
	if old != nil {
		p.leave(old, s, pool)
	}
	if fn == nil || err != nil {
		return err
	}
	for _, t := range s.From {
		if err := pool.Add(worker.Job{Proc: s.ProcName(t), Topic: t, To: s.To, Count: s.Count, Lanes: s.Lanes, Fn: fn}); err != nil {
			return err
		}
	}
	if p.running == nil {
		p.running = make(map[string]*procstate.System)
	}
	p.running[s.Name] = s
	return nil
}

// processor returns what s is run with, and the pool for it; nil if there is
// nothing. p.mu is held.
func (p *pipes) processor(h host, s *procstate.System) (Processor, *worker.Pool, error) {
	if len(s.Command) == 0 {
		fn := p.processors[s.Processor]
		if fn == nil {
			return nil, nil, nil
		}
		if p.pool == nil {
			p.pool = worker.New(h.source(), p.opts)
		}
		return fn, p.pool, nil
	}
	if p.programs.missing(s) != "" {
		return nil, nil, nil
	}
	fn, err := p.programs.use(s)
	if err != nil {
		return nil, nil, err
	}
	if p.outer == nil {
		o := p.opts
		o.Concurrency = p.programs.o.count()
		p.outer = worker.New(h.source(), o)
	}
	return fn, p.outer, nil
}

// runs reports whether all procs of s are in a pool: those that were destroyed,
// and made again since, are not.
func (p *pipes) runs(s *procstate.System) bool {
	return !slices.ContainsFunc(s.From, func(t string) bool { return !p.hasProc(s.ProcName(t)) })
}

// leave stops running what old ran and s, in pool, does not. p.mu is held.
func (p *pipes) leave(old, s *procstate.System, pool *worker.Pool) {
	delete(p.running, old.Name)
	if len(s.Command) == 0 {
		p.programs.leave(old.Name)
	}
	for _, t := range old.From {
		name := old.ProcName(t)
		for _, was := range []*worker.Pool{p.pool, p.outer} {
			if was != nil && (was != pool || !s.Reads(name, t)) {
				was.Remove(name)
			}
		}
	}
}

// missing says which system procs wait for a processor.
func (p *pipes) missing(n *Node, log *slog.Logger) {
	if log == nil {
		return
	}
	systems, err := n.e.Systems()
	if err != nil {
		return
	}
	for _, s := range systems {
		if why := p.lacks(s); why != "" {
			log.Warn("pipeproc: a system proc waits", "name", s.Name, "processor", s.Processor, "why", why)
		}
	}
}

// detach stops running a proc that was destroyed.
func (p *pipes) detach(proc string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pool := range []*worker.Pool{p.pool, p.outer} {
		if pool != nil {
			pool.Remove(proc)
		}
	}
	for name, s := range p.running { // with its last proc a program is not needed any more
		if !slices.ContainsFunc(s.From, func(t string) bool { return p.hasProc(s.ProcName(t)) }) {
			delete(p.running, name)
			p.programs.leave(name)
		}
	}
}

// close ends the pool: processors are told to stop, and what they had claimed
// is acknowledged or given back.
func (p *pipes) close() error {
	p.mu.Lock()
	p.closed = true
	pools := []*worker.Pool{p.pool, p.outer}
	p.mu.Unlock()
	errs := make([]error, len(pools))
	var all sync.WaitGroup
	for i, pool := range pools {
		if pool != nil {
			all.Go(func() { errs[i] = pool.Close(context.Background()) })
		}
	}
	all.Wait()
	return errors.Join(errors.Join(errs...), p.programs.close())
}

func (n *Node) definitions(_ context.Context, names ...string) ([]*procstate.System, error) {
	if len(names) == 0 {
		return n.e.Systems()
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
