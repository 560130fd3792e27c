package rpc

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/clock"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/turns"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/worker"
	"github.com/pipeproc/pipeproc/worker/pipeline"
)

// ConnectOptions configure Connect. The zero value is the best default.
type ConnectOptions struct {
	// TLS is needed for tls://, see LoadClientTLS.
	TLS *tls.Config
	// Timeout is how long Connect, and every later attempt to connect, may take.
	// Default 1 s.
	Timeout time.Duration
	// RetryFor is how long a call waits for a lost connection to come back.
	// Default 30 s; negative: it does not wait.
	RetryFor time.Duration
	// DeadAfter is how long the node may say nothing while calls wait before the
	// connection counts as lost, and another one is made. It is pinged meanwhile.
	// Default 10 s; negative: for as long as the system takes.
	DeadAfter time.Duration
	// Name is what the client calls itself in the node's log.
	Name string
	// Workers and CloseGrace are as in pipeproc.Options, for processors that run here.
	Workers    int
	CloseGrace time.Duration
	// Logger receives what an operator should read. Default: nothing.
	Logger *slog.Logger
}

// Client is a connection to a node in another process. It is a Store like the
// node itself, and its methods mean the same. They are safe for concurrent use,
// and concurrent calls share the connection.
//
// When the connection is lost the client reconnects and repeats the calls that
// had no answer. The node remembers the answers to a client, even across a
// restart, so that a commit, a claim or an acknowledgement that was done is not
// done again. ErrOutcomeUnknown is returned when the node can no longer tell, or
// when the context ended before the answer came.
type Client struct {
	addr     transport.Addr
	o        ConnectOptions
	id       once.Client
	codecs   *segment.Codecs
	commands commands
	known    sync.Map // names of procs that were ensured
	pipes    *pipeline.Manager
	turns    turns.Turns
	batch    sync.Pool

	mu     sync.Mutex
	conn   *transport.Conn
	dial   chan struct{} // closed when the attempt under way is over
	node   [16]byte
	closed chan struct{}
	why    error // of closed, if it was not by Close
	once   sync.Once
}

// Connect connects to the node at addr: unix:///path, tcp://host:port or
// tls://host:port; [Namespace] makes an address of a namespace. It returns when the
// node has answered.
func Connect(ctx context.Context, addr string, o *ConnectOptions) (*Client, error) {
	a, err := parseAddr(addr)
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = &ConnectOptions{}
	}
	c := &Client{addr: a.Absolute(), o: *o, codecs: segment.NewCodecs(), closed: make(chan struct{})}
	c.o.Timeout, c.o.RetryFor = cmp.Or(o.Timeout, time.Second), cmp.Or(o.RetryFor, 30*time.Second)
	c.o.DeadAfter = max(cmp.Or(o.DeadAfter, 10*time.Second), 0)
	if c.o.Logger == nil {
		c.o.Logger = slog.New(slog.DiscardHandler)
	}
	if _, err := rand.Read(c.id[:]); err != nil {
		return nil, err
	}
	c.batch.New = func() any { return new(pipeproc.Batch) }
	c.pipes = pipeline.New(remoteHost{c}, pipeline.Options{Pool: worker.Options{Concurrency: o.Workers, Grace: o.CloseGrace, Logger: o.Logger}})
	conn, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	c.conn, c.node = conn, conn.Welcome().NodeID
	c.commands.use(conn)
	return c, nil
}

// maxReply is the largest answer: the largest record that a node can have, plus
// its framing.
const maxReply = 256<<20 + 32<<20

