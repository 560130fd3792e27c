package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/worker"
)

// Host is where the procs of a Manager live: a node of this process, or a
// client's connection to one.
type Host interface {
	// Definitions returns the system procs with these names, or all without names.
	Definitions(ctx context.Context, names ...string) ([]*procstate.System, error)
	// Source is where the pools get their claims.
	Source() worker.Source
}

// Options configure a Manager.
type Options struct {
	Pool worker.Options
	// Programs runs system procs that have a Command. If nil, these wait. A
	// client has none, since the node runs them.
	Programs worker.Runner
}

// Manager holds the processors of a process and the pools that run them. A pool
// is created when the first proc can run. It is safe for concurrent use.
type Manager struct {
	host Host
	// attachMu is held from reading definitions to acting on them, so that
	// older definitions never replace newer ones. It is taken before mu.
	attachMu    sync.Mutex
	mu          sync.Mutex
	opts        worker.Options
	programs    worker.Runner // may be nil
	processors  map[string]worker.Processor
	pool        *worker.Pool                 // runs registered processors
	programPool *worker.Pool                 // runs external programs
	running     map[string]*procstate.System // as they were attached, by name
	remote      map[string]int               // pools of clients that run a proc
	closed      bool
}

// New returns a Manager for the procs at h. It runs nothing until Attach.
func New(h Host, o Options) *Manager {
	return &Manager{host: h, opts: o.Pool, programs: o.Programs}
}

// Definitions returns the system procs with these names, or all without names.
func (p *Manager) Definitions(ctx context.Context, names ...string) ([]*procstate.System, error) {
	return p.host.Definitions(ctx, names...)
}

// Register makes fn the processor of that name. The next Attach runs it.
func (p *Manager) Register(name string, fn worker.Processor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.processors == nil {
		p.processors = make(map[string]worker.Processor)
	}
	old := p.processors[name]
	p.processors[name] = fn
	if old == nil {
		return
	}
	for system, s := range p.running { // so that Attach runs it anew, with fn
		if s.Processor == name && len(s.Command) == 0 {
			delete(p.running, system)
		}
	}
}

// Has reports whether a processor of that name is registered.
func (p *Manager) Has(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.processors[name] != nil
}

// Lacks returns why a system proc cannot run here, or "" if it can.
func (p *Manager) Lacks(s *procstate.System) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(s.Command) > 0:
		return p.missing(s)
	case p.processors[s.Processor] == nil:
		return fmt.Sprintf("no processor is registered for system proc %q", s.Name)
	}
	return ""
}

// Waiting returns why a proc of a system proc does not run, or "" if it does.
func (p *Manager) Waiting(s *procstate.System, proc string) string {
	p.mu.Lock()
	runs := s == nil || p.hasProc(proc) || p.remote[proc] > 0
	p.mu.Unlock()
	if runs {
		return ""
	}
	return p.Lacks(s)
}

// hasProc reports whether a pool runs a proc. p.mu is held.
func (p *Manager) hasProc(proc string) bool {
	return p.pool != nil && p.pool.Has(proc) || p.programPool != nil && p.programPool.Has(proc)
}

// Elsewhere notes that a client's pool runs a proc, until over is called.
func (p *Manager) Elsewhere(proc string) (over func()) {
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

// RunsElsewhere reports whether a client runs a proc of s.
func (p *Manager) RunsElsewhere(s *procstate.System) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(s.From, func(t string) bool { return p.remote[s.ProcName(t)] > 0 })
}

// Attach runs the system procs with these names, or all, according to their
// current definitions.
func (p *Manager) Attach(ctx context.Context, names ...string) error {
	p.attachMu.Lock()
	defer p.attachMu.Unlock()
	systems, err := p.host.Definitions(ctx, names...)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errs.Closed.With("it is closed")
	}
	for _, s := range systems {
		if err := p.run(s); err != nil {
			return err
		}
	}
	return nil
}

