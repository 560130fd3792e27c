package transport

import (
	"context"
	"runtime"
)

// lead writes what waits. busy was set by the caller.
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

// hold makes what is added wait until release, unless it is much.
func (w *writer) cork() {
	w.mu.Lock()
	w.corked = true
	w.mu.Unlock()
}

// release writes what was held back.
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

// others lets other goroutines add what they have to the same write.
func (w *writer) yieldToSenders() {
	if w.callers.Load() > 1 {
		runtime.Gosched()
	}
}

// flush writes b and whatever waits, until nothing does.
func (w *writer) flush(b *batch) {
	for b != nil {
		err := w.write(b)
		w.yieldToSenders()
		b = w.finish(b, err)
	}
}

// swap takes what waits. mu is held.
func (w *writer) swap() *batch {
	b := w.cur
	w.cur, w.spare = w.spare, nil
	return b
}

// finish settles b, which was written unless err says otherwise, and returns
// what to write next, nil if nothing waits.
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

// settle tells who waits for b and empties it. mu is held.
func (w *writer) notifyLenders(b *batch, err error) {
	for _, t := range b.lent {
		t.err = err
		t.done <- struct{}{}
	}
	b.reset()
}

// write writes b whole. Each chunk must get on within the write timeout.
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
		w.rest = w.pieces // WriteTo moves the start of the slice it is called on
		_, err := w.rest.WriteTo(w.conn)
		return err
	}
	return w.writeJoined()
}

// writeJoined writes the pieces in large parts: TLS would make a record of each.
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

// fail ends the writer: what waits, and what comes, fails with err.
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

// drain waits until nothing waits to be written.
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
