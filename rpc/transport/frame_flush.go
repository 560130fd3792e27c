package transport

import (
	"context"
	"runtime"
)

// lead writes the queue. The caller has set busy.
func (w *writer) lead(block bool) {
	w.yieldToSenders()
	w.mu.Lock()
	b := w.swap()
	w.mu.Unlock()
	var err error
	switch {
	case block:
		err = w.write(b)
	default:
		p := b.single()
		if w.try == nil || p == nil {
			go w.flush(b)
			return
		}
		var n int
		if n, err = w.try.write(p); err == nil && n < len(p) {
			b.run += n
			go w.flush(b)
			return
		}
	}
	if next := w.finish(b, err); next != nil {
		go w.flush(next)
	}
}

// cork makes small additions wait until uncork.
func (w *writer) cork() {
	w.mu.Lock()
	w.corked = true
	w.mu.Unlock()
}

// uncork writes what was held back.
func (w *writer) uncork() {
	w.mu.Lock()
	w.corked = false
	if w.busy || w.cur.bytes == 0 {
		w.mu.Unlock()
		return
	}
	w.busy = true
	w.mu.Unlock()
	w.lead(false)
}

// yieldToSenders lets other goroutines add their frames to the same write.
func (w *writer) yieldToSenders() {
	if w.callers.Load() > 1 {
		runtime.Gosched()
	}
}

// flush writes b, and then the queue until it is empty.
func (w *writer) flush(b *batch) {
	for b != nil {
		err := w.write(b)
		w.yieldToSenders()
		b = w.finish(b, err)
	}
}

// swap takes the queue. mu is held.
func (w *writer) swap() *batch {
	b := w.cur
	w.cur, w.spare = w.spare, nil
	return b
}

// finish settles b, which was written unless err is set, and returns the next
// batch to write, or nil if the queue is empty.
func (w *writer) finish(b *batch, err error) *batch {
	w.mu.Lock()
	w.queued -= b.bytes
	w.notifyLenders(b, err)
	w.spare = b
	if w.room != nil {
		close(w.room)
		w.room = nil
	}
	if err != nil && w.err == nil {
		w.err = err
	}
	if w.err != nil {
		err = w.err
		w.queued -= w.cur.bytes
		w.notifyLenders(w.cur, err)
	}
	var next *batch
	if w.cur.bytes > 0 {
		next = w.swap()
	} else {
		w.busy = false
		if w.idle != nil {
			close(w.idle)
			w.idle = nil
		}
	}
	w.mu.Unlock()
	if err != nil {
		w.onFail(err)
	}
	return next
}

// notifyLenders wakes the goroutines that lent frames to b, and empties b. mu
// is held.
func (w *writer) notifyLenders(b *batch, err error) {
	for _, t := range b.lent {
		t.err = err
		t.done <- struct{}{}
	}
	b.reset()
}

// write writes all of b. Each chunk must make progress within the write
// timeout.
func (w *writer) write(b *batch) error {
	b.endRun()
	for {
		w.pieces = b.chunk(w.pieces[:0])
		if len(w.pieces) == 0 {
			return nil
		}
		w.watch.start()
		err := w.writePieces()
		w.watch.stop()
		clear(w.pieces)
		if err != nil {
			return err
		}
	}
}

func (w *writer) writePieces() error {
	if w.vector {
		w.rest = w.pieces // WriteTo advances the slice that it is called on
		_, err := w.rest.WriteTo(w.conn)
		return err
	}
	return w.writeJoined()
}

// writeJoined joins the pieces into large writes: TLS would make a record of
// each piece.
func (w *writer) writeJoined() error {
	buf := w.bufs.get(arenaSize)
	defer w.bufs.put(buf)
	for _, p := range w.pieces {
		for len(p) > 0 {
			n := min(len(p), arenaSize-len(buf.b))
			buf.b = append(buf.b, p[:n]...)
			if p = p[n:]; len(buf.b) < arenaSize {
				break
			}
			if _, err := w.conn.Write(buf.b); err != nil {
				return err
			}
			buf.b = buf.b[:0]
		}
	}
	if len(buf.b) == 0 {
		return nil
	}
	_, err := w.conn.Write(buf.b)
	return err
}

// fail ends the writer: frames that wait, and later ones, fail with err.
func (w *writer) fail(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	if w.room != nil {
		close(w.room)
		w.room = nil
	}
	w.mu.Unlock()
	w.onFail(err)
}

// drain waits until the queue is empty.
func (w *writer) drain(ctx context.Context) error {
	w.mu.Lock()
	if !w.busy {
		w.mu.Unlock()
		return nil
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