// run runs s if it has a processor here. p.mu is held.
func (p *Manager) run(s *procstate.System) error {
	old := p.running[s.Name]
	if old != nil && procstate.SameSystem(old, s) && p.runs(s) {
		return nil
	}
	fn, pool, err := p.processor(s)
	if old != nil {
		p.stopRunning(old, s, pool)
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

// processor returns the processor of s and the pool to run it in, or nil if
// there is none. p.mu is held.
func (p *Manager) processor(s *procstate.System) (worker.Processor, *worker.Pool, error) {
	if len(s.Command) == 0 {
		fn := p.processors[s.Processor]
		if fn == nil {
			return nil, nil, nil
		}
		if p.pool == nil {
			p.pool = worker.New(p.host.Source(), p.opts)
		}
		return fn, p.pool, nil
	}
	if p.missing(s) != "" {
		return nil, nil, nil
	}
	fn, err := p.programs.Attach(program(s))
	if err != nil {
		return nil, nil, err
	}
	if p.programPool == nil {
		o := p.opts
		o.Concurrency = p.programs.Processes()
		p.programPool = worker.New(p.host.Source(), o)
	}
	return fn, p.programPool, nil
}

// runs reports whether all procs of s are in a pool. Those that were destroyed
// and created again are not.
func (p *Manager) runs(s *procstate.System) bool {
	return !slices.ContainsFunc(s.From, func(t string) bool { return !p.hasProc(s.ProcName(t)) })
}

// stopRunning removes from the pools what old ran and s, in pool, does not.
// p.mu is held.
func (p *Manager) stopRunning(old, s *procstate.System, pool *worker.Pool) {
	delete(p.running, old.Name)
	if len(s.Command) == 0 {
		p.detachProgram(old.Name)
	}
	for _, t := range old.From {
		name := old.ProcName(t)
		for _, was := range []*worker.Pool{p.pool, p.programPool} {
			if was != nil && (was != pool || !s.Reads(name, t)) {
				was.Remove(name)
			}
		}
	}
}

// LogWaiting logs which system procs wait for a processor.
func (p *Manager) LogWaiting(ctx context.Context, log *slog.Logger) {
	if log == nil {
		return
	}
	systems, err := p.host.Definitions(ctx)
	if err != nil {
		return
	}
	for _, s := range systems {
		if why := p.Lacks(s); why != "" {
			log.Warn("pipeproc: a system proc waits", "name", s.Name, "processor", s.Processor, "why", why)
		}
	}
}

// program returns the description of s for a Runner.
func program(s *procstate.System) worker.Command {
	return worker.Command{Name: s.Name, Processor: s.Processor, Args: s.Command, Source: s.Source, Topics: len(s.From), Lanes: s.Lanes}
}

// missing returns why the program of s cannot run here, or "" if it can.
func (p *Manager) missing(s *procstate.System) string {
	if p.programs == nil {
		return "the node runs no programs: it was opened without Options.Programs (see program.NewRunner)"
	}
	return p.programs.Missing(program(s))
}

func (p *Manager) detachProgram(system string) {
	if p.programs != nil {
		p.programs.Detach(system)
	}
}

// Detach stops running a proc that was destroyed.
func (p *Manager) Detach(proc string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pool := range []*worker.Pool{p.pool, p.programPool} {
		if pool != nil {
			pool.Remove(proc)
		}
	}
	for name, s := range p.running { // without procs a program is not needed any more
		if !slices.ContainsFunc(s.From, func(t string) bool { return p.hasProc(s.ProcName(t)) }) {
			delete(p.running, name)
			p.detachProgram(name)
		}
	}
}

// Close ends the pools: processors are told to stop, and their claims are
// acknowledged or given back.
func (p *Manager) Close() error {
	p.mu.Lock()
	p.closed = true
	pools := []*worker.Pool{p.pool, p.programPool}
	p.mu.Unlock()
	errs := make([]error, len(pools))
	var all sync.WaitGroup
	for i, pool := range pools {
		if pool != nil {
			all.Go(func() { errs[i] = pool.Close(context.Background()) })
		}
	}
	all.Wait()
	if p.programs != nil {
		errs = append(errs, p.programs.Close())
	}
	return errors.Join(errs...)
}
