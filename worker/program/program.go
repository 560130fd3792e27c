package program

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/worker"
)

// Program runs one external program in up to Options.Processes processes: it
// starts, feeds, restarts and ends them. Its method Process is a
// [worker.Processor]. To a [Runner] the same thing is described by a
// [worker.Command], which is data only. It is safe for concurrent use.
type Program struct {
	o       Options
	drained chan struct{} // closed when the Program is closed and no process is left
	dropped atomic.Uint64 // lines of stderr that were not logged

	// mu is taken before process.mu, never with it held.
	mu       sync.Mutex
	closed   bool
	slots    []slot
	free     []*slot    // without a process, and not resting
	idle     []*process // most recently used last
	waiting  []*waiter  // longest wait first
	procs    map[*process]struct{}
	starting int   // calls of tend whose process is not available yet
	live     int   // calls of tend
	last     error // why the latest process failed
	stats    Stats
}

var errClosed = errs.Closed.With("the program is closed")

// New returns a Program. It starts no process: the first claim does. Close ends
// it. Errors: no_valid_processor_provided, invalid_proc_options.
func New(o Options) (*Program, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	p := &Program{o: o, drained: make(chan struct{}), procs: make(map[*process]struct{})}
	p.slots = make([]slot, o.Processes)
	for i := range p.slots {
		p.free = append(p.free, &p.slots[i])
	}
	return p, nil
}

// Process has the records of w handled by a process. It waits for a free
// process, or for one to start, until ctx ends. When each record was answered
// and none failed, it emits the output and returns nil.
//
// Errors: the program's error answer; how its process has ended, in which case
// errors.As finds an [exec.ExitError]; why it cannot be started; closed; and
// the cause of ctx. When the deadline of ctx passes, the process is killed.
// When ctx is cancelled, the process may continue for Options.StopGrace.
func (p *Program) Process(ctx context.Context, w *worker.Work) error {
	return boundProgram{p, nil}.process(ctx, w)
}

// boundProgram is a program with the definition of a proc, nil if the program
// is not shared.
type boundProgram struct {
	p *Program
	d *Definition
}

func (s boundProgram) process(ctx context.Context, w *worker.Work) error {
	p := s.p
	recs := w.Records()
	if len(recs) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	pr, err := p.take(ctx, len(recs))
	if err != nil {
		return err
	}
	alive, err := pr.run(ctx, w, s.d)
	pr.finish()
	if alive {
		p.answered(pr, len(recs))
		p.give(pr)
	}
	return err
}

// run runs a claim. alive is false if the process has ended before it answered
// all records.
func (pr *process) run(ctx context.Context, w *worker.Work, d *Definition) (alive bool, err error) {
	c, recs := &pr.claim, w.Records()
	first := c.first
	stop := context.AfterFunc(ctx, func() { pr.interrupt(ctx, first) })
	pr.send(w, d)
	err = <-pr.done
	stop()
	if err != nil {
		return false, fmt.Errorf("%w (%d of %d records were answered)", err, len(recs)-c.left, len(recs))
	}
	if err = c.failure(recs); err == nil {
		c.emit(w)
	}
	return true, err
}

// useDefinition makes the current claim one of a proc that shares the program,
// and queues the definition if the process does not have it.
func (pr *process) useDefinition(proc string, d *Definition) {
	pr.stderr.proc.Store(&proc)
	pr.lines.of(proc)
	if pr.defined[proc] != d {
		pr.defined[proc] = d
		pr.lines.line = definition(pr.lines.line, proc, d)
	}
}

// writeSize is how many bytes of lines are gathered before a write.
const writeSize = 32 << 10

// send writes the lines of a claim. A process that does not read them is
// detected by timeouts.
func (pr *process) send(w *worker.Work, d *Definition) {
	recs := w.Records()
	pr.lines.begin(w.Topic(), w.Attempt())
	if d != nil {
		pr.useDefinition(w.Proc(), d)
	}
	for i := range recs {
		pr.lines.add(pr.claim.first+uint64(i), len(recs)-1-i, &recs[i])
		if len(pr.lines.line) < writeSize && i < len(recs)-1 {
			continue
		}
		pr.claim.offered.Store(int64(i + 1))
		if _, err := pr.pipes.stdin.Write(pr.lines.line); err != nil {
			pr.broken(fmt.Errorf("it does not read its stdin: %w", err))
			return
		}
		pr.lines.line = pr.lines.line[:0]
	}
}
