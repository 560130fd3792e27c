package transport

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// Handler answers a call. It runs on a goroutine of its own, except as
// ServerOptions.Inline says. ctx ends when the client cancels the call, when
// its deadline passes, when the connection ends, and when the handler returns.
// The handler must end the call with Reply, End or Fail: one that returns
// without that, or panics, fails the call.
type Handler func(ctx context.Context, c *Call)

// ItemCost is how many bytes of credit an item costs on top of its length. It
// is part of the protocol.
const ItemCost = 64

// Peer describes the other end of a connection, as far as it is known. There is
// one per connection.
type Peer struct {
	Name      string   // chosen by the client; not verified
	ClientID  [16]byte // also chosen by the client; see Hello
	Addr      string   // of TCP: host and port
	Transport string   // SchemeUnix, SchemeTCP, SchemeTLS, or "other"
	// CertNames are the names in the client's verified certificate: the common
	// name, then the subject's alternative names.
	CertNames []string
	// Certificate is the client's verified certificate, nil without TLS.
	Certificate *x509.Certificate

	gone chan struct{}
	conn *serverConn
}

// Gone is closed when the connection has ended.
func (p *Peer) Gone() <-chan struct{} { return p.gone }

// Call is one call that a client made. It belongs to its handler, which may use
// it from one goroutine at a time, and not after returning.
type Call struct {
	conn      *serverConn
	own       callContext
	ctx       context.Context // own, or a context derived from it that has the call's deadline
	stop      context.CancelFunc
	id        uint64
	method    uint16
	message   *buffer
	body      []byte
	timeout   time.Duration
	heldBytes int          // bytes reserved at the connection
	refused   error        // why no handler gets it
	share     int64        // of the connection's ownShare
	taken     int64        // of Server.memory
	received  atomic.Int64 // bytes so far
	turn      uint64       // among the ordered calls of the connection; 0: it is none
	late      *time.Timer  // ends the connection if the request does not go on; nil unless more frames follow the first
	state     state        // used by the handler's goroutine only
	lent      lentFrame

	creditMu sync.Mutex
	credit   int64         // bytes of items that the client still accepts
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

// Method returns the method that the client asked for.
func (c *Call) Method() uint16 { return c.method }

// Body returns what the client sent. It is valid until the handler returns.
func (c *Call) Body() []byte { return c.body }

// Peer returns the client.
func (c *Call) Peer() *Peer { return c.conn.peer }

// Reply ends the call with a reply: the concatenation of parts. Large parts are
// not copied: the system reads them in place, and Reply returns when it has.
// Errors: ErrTooLarge if the client does not accept a message of that size (the
// call has then failed with too_large), and one that matches ErrDisconnected.
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

// Item sends an item of a stream: the concatenation of parts. It waits until
// the client has given credit for it. If the handler's context ends first, Item
// returns its cause. Large parts are not copied; see Reply, also for other
// errors.
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

// End ends a stream, which may be empty.
func (c *Call) End() error {
	if c.state == ended {
		return errTwice
	}
	c.state = ended
	return c.send(KindEnd, nil, 0)
}

// Fail ends the call with an error, which reaches the client as a *RemoteError.
// A code over 64 bytes and a text over 4 KiB are cut. Details over 256 KiB are
// left out and reported as ErrTooLarge.
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

// fits fails the call if the client does not accept a message of n bytes.
func (c *Call) fits(n int) error {
	most := c.conn.hello.Limits.MaxMessage
	if uint64(n) <= uint64(most) {
		return nil
	}
	err := errs.TooLarge.With(fmt.Sprintf("a message of %d bytes; the client takes %d", n, most))
	return errors.Join(err, c.Fail(CodeTooLarge, err.Error(), nil))
}

// send sends one message of the call. It waits for room in the queue without a
// limit, because the client relies on every call ending. A peer that does not
// read is dropped, which ends the wait.
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

// spendCredit takes n from the credit, waiting while it is zero or less. An
// item may cost more than is left, so an item of any size gets through, and the
// client can still tell how much it may have to hold.
func (c *Call) spendCredit(n int) error { return c.awaitCredit(c.ctx, n) }

func (c *Call) awaitCredit(ctx context.Context, n int) error {
	for {
		c.creditMu.Lock()
		if c.credit > 0 {
			c.credit -= int64(n)
			c.creditMu.Unlock()
			return ctx.Err()
		}
		if c.granted == nil {
			c.granted = make(chan struct{})
		}
		granted := c.granted
		c.creditMu.Unlock()
		select {
		case <-granted:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Credit waits until the client has given credit for an item, so that what goes into it is
// loaded no earlier. If ctx ends first, the error is its cause.
func (c *Call) Credit(ctx context.Context) error { return c.awaitCredit(ctx, 0) }

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

// serve runs the handler and ensures that the call ends.
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

// failPanicked ends the call of a handler that panicked or called
// runtime.Goexit.
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

// failUnanswered ends a call whose handler returned without ending it.
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
