package worker

import "time"

// arm starts the timeout of the worker's claim. Pool.mu is held.
func (w *worker) arm() {
	d := w.claim.Timeout
	if d <= 0 {
		return
	}
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.expire)
	} else {
		w.timer.Reset(d)
	}
}

// disarm stops the timeout. A call of expire that already waits for the lock
// must not be taken for one of the next claim. Pool.mu is held.
func (w *worker) disarm() {
	if w.armed && !w.timer.Stop() && !w.hung {
		w.stale++
	}
	w.armed = false
}

// expire runs when a claim's timeout has passed and its processor has not
// returned: the worker no longer counts towards Concurrency, and its proc may
// be claimed again. If the processor obeys its context it is about to return,
// and only its goroutine is lost.
func (w *worker) expire() {
	p := w.pool
	p.mu.Lock()
	if w.stale > 0 { // stopped too late: it is for an earlier claim
		w.stale--
		p.mu.Unlock()
		return
	}
	if p.closing { // Close waits for all processors, and nothing may be claimed
		p.mu.Unlock()
		return
	}
	e, timeout, topic := w.entry, w.claim.Timeout, w.job.Topic
	w.hung, e.running = true, false
	e.hung++
	p.hung++
	p.workers--
	p.ready(e)
	if p.head != nil {
		p.wakeOne() // the replacement
	}
	hung := e.hung
	p.mu.Unlock()
	attrs := []any{"proc", e.name, "topic", topic, "timeout", timeout, "hung", hung}
	p.log.Warn("a claim has timed out and its processor still runs", attrs...)
	if hung == maxHung {
		p.log.Error("too many processors of a proc ignore that their claims have timed out; it rests until one returns", attrs...)
	}
}