// open makes a connection.
func (c *Client) open(ctx context.Context) (*transport.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	conn, err := transport.Dial(ctx, c.addr, &transport.DialOptions{Timeout: c.o.Timeout, TLS: c.o.TLS, ClientID: c.id, Name: c.o.Name, Clock: clock.New().Now, MaxMessage: maxReply,
		DeadAfter: c.o.DeadAfter, Lasting: waits, Idle: func(method uint16) bool { return method == message.MethodSession }})
	if err != nil {
		return nil, err
	}
	// The node considers the client present for as long as this is open.
	s, err := conn.Stream(context.Background(), message.MethodSession)
	if err == nil {
		_, err = s.Next(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// Backoff between attempts to connect.
const (
	dialBackoff    = 10 * time.Millisecond
	dialMaxBackoff = time.Second
)

// get returns a connection, a new one if the last was lost. It waits for one
// until ctx ends or c.o.RetryFor has passed.
func (c *Client) get(ctx context.Context) (*transport.Conn, error) {
	var limit <-chan time.Time
	for {
		c.mu.Lock()
		if c.usable() {
			defer c.mu.Unlock()
			return c.conn, nil
		}
		select {
		case <-c.closed:
			c.mu.Unlock()
			return nil, c.errClosed()
		default:
		}
		if c.o.RetryFor < 0 {
			defer c.mu.Unlock()
			return nil, fmt.Errorf("the connection to the node was lost: %w: %w", transport.ErrDisconnected, c.conn.Err())
		}
		if c.dial == nil {
			c.dial = make(chan struct{})
			go c.redial(c.dial)
		}
		done := c.dial
		c.mu.Unlock()
		if limit == nil {
			t := time.NewTimer(c.o.RetryFor)
			defer t.Stop()
			limit = t.C
		}
		select {
		case <-done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-c.closed:
			return nil, c.errClosed()
		case <-limit:
			return nil, fmt.Errorf("the node at %s has not come back for %v: %w", c.addr, c.o.RetryFor, transport.ErrDisconnected)
		}
	}
}

// usable reports whether calls can begin on the connection. The caller holds c.mu.
func (c *Client) usable() bool {
	if c.conn == nil || c.conn.Err() != nil {
		return false
	}
	select {
	case <-c.conn.GoingAway():
		return false
	default:
		return true
	}
}

// redial connects again, however long it takes.
func (c *Client) redial(done chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-c.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	wait := dialBackoff
	for {
		conn, err := c.open(ctx)
		c.mu.Lock()
		if err == nil {
			c.conn, c.dial = conn, nil
			c.commands.use(conn)
			if c.node != conn.Welcome().NodeID {
				c.o.Logger.Warn("pipeproc: another store is served at the address now", "address", c.addr.String())
			}
			close(done)
			c.mu.Unlock()
			if ctx.Err() != nil {
				conn.Close()
			}
			return
		}
		c.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			c.mu.Lock()
			c.dial = nil
			close(done)
			c.mu.Unlock()
			return
		}
		wait = min(2*wait, dialMaxBackoff)
	}
}

func errClientClosed() error { return errs.Closed.With("the client is closed") }

// call makes a call that may be repeated. build makes the request.
func (c *Client) call(ctx context.Context, method uint16, build func() [][]byte) ([]byte, error) {
	for {
		conn, err := c.get(ctx)
		if err != nil {
			return nil, err
		}
		reply, err := conn.Call(ctx, method, build()...)
		if err == nil {
			return reply, nil
		}
		if !lost(err) || ctx.Err() != nil {
			return nil, c.failure(ctx, err)
		}
	}
}

// lost reports whether a call ended without an answer, so that it may or may
// not have been done.
func lost(err error) bool {
	return errors.Is(err, transport.ErrDisconnected) || errors.Is(err, transport.ErrGoingAway)
}

// send makes a call that changes the state, under a key, so that it is done once
// however often it is sent, and in the order of the keys. parts begin with
// message.KeyRoom.
func (c *Client) send(ctx context.Context, method uint16, parts ...[]byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	k := &command{of: &c.commands, room: parts[0], parts: parts}
	defer c.commands.done(k)
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	for {
		conn, err := c.get(ctx)
		if err == nil && conn.Welcome().NodeID != c.node && k.again {
			err = errOtherStore
		}
		if err != nil {
			return nil, unknown(k.again, err)
		}
		if err = c.commands.turn(ctx, conn, k); err != nil {
			if ctx.Err() != nil {
				return nil, unknown(k.again, err)
			}
			continue
		}
		reply, err := conn.CallPlaced(ctx, method, size, k)
		switch {
		case err == nil:
			return reply, nil
		case errors.Is(err, errStale):
		case ctx.Err() != nil:
			return nil, unknown(k.again || !errors.Is(err, transport.ErrNotSent), context.Cause(ctx))
		case !lost(err):
			return nil, c.failure(ctx, err)
		case !errors.Is(err, transport.ErrNotSent) && !errors.Is(err, transport.ErrGoingAway):
			k.again = true
		}
	}
}

// unknown returns the error for a call that may have been done, if it was sent.
func unknown(sent bool, err error) error {
	if !sent {
		return err
	}
	return errs.OutcomeUnknown.Wrap(err, "the answer of the node did not come")
}

// failure turns the node's answer back into the original error.
func (c *Client) failure(ctx context.Context, err error) error {
	if r, ok := errors.AsType[*transport.RemoteError](err); ok {
		if _, has := ctx.Deadline(); has && r.Code == "" && r.Text == context.DeadlineExceeded.Error() {
			<-ctx.Done() // the node has the same deadline and reached it first
			return context.Cause(ctx)
		}
		return message.DecodeError(r.Code, r.Text, r.Details)
	}
	return err
}

// Close ends the client. Processors that run here are told to stop first.
// Calls after it fail with ErrClosed.
func (c *Client) Close() error {
	err := c.pipes.Close()
	c.end(nil)
	return err
}

// end ends the client at once. Calls fail with why from now on, if it is not nil.
func (c *Client) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.once.Do(func() {
		c.why = why
		close(c.closed)
	})
	if c.conn != nil {
		c.conn.Close()
	}
}

// errClosed is why calls fail. c.closed is closed.
func (c *Client) errClosed() error {
	if c.why != nil {
		return c.why
	}
	return errClientClosed()
}
