package worker

import (
	"context"
	"time"

	"github.com/pipeproc/pipeproc/topics"
)

// keepBytes is how much memory for output, in bytes, a worker keeps from claim
// to claim.
const keepBytes = 1 << 20

// worker is a goroutine that serves the queue, and its memory.
type worker struct {
	pool        *Pool
	claim       *Task
	out         topics.Batch
	work        Work
	lanes       lanes
	cancel      context.CancelFunc // of the current claim's context
	inProcessor bool               // the processor is being called

	// Guarded by Pool.mu. Unless noted otherwise, a field is written by the
	// worker only, and so read by it without the lock.
	entry *entry // nil between claims
	job   *Job   // nil: the entry is there only to return its debt
	hung  bool   // written by expire: the worker was replaced
	timer *time.Timer
	armed bool // the timer was started for this claim
	stale int  // pending calls of expire that are for earlier claims
}

// outcome is the result of serving an entry.
type outcome uint8

const (
	empty   outcome = iota // nothing to claim
	refused                // not to be claimed until the proc is changed
	acked
	failed // given back, or lost
	retry  // the Source failed: try later
	closed // the Source is closed
)

// work is a worker's goroutine.
func (p *Pool) work(w *worker) {
	defer func() {
		if w.inProcessor { // runtime.Goexit: another goroutine continues from here
			go p.work(w)
		}
	}()
	if w.entry != nil && !p.settle(w, p.conclude(w, errGoexit)) {
		return
	}
	for p.take(w) && p.settle(w, p.cycle(w)) {
		w.trim()
	}
}

// take waits for an entry. It returns false when the worker must end.
func (p *Pool) take(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.next()
	if e == nil {
		p.workers--
		p.exit()
		return false
	}
	e.running, e.again = true, false
	w.entry, w.job = e, e.job
	return true
}

// exit accounts for the end of a worker's goroutine. Pool.mu is held.
func (p *Pool) exit() {
	if p.live--; p.live == 0 && p.closing {
		close(p.drained)
	}
}

// settle queues or releases the entry according to its outcome. It returns
// false when the worker was replaced and must end.
func (p *Pool) settle(w *worker, o outcome) bool {
	if o == closed {
		p.beginClose()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := w.entry
	w.entry = nil
	if w.hung {
		p.hung--
		e.hung--
		if e.hung == maxHung-1 {
			p.ready(e)
		}
		p.forget(e)
		p.exit()
		return false
	}
	e.running = false
	again := e.again
	switch o {
	case acked:
		p.acked++
		p.records += uint64(len(w.claim.Records))
		e.delay, e.lastError, again = 0, "", true
	case empty:
		e.delay, e.lastError = 0, ""
	case failed:
		again = true
	case retry:
		p.retryLater(e)
		again = false
	}
	if again && e.job != nil {
		p.link(e) // this worker takes an entry next, so none is woken
	}
	p.forget(e)
	return true
}

// trim releases memory for an unusual amount of output.
func (w *worker) trim() {
	if w.out.Bytes() > keepBytes {
		w.out = topics.Batch{}
	}
	for _, a := range w.lanes.list {
		if cap(a.out.bytes) > keepBytes {
			a.out.bytes = nil
		}
	}
}
