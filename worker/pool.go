package worker

import (
	"cmp"
	"context"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// defaultGrace is how long Close waits for processors.
const defaultGrace = 10 * time.Second

// Options of a pool. Zero values are the defaults.
type Options struct {
	// Concurrency is how many claims run side by side. Default GOMAXPROCS.
	// Goroutines are started when there is work for them. Lanes come on top.
	Concurrency int
	// Grace is how long Close waits for running processors. Default 10 s;
	// negative: not at all.
	Grace time.Duration
	// Logger receives what an operator should read: failures, panics with
	// their stacks, lost claims, processors that hang. Default: nothing.
	Logger *slog.Logger
}

// Pool runs jobs. It is safe for concurrent use.
type Pool struct {
	src  Source
	opts Options
	log  *slog.Logger

	// ctx ends when the pool closes. It is the context of processors and of
	// Claim. finalCtx ends when Close stops waiting. It is the context of
	// everything after a claim.
	ctx      context.Context
	cancel   context.CancelCauseFunc
	finalCtx context.Context
	endFinal context.CancelFunc
	drained  chan struct{} // closed when the pool closes and no worker is left

	// mu is a leaf lock: nothing that could take a lock is called with it held.
	mu         sync.Mutex
	cond       sync.Cond // of idle workers
	procs      map[string]*entry
	head, tail *entry // the queue
	closing    bool   // no new claims
	abandoned  bool   // Close has stopped waiting: the Source must not be called any more

	queued  int // entries in the queue
	idle    int // workers that wait on cond and were not signaled
	workers int // excluding those whose processor hangs
	live    int // including those
	hung    int

	claims, acked, records, wakeups uint64 // see Stats
}

// New returns a pool without jobs. It starts nothing; Close ends it.
func New(src Source, o Options) *Pool {
	if o.Concurrency <= 0 {
		o.Concurrency = runtime.GOMAXPROCS(0)
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	p := &Pool{src: src, opts: o, log: o.Logger, drained: make(chan struct{}), procs: make(map[string]*entry)}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.cond.L = &p.mu
	p.finalCtx, p.endFinal = context.WithCancel(context.Background())
	p.ctx, p.cancel = context.WithCancelCause(p.finalCtx)
	return p
}

// Add runs j from now on, instead of the proc's previous job. A claim in
// progress is finished by the previous job; no further one begins. The proc
// need not exist yet. Errors: no_valid_processor_provided,
// invalid_proc_options, invalid_topic_format, and closed.
func (p *Pool) Add(j Job) error {
	job, err := j.check()
	if err != nil {
		return err
	}
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return errs.Closed.With("the pool of workers is closed")
	}
	e := p.procs[job.Proc]
	if e == nil {
		e = &entry{name: job.Proc}
		p.procs[job.Proc] = e
	}
	old := e.stop
	e.job, e.stop = job, nil
	p.mu.Unlock()
	if old != nil {
		old()
	}
	stop := p.src.Watch(job.Proc, job.Topic, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ready(e)
	})
	p.mu.Lock()
	if e.job == job && !p.closing { // not replaced or removed meanwhile
		e.stop, stop = stop, nil
		p.ready(e) // only now, with the watch set up, so that no change after the first claim is missed
	}
	p.mu.Unlock()
	if stop != nil {
		stop()
	}
	return nil
}

// Remove ends the job of a proc. A claim in progress is finished; none begins
// after Remove has returned. It reports whether there was a job.
func (p *Pool) Remove(proc string) bool {
	p.mu.Lock()
	e := p.procs[proc]
	if e == nil || e.job == nil {
		p.mu.Unlock()
		return false
	}
	stop := e.stop
	e.job, e.stop = nil, nil
	if e.retryTimer != nil && e.owed == nil {
		e.retryTimer.Stop()
		e.retryTimer = nil
	}
	p.forget(e)
	p.mu.Unlock()
	if stop != nil {
		stop()
	}
	return true
}

// Has reports whether proc has a job.
func (p *Pool) Has(proc string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.procs[proc]
	return e != nil && e.job != nil
}

// Jobs returns the jobs, with their defaults filled in, ordered by proc name.
func (p *Pool) Jobs() []Job {
	p.mu.Lock()
	jobs := make([]Job, 0, len(p.procs))
	for _, e := range p.procs {
		if e.job != nil {
			jobs = append(jobs, *e.job)
		}
	}
	p.mu.Unlock()
	for i := range jobs {
		jobs[i].To = slices.Clone(jobs[i].To)
	}
	slices.SortFunc(jobs, func(a, b Job) int { return cmp.Compare(a.Proc, b.Proc) })
	return jobs
}
