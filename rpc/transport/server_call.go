package transport

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// Handler answers calls. It runs on a goroutine of its own, but for what
// ServerOptions.Inline says; ctx ends when the
// client cancels the call or its deadline passes, when the connection ends, and
// when the handler returns. It must end a call with Reply, End or Fail: one that
// returns without that, or panics, fails the call.
type Handler func(ctx context.Context, c *Call)

// ItemCost is what an item counts on top of its length, in bytes, where items
// are limited by credit. It is part of the protocol.
const ItemCost = 64

// Peer is the other end of a connection, as far as it is known. There is one
// for every connection.
type Peer struct {
	Name      string   // what the client calls itself; not verified
	ClientID  [16]byte // the same; see Hello
	Addr      string   // of TCP: host and port
	Transport string   // SchemeUnix, SchemeTCP, SchemeTLS, or "other"
	// CertNames are the names in the client's verified certificate: the common
	// name, then the subject's alternative names.
	CertNames []string
	// Certificate is the client's verified certificate, nil without TLS.
	Certificate *x509.Certificate

	gone chan struct{}
}

// Gone is closed when the connection has ended.
func (p *Peer) Gone() <-chan struct{} { return p.gone }

// Call is one call that a client made. It belongs to its handler, which may use
// it from one goroutine at a time and not after it has returned.
type Call struct {
	conn      *serverConn
	own       callContext
	ctx       context.Context // own, or one with the deadline that derives from it
	stop      context.CancelFunc
	id        uint64
	method    uint16
	message   *buffer
	body      []byte
	timeout   time.Duration
	heldBytes int   // bytes that it counts at its connection
	refused   bool  // it came after a goaway
	state     state // touched by the handler's goroutine only
	lent      lentFrame

	creditMu sync.Mutex
	credit   int64         // bytes of items that the client still takes
	granted  chan struct{} // closed when there is credit again
}

type state uint8

const (
	open state = iota
	streaming
	ended
)

var (
	errTwice     = errors.New("the call has ended already")
	errStreaming = errors.New("a call with items ends with End or Fail")
)

// Method returns the method that the client named.
func (c *Call) Method() uint16 { return c.method }

// Body returns what the client sent. It is valid until the handler returns.
func (c *Call) Body() []byte { return c.body }

// Peer returns the client.
func (c *Call) Peer() *Peer { return c.conn.peer }

// Reply ends the call with a reply, which is the parts one after the other.
// Large parts are not copied: the system reads them where they are, and Reply
// returns when it has. Errors: ErrTooLarge, when the client does not take that
// much (the call has then failed with too_large), and one that matches
// ErrDisconnected.
func (c *Call) Reply(parts ...[]byte) error {
	if c.state != open {
		return c.misuse()
	}
	n := length(parts)
	if err := c.fits(n); err != nil {
		return err
	}
	c.state = ended
	return c.send(KindReply, parts, n)
}

// Item sends an item of a stream, which is the parts one after the other. It
// waits until the client has given credit for it or the handler's context ends,
// whose cause it then returns. Large parts are not copied; see Reply, also for
// other errors.
func (c *Call) Item(parts ...[]byte) error {
	if c.state == ended {
		return errTwice
	}
	n := length(parts)
	if err := c.fits(n); err != nil {
		return err
	}
	if err := c.spendCredit(n + ItemCost); err != nil {
		return err
	}
	c.state = streaming
	return c.send(KindItem, parts, n)
}

// End ends a stream. It may have no items.
func (c *Call) End() error {
	if c.state == ended {
		return errTwice
	}
	c.state = ended
	return c.send(KindEnd, nil, 0)
}

// Fail ends the call with an error, of which the client makes a *RemoteError. A
// code has 64 bytes at most and a text 4 KiB; they are cut. Details over 256 KiB
// are left out and reported as ErrTooLarge.
func (c *Call) Fail(code, text string, details []byte) error {
	if c.state == ended {
		return errTwice
	}
	c.state = ended
	err := c.send(KindError, [][]byte{AppendError(nil, &RemoteError{code, text, details})}, -1)
	if err == nil && len(details) > maxDetails {
		err = errs.TooLarge.With(fmt.Sprintf("details of %d bytes were left out", len(details)))
	}
	return err
}

func (c *Call) misuse() error {
	if c.state == streaming {
		return errStreaming
	}
	return errTwice
}

// fits fails the call if the client does not take a message of n bytes.
func (c *Call) fits(n int) error {
	most := c.conn.hello.Limits.MaxMessage
	if uint64(n) <= uint64(most) {
		return nil
	}
	err := errs.TooLarge.With(fmt.Sprintf("a message of %d bytes; the client takes %d", n, most))
	return errors.Join(err, c.Fail(CodeTooLarge, err.Error(), nil))
}

// send sends one message of the call. It waits for room, however long it takes:
// the client counts on an end of every call. A peer that does not read is
// dropped, which ends the wait.
func (c *Call) send(kind Kind, parts [][]byte, n int) error {
	if n < 0 {
		n = length(parts)
	}
	m := message{kind: kind, stream: c.id, size: n, parts: parts}
	if err := c.conn.w.send(context.Background(), &m, &c.lent); err != nil {
		return &lostError{cause: err}
	}
	return nil
}

// spend takes n from the credit. An item may take more than there is, but not
// when there is none: so an item of any size gets through, and the client can
// tell what it may have to hold.
func (c *Call) spendCredit(n int) error {
	for {
		c.creditMu.Lock()
		if c.credit > 0 {
			c.credit -= int64(n)
			c.creditMu.Unlock()
			return c.ctx.Err()
		}
		if c.granted == nil {
			c.granted = make(chan struct{})
		}
		granted := c.granted
		c.creditMu.Unlock()
		select {
		case <-granted:
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}

// grant adds to the credit.
func (c *Call) grant(n uint32) {
	const most = 1 << 60
	c.creditMu.Lock()
	defer c.creditMu.Unlock()
	c.credit = min(c.credit+int64(n), most)
	if c.credit > 0 && c.granted != nil {
		close(c.granted)
		c.granted = nil
	}
}

// serve runs the handler and makes sure that the call ends.
func (c *Call) serve(h Handler) {
	returned := false
	defer func() {
		if !returned {
			c.failPanicked(recover())
		}
		if c.state != ended {
			c.failUnanswered()
		}
		c.own.cancel()
		if c.stop != nil {
			c.stop()
		}
		c.conn.calls.Add(-1)
		c.conn.settle(c)
	}()
	h(c.ctx, c)
	returned = true
}

// broke ends the call of a handler that did not return.
func (c *Call) failPanicked(r any) {
	what := "a handler panicked"
	if r == nil {
		what = "a handler called runtime.Goexit"
	}
	c.conn.log.Error(what, "method", c.method, "panic", r, "stack", string(debug.Stack()))
	if c.state != ended {
		_ = c.Fail(CodeInternal, what, nil) // the connection may have ended
	}
}

// unanswered ends a call whose handler has not.
func (c *Call) failUnanswered() {
	code, text := CodeNoReply, "the node has not answered the call"
	switch err := c.ctx.Err(); {
	case errors.Is(err, context.DeadlineExceeded):
		code, text = CodeDeadline, "the deadline of the call has passed"
	case err != nil:
		code, text = CodeCanceled, "the call was canceled"
	default:
		c.conn.log.Warn("a handler returned without an answer", "method", c.method)
	}
	_ = c.Fail(code, text, nil) // the connection may have ended
}
