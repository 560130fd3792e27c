package worker

import "time"

// maxHung is how many processors of one proc may hang before it is not claimed
// any more.
const maxHung = 16

// entry is a proc that the pool knows. It is kept as long as anything of it
// runs, so that a proc that is removed and added again still has one claim at a
// time. All fields except name are guarded by Pool.mu; owed is written only by
// the goroutine that runs the entry.
type entry struct {
	name       string
	job        *Job        // nil if the job was removed
	stop       func()      // ends the watch
	next       *entry      // next in the queue
	hung       int         // processors that hang
	retryTimer *time.Timer // set during the wait after an error of the Source
	// delay is the length of the latest wait, 0 after a success.
	delay     time.Duration
	lastError string // the last error of Claim that was logged, "" after a success
	owed      *debt  // a claim that could not be given back

	queued  bool
	running bool
	again   bool // notified while it was running
}

// debt is a claim that must be given back before the next one is made.
type debt struct {
	claim  *Task
	reason error // nil: release it uncounted
}

// Waiting and waking. The invariant: as long as goroutines are idle or not
// started, at least as many are awake without work as there are entries in the
// queue. So every goroutine that adds an entry wakes another, except a worker
// that takes an entry itself right after.

// ready notes that e may have become claimable, and queues it if it is not
// running. Pool.mu is held.
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

// wakeOne wakes an idle worker, or starts one if the limit allows. Pool.mu is
// held.
func (p *Pool) wakeOne() {
	switch {
	case p.idle > 0:
		p.idle-- // here and not in the woken worker, so that the next call wakes another
		p.cond.Signal()
	case p.workers < p.opts.Concurrency:
		p.workers++
		p.live++
		go p.work(&worker{pool: p, claim: new(Task)})
	}
}

// pop takes the first entry that still has work, or nil. Pool.mu is held.
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

// next waits for an entry. It returns nil when the pool closes. Pool.mu is
// held.
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

// Bounds of the wait after errors of the Source.
const (
	minDelay = 10 * time.Millisecond
	maxDelay = 3 * time.Second
)

// retryLater queues e after a delay, which doubles each time. Pool.mu is held.
func (p *Pool) retryLater(e *entry) {
	if p.closing {
		return
	}
	e.delay = min(max(2*e.delay, minDelay), maxDelay)
	var t *time.Timer
	t = time.AfterFunc(e.delay, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if e.retryTimer == t { // else it was stopped too late
			e.retryTimer = nil
			p.link(e)
			p.wakeOne()
		}
	})
	e.retryTimer = t
}

// forget drops an entry that has neither job, debt, wait nor running claim.
// Pool.mu is held.
func (p *Pool) forget(e *entry) {
	if e.job == nil && e.owed == nil && e.retryTimer == nil && e.hung == 0 && !e.queued && !e.running {
		delete(p.procs, e.name)
	}
}
