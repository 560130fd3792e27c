package transport

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// Conn is a client's connection to a node, shared by the calls of several
// goroutines. It is safe for concurrent use, and must be closed.
type Conn struct {
	nc         net.Conn
	r          *FrameReader
	w          *writer
	opts       DialOptions
	welcome    Welcome
	bufs       buffers
	pending    sync.Pool // of *pending without a stream
	inFlight   atomic.Int32
	lastStream atomic.Uint64 // last stream id used
	done       chan struct{}
	away       chan struct{}
	readerDone chan struct{} // closed when the reader has returned

	mu           sync.Mutex
	alive        alive
	calls        map[uint64]*pending
	heldBytes    int64 // bytes of the requests in flight
	queue        []*pending
	lastingQueue []*pending // of calls that may last
	lasting      int        // of calls, those that may last
	goingAway    bool       // a goaway was received
	err          error
}

// pending is a call that has not ended. It stays in Conn.calls until the node
// has ended it, even if the caller has given up: until then it counts against
// the node's limits.
type pending struct {
	id         uint64
	cost       int
	stream     *Stream       // nil for a call with one reply
	ready      chan struct{} // of capacity 1: reply or err is set
	admit      chan error    // of capacity 1; nil unless it had to wait for its turn
	part       []byte        // the reply so far, if more frames follow
	reply      []byte
	err        error
	abandoned  bool // its caller has given up; guarded by Conn.mu
	ping       bool
	lasting    bool // it may last for as long as it likes: see DialOptions.Lasting
	idle       bool // nobody minds if it is not answered: see DialOptions.Idle
	midMessage bool // a message is incomplete; used by the reader only
}

func newConn(nc net.Conn, r *FrameReader, w Welcome, o DialOptions) *Conn {
	c := &Conn{nc: nc, r: r, opts: o, welcome: w, calls: make(map[uint64]*pending),
		done: make(chan struct{}), away: make(chan struct{}), readerDone: make(chan struct{})}
	c.w = newWriter(nc, o.MaxQueued, o.WriteTimeout, &c.bufs, &c.inFlight, c.fail)
	c.r.watch = newWatchdog(o.ReadTimeout, func() { c.fail(protocolError("the node fell silent within a message")) })
	c.r.heard, c.alive.every = &c.alive.heard, o.DeadAfter/(looks+1)
	go c.receive()
	return c
}

// Welcome returns what the node said about itself.
func (c *Conn) Welcome() Welcome { return c.welcome }

// Done is closed when the connection has ended. Err then says why.
func (c *Conn) Done() <-chan struct{} { return c.done }

// GoingAway is closed when the node accepts no more calls, or the connection
// has ended. Calls in flight may still be answered.
func (c *Conn) GoingAway() <-chan struct{} { return c.away }

// Err returns why the connection has ended, or nil if it has not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection and the calls in flight. It always returns nil.
func (c *Conn) Close() error {
	c.fail(errClosed)
	<-c.readerDone
	return nil
}

var errClosed = errs.Closed.With("the connection was closed")

// Call makes a call whose body is the concatenation of parts, and returns the
// reply, which the caller owns. The parts are not used after Call has returned.
// Errors:
//
//   - *RemoteError: the node answered with an error
//   - ErrDisconnected: the connection ended before the reply; with ErrNotSent,
//     before the request had been sent
//   - ErrGoingAway: the node accepts no more calls
//   - ErrTooLarge: the node does not accept a request of that size
//   - the cause of ctx: the call is canceled at the node; how much of it was
//     done is unknown
//
// While the node has as many calls in flight as it accepts, Call waits for its
// turn.
func (c *Conn) Call(ctx context.Context, method uint16, parts ...[]byte) ([]byte, error) {
	p, _ := c.pending.Get().(*pending)
	if p == nil {
		p = &pending{ready: make(chan struct{}, 1)}
	}
	if err := c.begin(ctx, p, method, parts); err != nil {
		return nil, err
	}
	return c.await(ctx, p)
}

// Placed is a request that takes its place among others when it is sent.
type Placed interface {
	// Begin is called when nothing is left to wait for, and returns the parts of the
	// body. It may hold a lock until Begun.
	Begin() ([][]byte, error)
	// Begun is called after Begin, unless that failed, when the place of the request is
	// fixed: requests that begin from then on come after it. Or it was not sent.
	Begun()
}

// CallPlaced is Call for a request that takes its place among others. Its body has at
// most size bytes. An error of Begin is returned as it is.
func (c *Conn) CallPlaced(ctx context.Context, method uint16, size int, r Placed) ([]byte, error) {
	p, _ := c.pending.Get().(*pending)
	if p == nil {
		p = &pending{ready: make(chan struct{}, 1)}
	}
	p.idle, p.lasting = false, false
	if err := c.enter(ctx, p, timeoutSize+size); err != nil {
		return nil, err
	}
	err := c.w.roomFor(ctx)
	if err != nil {
		return nil, c.unsent(ctx, p, false, err)
	}
	parts, err := r.Begin()
	if err != nil {
		c.withdraw(p)
		return nil, err
	}
	m := c.request(ctx, p, method, parts)
	m.queued = r.Begun
	err = c.w.send(ctx, &m, nil)
	m.isQueued() // if nothing of it was
	if err != nil {
		return nil, c.unsent(ctx, p, m.sent, err)
	}
	return c.await(ctx, p)
}

