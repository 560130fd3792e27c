package rpc

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// sendCut is how much of a large message goes into one frame, so that others
// get in between.
const sendCut = 512 << 10

var errNotTaken = errs.Overloaded.With("the peer does not take what is sent to it")

// writer sends the frames of several goroutines over one connection. Whoever
// finds it idle writes at once, without a switch of goroutines, and takes along
// what others have added meanwhile; who adds while a write is on leaves it at
// that. A goroutine that leads does not block on the peer, unless what it sends
// is lent and it has to wait anyway: what cannot be written at once is left to a
// goroutine that lives while there is something to write.
type writer struct {
	conn    net.Conn
	try     *trial // nil: a write may block
	vector  bool   // the connection takes several pieces with one system call
	max     int    // bytes that may wait
	bufs    *buffers
	watch   *watchdog
	failed  func(error)   // called once, without a lock
	callers *atomic.Int32 // calls in flight: with several it pays to wait for others

	mu     sync.Mutex
	cur    *batch // what waits
	spare  *batch
	queued int // bytes, those that are being written included
	busy   bool
	err    error
	room   chan struct{} // closed when something was written
	idle   chan struct{} // closed when nothing waits any more

	pieces net.Buffers // of the goroutine that writes
	rest   net.Buffers
	joined []byte
}

func newWriter(conn net.Conn, maxQueued int, stall time.Duration, bufs *buffers, callers *atomic.Int32, failed func(error)) *writer {
	w := &writer{conn: conn, max: maxQueued, bufs: bufs, failed: failed, callers: callers, cur: &batch{bufs: bufs}, spare: &batch{bufs: bufs}}
	w.watch = newWatchdog(stall, func() { w.fail(errNotTaken) })
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		w.vector = true
		w.try = newTrial(conn)
	}
	return w
}

// send sends m. It waits for room in the queue, and for nothing else, unless t is
// given: then large payloads are not copied, and it returns when they are
// written. After an error part of m may have been sent; m.sent tells.
func (w *writer) send(ctx context.Context, m *message, t *ticket) error {
	for !m.sent || m.size > 0 {
		if err := w.frame(ctx, m, min(m.size, sendCut), t); err != nil {
			return err
		}
		m.sent = true
	}
	return nil
}

// frame sends the next n bytes of m.
func (w *writer) frame(ctx context.Context, m *message, n int, t *ticket) error {
	switch {
	case n <= copyLimit:
		return w.add(ctx, func(b *batch) { b.copyFrame(m, n) }, false)
	case t != nil:
		t.fill(m, n)
		if err := w.add(ctx, func(b *batch) { b.lendFrame(t) }, true); err != nil {
			return err
		}
		<-t.done
		return t.err
	}
	f := w.bufs.get(headerSize + n)
	f.b = appendCopy(f.b, m, n)
	sealFrame(f.b)
	return w.add(ctx, func(b *batch) { b.ownFrame(f) }, false)
}

// post sends a frame of the connection's own. It never waits.
func (w *writer) post(m *message) error {
	var noWait context.Context
	return w.add(noWait, func(b *batch) { b.copyFrame(m, m.size) }, false)
}

// add calls fn with what waits, and leads if nobody does. A nil ctx means that
// it does not wait for room.
func (w *writer) add(ctx context.Context, fn func(*batch), block bool) error {
	w.mu.Lock()
	for ctx != nil && w.queued >= w.max && w.err == nil {
		if err := w.waitRoom(ctx); err != nil {
			return err
		}
	}
	if w.err != nil {
		err := w.err
		w.mu.Unlock()
		return err
	}
	before := w.cur.bytes
	fn(w.cur)
	w.queued += w.cur.bytes - before
	if w.busy {
		w.mu.Unlock()
		return nil
	}
	w.busy = true
	w.mu.Unlock()
	w.lead(block)
	return nil
}

// wait waits until there is room in the queue.
func (w *writer) wait() error {
	w.mu.Lock()
	for w.queued >= w.max && w.err == nil {
		_ = w.waitRoom(context.Background()) // which does not end
	}
	defer w.mu.Unlock()
	return w.err
}

// waitRoom waits until something was written. It is called with mu held, and
// returns with it held unless it returns an error.
func (w *writer) waitRoom(ctx context.Context) error {
	if w.room == nil {
		w.room = make(chan struct{})
	}
	room := w.room
	w.mu.Unlock()
	select {
	case <-room:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	w.mu.Lock()
	return nil
}

// lead writes what waits. busy was set by the caller.
func (w *writer) lead(block bool) {
	w.others()
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

// others lets other goroutines add what they have to the same write.
func (w *writer) others() {
	if w.callers.Load() > 1 {
		runtime.Gosched()
	}
}

// flush writes b and whatever waits, until nothing does.
func (w *writer) flush(b *batch) {
	for b != nil {
		err := w.write(b)
		w.others()
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
	w.settle(b, err)
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
		w.settle(w.cur, err)
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
		w.failed(err)
	}
	return next
}

// settle tells who waits for b and empties it. mu is held.
func (w *writer) settle(b *batch, err error) {
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
	w.joined = w.joined[:0]
	for _, p := range w.pieces {
		w.joined = append(w.joined, p...)
	}
	_, err := w.conn.Write(w.joined)
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
	w.failed(err)
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

// full reports whether there is no room in the queue.
func (w *writer) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queued >= w.max
}
