package worker

import "time"

// maxHung is how many processors of one proc may hang before it is left alone.
const maxHung = 16

// entry is a proc that the pool knows. It stays known as long as anything of it
// runs, so that a proc that is removed and added again still has one claim at a
// time. All fields but name are guarded by Pool.mu; owed is written by the
// goroutine that runs the entry only.
type entry struct {
	name       string
	job        *Job        // nil: it was removed
	stop       func()      // ends the watch
	next       *entry      // behind it in the queue
	hung       int         // processors that hang
	retryTimer *time.Timer // set while it waits after an error of the Source
	// delay is how long it waited the last time, 0 after a success.
	delay     time.Duration
	lastError string // the last error of Claim that was logged, "" after a success
	owed      *debt  // a claim that could not be given back

	queued  bool
	running bool
	again   bool // it may have become claimable while it was running
}

// debt is a claim that is to be given back before the next one is made.
type debt struct {
	claim  *Claim
	reason error // nil: it is to be released
}

// Waiting and waking. The rule: as long as there are idle or missing goroutines,
// there are at least as many awake ones without work as entries in the queue. So
// whoever adds an entry calls one goroutine, but for a worker that takes one
// itself right after.

// ready notes that e may have become claimable. Pool.mu is held.
func (p *Pool) ready(e *entry) {
	switch {
	case p.closing || e.job == nil || e.queued || e.retryTimer != nil || e.hung >= maxHung:
	case e.running:
		e.again = true
	default:
		p.link(e)
		p.wakeOne()
	}
}

// link puts e at the end of the queue. Pool.mu is held.
func (p *Pool) link(e *entry) {
	e.queued, e.next = true, nil
	if p.tail == nil {
		p.head = e
	} else {
		p.tail.next = e
	}
	p.tail = e
	p.queued++
}

// rouse wakes an idle worker or starts one, if there may be one more. Pool.mu is
// held.
func (p *Pool) wakeOne() {
	switch {
	case p.idle > 0:
		p.idle-- // here, so that the next call wakes another one
		p.cond.Signal()
	case p.workers < p.opts.Concurrency:
		p.workers++
		p.live++
		go p.work(&worker{pool: p, claim: new(Claim)})
	}
}

// pop takes the first entry that is still wanted, or nil. Pool.mu is held.
func (p *Pool) pop() *entry {
	for p.head != nil {
		e := p.head
		if p.head = e.next; p.head == nil {
			p.tail = nil
		}
		e.queued, e.next = false, nil
		p.queued--
		if e.job != nil || e.owed != nil {
			return e
		}
		p.forget(e)
	}
	return nil
}

// next waits for an entry. It is nil when the pool closes. Pool.mu is held.
func (p *Pool) next() *entry {
	for !p.closing {
		if e := p.pop(); e != nil {
			return e
		}
		p.idle++
		p.cond.Wait()
		p.wakeups++
	}
	return nil
}

// The bounds of the wait after errors of the Source.
const (
	minDelay = 10 * time.Millisecond
	maxDelay = 3 * time.Second
)

// later makes e ready after a while. Pool.mu is held.
func (p *Pool) retryLater(e *entry) {
	if p.closing {
		return
	}
	e.delay = min(max(2*e.delay, minDelay), maxDelay)
	var t *time.Timer
	t = time.AfterFunc(e.delay, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if e.retryTimer == t { // and it was not stopped too late
			e.retryTimer = nil
			p.link(e)
			p.wakeOne()
		}
	})
	e.retryTimer = t
}

// forget drops an entry of which nothing is left. Pool.mu is held.
func (p *Pool) forget(e *entry) {
	if e.job == nil && e.owed == nil && e.retryTimer == nil && e.hung == 0 && !e.queued && !e.running {
		delete(p.procs, e.name)
	}
}
