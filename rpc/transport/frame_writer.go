package transport

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// maxSendFrame is the largest payload of a frame that is sent, in bytes. Large
// messages are cut so that other frames can get in between.
const maxSendFrame = 512 << 10

// corkLimit is how many bytes may be held back.
const corkLimit = 16 << 10

var errNotTaken = errs.Overloaded.With("the peer does not take what is sent to it")

// writer sends the frames of several goroutines over one connection. A
// goroutine that finds it idle leads: it writes at once, without a goroutine
// switch, and includes what others have added meanwhile. A goroutine that adds
// during a write leaves its frame to the leader. A leader does not block on the
// peer, unless its own frame is lent and it has to wait anyway: what cannot be
// written at once is left to a goroutine that lives as long as there is
// something to write.
type writer struct {
	conn    net.Conn
	try     *tryWriter // nil if a write may block
	vector  bool       // the connection supports writev
	max     int        // limit on queued bytes
	bufs    *buffers
	watch   *watchdog
	onFail  func(error)   // called without locks held, maybe more than once
	callers *atomic.Int32 // calls in flight; with several it pays to wait for others

	mu     sync.Mutex
	cur    *batch // the queue
	spare  *batch
	queued int // bytes, including those being written
	busy   bool
	corked bool // small additions wait for uncork
	err    error
	room   chan struct{} // closed after a write
	idle   chan struct{} // closed when the queue is empty

	pieces net.Buffers // used by the goroutine that writes
	rest   net.Buffers
}

func newWriter(conn net.Conn, maxQueued int, stall time.Duration, bufs *buffers, callers *atomic.Int32, failed func(error)) *writer {
	w := &writer{conn: conn, max: maxQueued, bufs: bufs, onFail: failed, callers: callers, cur: &batch{bufs: bufs}, spare: &batch{bufs: bufs}}
	w.watch = newWatchdog(stall, func() { w.fail(errNotTaken) })
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		w.vector = true
		w.try = newTryWriter(conn)
	}
	return w
}

// send sends m. It waits only for room in the queue, unless t is given: then
// large payloads are not copied, and send returns when they are written. After
// an error part of m may have been sent; m.sent tells.
func (w *writer) send(ctx context.Context, m *message, t *lentFrame) error {
	for !m.sent || m.size > 0 {
		room := ctx
		if m.queued != nil { // others wait for it
			room = nil
		}
		if err := w.frame(room, m, min(m.size, maxSendFrame), t); err != nil {
			return err
		}
		m.sent = true
	}
	return nil
}

// frame sends the next n bytes of m.
func (w *writer) frame(ctx context.Context, m *message, n int, t *lentFrame) error {
	switch {
	case n <= copyLimit:
		return w.add(ctx, func(b *batch) {
			b.copyFrame(m, n)
			m.isQueued()
		}, false)
	case t != nil:
		t.fill(m, n)
		if err := w.add(ctx, func(b *batch) { b.lendFrame(t) }, true); err != nil {
			return err
		}
		<-t.done
		return t.err
	}
	f := w.bufs.get(headerSize + n)
	f.b = appendCopy(grow(f.b, headerSize+n), m, n)
	sealFrame(f.b)
	return w.add(ctx, func(b *batch) {
		b.ownFrame(f)
		m.isQueued()
	}, false)
}

// post sends a control frame. It never waits.
func (w *writer) post(m *message) error {
	var noWait context.Context
	return w.add(noWait, func(b *batch) { b.copyFrame(m, m.size) }, false)
}

// add calls fn with the queue, and leads if no goroutine does. With a nil ctx
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
	if w.busy || w.corked && !block && w.queued < min(corkLimit, w.max) {
		w.mu.Unlock()
		return nil
	}
	w.busy = true
	w.mu.Unlock()
	w.lead(block)
	return nil
}

// wait waits until there is room in the queue.
func (w *writer) wait() error { return w.roomFor(context.Background()) }

// roomFor is wait until ctx ends.
func (w *writer) roomFor(ctx context.Context) error {
	w.mu.Lock()
	for w.queued >= w.max && w.err == nil {
		if err := w.waitRoom(ctx); err != nil {
			return err
		}
	}
	defer w.mu.Unlock()
	return w.err
}

// waitRoom waits until something was written. It is called with mu held. It
// returns with mu held unless it returns an error.
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

// writing reports whether something is being written.
func (w *writer) writing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy
}

// full reports whether there is no room in the queue.
func (w *writer) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queued >= w.max
}