// await waits for the reply of a call that was sent.
func (c *Conn) await(ctx context.Context, p *pending) ([]byte, error) {
	if done := ctx.Done(); done == nil {
		<-p.ready
	} else {
		select {
		case <-p.ready:
		case <-done:
			if c.abandon(p) {
				return nil, context.Cause(ctx)
			}
			<-p.ready // the reply came at the same time
		}
	}
	if p.err != nil {
		return nil, p.err // p is not reused: the reader may be in the middle of its reply
	}
	reply := p.reply
	p.reply, p.part = nil, nil
	c.pending.Put(p)
	return reply, nil
}

// begin sends the request of p. After an error p must not be reused.
func (c *Conn) begin(ctx context.Context, p *pending, method uint16, parts [][]byte) error {
	p.idle = c.opts.Idle != nil && c.opts.Idle(method)
	p.lasting = c.opts.Lasting != nil && c.opts.Lasting(method)
	if err := c.enter(ctx, p, timeoutSize+length(parts)); err != nil {
		return err
	}
	m := c.request(ctx, p, method, parts)
	if err := c.w.send(ctx, &m, nil); err != nil {
		return c.unsent(ctx, p, m.sent, err)
	}
	return nil
}

// request is the message of a call.
func (c *Conn) request(ctx context.Context, p *pending, method uint16, parts [][]byte) message {
	return message{kind: KindRequest, method: method, stream: p.id, timeout: timeoutMillis(c.timeLeft(ctx)), size: timeoutSize + length(parts), parts: parts}
}

// enter makes p a call in flight whose request has up to n bytes.
func (c *Conn) enter(ctx context.Context, p *pending, n int) error {
	if ctx.Err() != nil {
		return &withdrawnError{context.Cause(ctx)}
	}
	if most := c.welcome.Limits.MaxMessage; uint64(n) > uint64(most) {
		return errs.TooLarge.With(fmt.Sprintf("a request of %d bytes; the node takes %d", n, most))
	}
	p.id, p.cost = c.lastStream.Add(1), n+RequestCost
	return c.admit(ctx, p)
}

// timeLeft returns the timeout that a request carries, 0 for none.
func (c *Conn) timeLeft(ctx context.Context) time.Duration {
	if c.opts.Clock == nil {
		return 0
	}
	d, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(d.Sub(c.opts.Clock()), time.Millisecond)
}

// unsent settles a call whose request was not sent in full; part says that some
// of it was.
func (c *Conn) unsent(ctx context.Context, p *pending, part bool, err error) error {
	if ctx.Err() == nil { // so the connection failed
		c.fail(err)
		return &lostError{cause: c.Err(), notSent: true}
	}
	if part {
		c.abandon(p)
		return context.Cause(ctx)
	}
	c.withdraw(p)
	return &withdrawnError{context.Cause(ctx)}
}

// withdraw ends a call of which nothing was sent.
func (c *Conn) withdraw(p *pending) {
	c.mu.Lock()
	last := c.calls[p.id] == p && c.remove(p)
	c.mu.Unlock()
	c.closeIfLast(last)
}

// withdrawnError is the cause of a context that ended before anything of the call was
// sent.
type withdrawnError struct{ cause error }

func (e *withdrawnError) Error() string        { return e.cause.Error() }
func (e *withdrawnError) Unwrap() error        { return e.cause }
func (e *withdrawnError) Is(target error) bool { return target == ErrNotSent }

// abandon gives up waiting for p and cancels it at the node. It returns false
// if p has ended already.
func (c *Conn) abandon(p *pending) bool {
	c.mu.Lock()
	ok := c.calls[p.id] == p
	p.abandoned = ok
	c.mu.Unlock()
	if ok {
		_ = c.w.post(control(KindCancel, p.id, nil)) // or the connection has ended
	}
	return ok
}

// Ping sends a ping and waits for the answer.
func (c *Conn) Ping(ctx context.Context) error {
	p := &pending{id: c.lastStream.Add(1), ping: true, ready: make(chan struct{}, 1)}
	if err := c.admit(ctx, p); err != nil {
		return err
	}
	if err := c.w.send(ctx, control(KindPing, p.id, nil), nil); err != nil {
		return c.unsent(ctx, p, false, err)
	}
	select {
	case <-p.ready:
		return p.err
	case <-ctx.Done():
		c.mu.Lock()
		p.abandoned = true
		c.mu.Unlock()
		return context.Cause(ctx)
	}
}

// closeIfLast ends the connection to a node that is going away, if the last
// call has ended.
func (c *Conn) closeIfLast(last bool) {
	if last {
		c.fail(errGoingAway.With("the node has shut down"))
	}
}

// fail ends the connection and its calls. Only the first reason is kept.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	calls, queue := make([]*pending, 0, len(c.calls)), append(c.queue, c.lastingQueue...)
	for _, p := range c.calls {
		if !p.abandoned {
			calls = append(calls, p)
		}
	}
	c.calls, c.queue, c.lastingQueue = nil, nil, nil
	first := !c.goingAway
	c.goingAway = true
	c.mu.Unlock()
	if first {
		close(c.away)
	}
	close(c.done)
	c.nc.Close()
	c.w.fail(err)
	for _, p := range queue {
		p.admit <- &lostError{cause: err, notSent: true}
	}
	for _, p := range calls {
		p.end(nil, &lostError{cause: err})
	}
}

// end hands the outcome to the waiting caller.
func (p *pending) end(reply []byte, err error) {
	if p.stream != nil {
		p.stream.end(err)
		return
	}
	p.reply, p.err = reply, err
	p.ready <- struct{}{}
}
