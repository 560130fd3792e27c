package transport

import "sync"

// keepWorkers is how many idle goroutines are kept for later calls.
const keepWorkers = 128

// workers runs calls, in order of arrival, on as many goroutines as needed. It
// reuses goroutines because a fresh one has to grow its stack first. At most
// one goroutine is being woken at a time; when it arrives, it wakes the next if
// there is more to do. So calls that return soon are run by few goroutines, and
// a call that blocks holds up no other.
type workers struct {
	run func(*Call)

	mu     sync.Mutex
	queue  fifo[*Call]
	idle   []chan struct{}
	waking bool // a goroutine was woken or started and has not arrived yet
	closed bool
}

// add queues c.
func (w *workers) add(c *Call) {
	w.mu.Lock()
	w.queue.push(c)
	w.wakeOne()
	w.mu.Unlock()
}

// wakeOne wakes or starts a goroutine, unless one is being woken. mu is held.
func (w *workers) wakeOne() {
	if w.waking {
		return
	}
	w.waking = true
	if n := len(w.idle); n > 0 {
		w.idle[n-1] <- struct{}{}
		w.idle = w.idle[:n-1]
		return
	}
	go w.work()
}

// work runs calls until there are none and enough other goroutines are idle.
func (w *workers) work() {
	var woken chan struct{}
	w.mu.Lock()
	for {
		w.waking = false
		for w.queue.len() > 0 {
			c := w.queue.pop()
			if w.queue.len() > 0 {
				w.wakeOne()
			}
			w.mu.Unlock()
			w.run(c)
			w.mu.Lock()
		}
		if w.closed || len(w.idle) >= keepWorkers {
			w.mu.Unlock()
			return
		}
		if woken == nil {
			woken = make(chan struct{}, 1)
		}
		w.idle = append(w.idle, woken)
		w.mu.Unlock()
		if _, ok := <-woken; !ok {
			return
		}
		w.mu.Lock()
	}
}

// close ends the idle goroutines. The others end when they run out of calls.
func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, ch := range w.idle {
		close(ch)
	}
	w.idle = nil
}
