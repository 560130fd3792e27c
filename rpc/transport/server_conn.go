package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// lingerTime is how long a connection that is ending waits for the client to
// read the reason, or to notice.
const lingerTime = time.Second

// serverConn is the server's side of a connection. One goroutine at a time
// reads; handlers run on others or on that one.
type serverConn struct {
	s       *Server
	base    context.Context
	nc      net.Conn
	r       *FrameReader
	w       *writer
	log     *slog.Logger
	peer    *Peer
	origin  string // see the function
	greeted bool   // it was welcomed; used by the reader only
	hello   Hello
	calls   atomic.Int32 // running handlers, for the writer

	admitted bool // its hello was accepted; guarded by Server.mu

	// partial holds incomplete requests, and stuck runs while no more can be
	// accepted. Both are used by the reader only.
	partial map[uint64]*Call
	line    line
	stuck   *watchdog
	taken   int64 // of Server.memory, whose mutex guards it
	inline  inlineState

	unbind func() bool   // stops following base
	ended  chan struct{} // closed when finish is done

	mu         sync.Mutex
	changed    sync.Cond // a call or the connection has ended
	live       map[uint64]*Call
	requests   int   // being received or handled
	unfinished int   // of them, those of which more frames must come
	heldBytes  int   // of these requests
	share      int64 // of ownShare
	goingAway  bool
	closeTimer *time.Timer // ends the connection if the client does not
	err        error       // why it ended
	readerDone bool        // the reader has returned
}

func newServerConn(ctx context.Context, s *Server, nc net.Conn) *serverConn {
	c := &serverConn{s: s, base: ctx, nc: nc, r: NewFrameReader(nc), partial: make(map[uint64]*Call), live: make(map[uint64]*Call), ended: make(chan struct{})}
	c.changed.L = &c.mu
	c.peer = &Peer{gone: make(chan struct{}), conn: c, Transport: "other"}
	if a := nc.RemoteAddr(); a != nil {
		c.peer.Addr = a.String()
	}
	switch nc.(type) {
	case *net.UnixConn:
		c.peer.Transport, c.peer.Addr = SchemeUnix, ""
	case *net.TCPConn:
		c.peer.Transport = SchemeTCP
	case *tls.Conn:
		c.peer.Transport = SchemeTLS
	}
	c.stuck = newWatchdog(s.opts.ReadTimeout, func() { c.fail(errStuck) })
	c.log = s.opts.Logger.With("transport", c.peer.Transport, "addr", c.peer.Addr)
	c.w = newWriter(nc, s.opts.MaxQueued, s.opts.WriteTimeout, &s.bufs, &c.calls, c.fail)
	return c
}

// run serves the connection until it ends, or another goroutine continues.
func (c *serverConn) run() {
	c.unbind = context.AfterFunc(c.base, func() { c.fail(context.Cause(c.base)) })
	timer := time.AfterFunc(c.s.opts.HelloTimeout, func() { c.fail(errLateHello) })
	err := c.greet()
	timer.Stop()
	if err == nil {
		c.greeted = true
		c.r.watch = newWatchdog(c.s.opts.ReadTimeout, func() { c.fail(errSilent) })
		c.readLoop()
		return
	}
	c.finish(err)
}

// readLoop reads until the connection ends, or another goroutine continues
// reading.
func (c *serverConn) readLoop() {
	if err := c.readFrames(); err != errHandedOver {
		c.finish(err)
	}
}

// finish ends the connection because of err.
func (c *serverConn) finish(err error) {
	c.uncork()
	c.sendReason(err)
	c.fail(err)
	c.mu.Lock()
	err = c.err
	for _, p := range c.partial {
		p.stopTimers()
		p.StandAside()
		c.release(p)
	}
	c.unfinished = 0
	c.readerDone = true
	gone := c.requests == 0
	c.mu.Unlock()
	c.logEnd(err)
	if gone {
		c.s.remove(c)
	}
	c.unbind()
	close(c.ended)
}

var (
	errLateHello = protocolError("no hello came in time")
	errSilent    = protocolError("the client fell silent within a request")
	errStuck     = errs.Overloaded.With("the client has more calls in flight than it may, and none has ended for long")
)

// sendReason tells the client why its connection ends, if the client should
// know, and waits briefly for it to read that: closing a connection that has
// unread input can lose what was sent.
func (c *serverConn) sendReason(err error) {
	c.mu.Lock()
	over := c.err != nil
	c.mu.Unlock()
	if over {
		return
	}
	timer := time.AfterFunc(lingerTime, func() { c.nc.Close() })
	defer timer.Stop()
	if _, ok := errors.AsType[*tlsError](err); ok {
		linger(c.nc.(*tls.Conn).NetConn()) // the alert was sent
		return
	}
	re := refusal(err)
	if re == nil {
		return
	}
	b := AppendError(nil, re)
	if c.w.post(control(KindError, 0, b)) != nil || c.w.drain(c.base) != nil {
		return
	}
	linger(c.nc)
}

// linger reads what the peer has sent until the peer notices that nothing more
// will come. The caller must close the connection in the end.
func linger(nc net.Conn) {
	cw, ok := nc.(interface{ CloseWrite() error })
	if !ok || cw.CloseWrite() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, nc, 1<<20)
}

// logEnd logs why the connection ended, as a warning if it was not regular.
func (c *serverConn) logEnd(err error) {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, errServerClosed), c.base.Err() != nil:
		c.log.Debug("a connection has ended", "client", c.peer.Name, "reason", err)
	default:
		if !c.greeted {
			c.s.refused.log(c.log, c.s.opts.Logger, err)
			return
		}
		c.log.Warn("a connection was ended", "client", c.peer.Name, "reason", err)
	}
}

// fail ends the connection and the contexts of its calls. Only the first reason
// is kept.
func (c *serverConn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	live := make([]*Call, 0, len(c.live))
	for _, call := range c.live {
		live = append(live, call)
	}
	c.changed.Broadcast()
	if c.closeTimer != nil {
		c.closeTimer.Stop()
	}
	c.mu.Unlock()
	c.line.close(err) // before any of its calls ends because of it
	close(c.peer.gone)
	c.nc.Close()
	c.w.fail(err)
	for _, call := range live {
		call.own.cancel()
	}
}

// goAway tells the client to make no more calls, and ends the connection after
// the calls in flight.
func (c *serverConn) goAway() {
	c.mu.Lock()
	first := !c.goingAway
	c.goingAway = true
	idle := c.quiet()
	c.mu.Unlock()
	if !first {
		return
	}
	text := []byte("the node is shutting down")
	if c.w.post(control(KindGoAway, 0, text)) == nil && idle {
		c.closeSoon()
	}
}

// quiet reports whether no call is under way. A request that is not there yet is none. mu
// is held.
func (c *serverConn) quiet() bool { return c.requests == c.unfinished }

// closeSoon gives the client a moment to end the connection itself: it may have
// sent calls before it received the goaway, and should get an answer to these.
func (c *serverConn) closeSoon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closeTimer == nil && c.err == nil {
		c.closeTimer = time.AfterFunc(lingerTime, func() { c.fail(errServerClosed) })
	}
}

func (c *serverConn) inFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// cause returns why the connection has ended.
func (c *serverConn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
