package transport

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// DialOptions configure a Conn. The zero value is the default.
type DialOptions struct {
	// Timeout limits connecting, including the wait for the welcome. Default 1
	// s.
	Timeout time.Duration
	// TLS is required for tls:// and turns tcp:// into tls://; see
	// LoadClientTLS.
	TLS *tls.Config
	// ClientID is sent to the node. Default: a random one.
	ClientID [16]byte
	// Name is for the node's logs, at most 255 bytes of UTF-8.
	Name string

	// MaxMessage is the largest reply or item accepted, in bytes. Default 72
	// MiB.
	MaxMessage int
	// StreamCredit is how many bytes of a stream's items the node may send
	// ahead of Next, counting ItemCost for each. Default 2 MiB.
	StreamCredit int
	// MaxQueued is the number of bytes waiting to be written at which further
	// calls wait before they add theirs. Default 1 MiB.
	MaxQueued int
	// ReadTimeout is how long the node may be silent within a frame or a
	// message. Default 30 s.
	ReadTimeout time.Duration
	// WriteTimeout is how long the node may take to read 264 KiB of queued
	// data. Default 30 s.
	WriteTimeout time.Duration
	// DeadAfter is how long the node may say nothing, not even answer a ping, while
	// calls wait: the connection then ends. Default: for ever.
	DeadAfter time.Duration
	// Idle reports whether calls of a method do not count for that. Default: all
	// count.
	Idle func(method uint16) bool
	// Lasting reports whether calls of a method may last for as long as they like.
	// They leave a sixteenth of the node's places to others. Default: none does.
	Lasting func(method uint16) bool
	// Clock returns the current time, from which the node is told how long a
	// call has left until its context's deadline. Without it the node learns of
	// the deadline only from the cancellation.
	Clock func() time.Time
}

// config checks o and fills in defaults.
func (o *DialOptions) config() (DialOptions, error) {
	var c DialOptions
	if o != nil {
		c = *o
	}
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	defTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	defTime(&c.Timeout, time.Second)
	def(&c.MaxMessage, 72<<20)
	def(&c.StreamCredit, 2<<20)
	def(&c.MaxQueued, 1<<20)
	defTime(&c.ReadTimeout, 30*time.Second)
	defTime(&c.WriteTimeout, 30*time.Second)
	if c.ClientID == [16]byte{} {
		_, _ = rand.Read(c.ClientID[:]) // never fails
	}
	bad := func(name, format string, a ...any) (DialOptions, error) {
		return c, errs.InvalidOptions.With(name + ": " + fmt.Sprintf(format, a...))
	}
	const most = 1<<31 - 1
	switch {
	case len(c.Name) > maxName:
		return bad("Name", "it has %d bytes", len(c.Name))
	case c.MaxMessage < minMessage || c.MaxMessage > most:
		return bad("MaxMessage", "%d is not between 1 KiB and 2 GiB", c.MaxMessage)
	case c.StreamCredit < 0 || c.StreamCredit > most:
		return bad("StreamCredit", "%d is not between 1 and 2 GiB", c.StreamCredit)
	case c.MaxQueued < 0:
		return bad("MaxQueued", "%d is negative", c.MaxQueued)
	case c.Timeout < 0 || c.ReadTimeout < 0 || c.WriteTimeout < 0:
		return bad("timeouts", "one is negative")
	}
	return c, nil
}

// Dial connects to the node at a. Errors: those of connecting, unchanged; those
// of TLS; ErrNoWelcome, which reads "connection timed-out", if a connection was
// made but no welcome arrived in time or the node closed it first; a
// *RemoteError if the node refuses the client; and the cause of ctx.
func Dial(ctx context.Context, a Addr, o *DialOptions) (*Conn, error) {
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	if err := checkDial(a, &c); err != nil {
		return nil, err
	}
	lim, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	network, address := a.network()
	nc, err := new(net.Dialer).DialContext(lim, network, address)
	if err != nil {
		if lim.Err() != nil {
			return nil, dialTimeout(ctx, a.String(), c.Timeout)
		}
		return nil, err
	}
	if c.TLS != nil {
		if nc, err = dialTLS(lim, nc, a, c.TLS); err != nil {
			if lim.Err() != nil {
				return nil, dialTimeout(ctx, a.String(), c.Timeout)
			}
			return nil, err
		}
	}
	conn, err := handshake(lim, nc, c)
	if err != nil && lim.Err() != nil {
		err = dialTimeout(ctx, a.String(), c.Timeout)
	}
	return conn, err
}

// NewConn makes a Conn of an existing connection; see Dial, also for the
// errors. It closes nc on failure.
func NewConn(ctx context.Context, nc net.Conn, o *DialOptions) (*Conn, error) {
	c, err := o.config()
	if err != nil {
		nc.Close()
		return nil, err
	}
	lim, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	conn, err := handshake(lim, nc, c)
	if err != nil && lim.Err() != nil {
		err = dialTimeout(ctx, "the node", c.Timeout)
	}
	return conn, err
}

func checkDial(a Addr, o *DialOptions) error {
	if err := a.check(); err != nil {
		return err
	}
	switch {
	case a.Scheme == SchemeUnix && o.TLS != nil:
		return errAddress.With(a.String())
	case a.Scheme == SchemeTLS && o.TLS == nil:
		return errs.InvalidOptions.With("TLS: " + a.String() + " needs it")
	case a.Private:
		err := privateDir(filepath.Dir(a.Path), false)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // connecting gives the better error
		}
		return err
	}
	return nil
}

// dialTimeout returns the error of a connection attempt that ran out of time,
// or the cause of ctx if that was canceled first.
func dialTimeout(ctx context.Context, where string, d time.Duration) error {
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return errNoWelcome.Wrap(context.DeadlineExceeded, fmt.Sprintf("no welcome from %s within %v or the context's deadline", where, d))
}

func dialTLS(ctx context.Context, nc net.Conn, a Addr, c *tls.Config) (net.Conn, error) {
	c = c.Clone()
	if c.ServerName == "" {
		c.ServerName = a.Host
	}
	t := tls.Client(nc, c)
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("TLS with %v: %w", a, err)
	}
	return t, nil
}

// handshake says hello over nc and waits for the welcome.
func handshake(ctx context.Context, nc net.Conn, o DialOptions) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	w, r, err := greetNode(nc, &o)
	if !stop() && err == nil { // ctx ended and nc was closed
		err = context.Cause(ctx)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return newConn(nc, r, w, o), nil
}

func greetNode(nc net.Conn, o *DialOptions) (Welcome, *FrameReader, error) {
	hello := Hello{MinVersion: minVersion, MaxVersion: maxVersion, ClientID: o.ClientID, Name: o.Name,
		Limits: Limits{MaxMessage: uint32(o.MaxMessage), StreamCredit: uint32(o.StreamCredit)}}
	_, writeErr := nc.Write(AppendFrame(nil, Frame{Kind: KindHello, Payload: AppendHello(nil, &hello)}))
	r := NewFrameReader(nc)
	h, err := r.head() // even if the hello could not be written: the node may have said why
	if err != nil {
		return Welcome{}, nil, noWelcome(r, err, writeErr)
	}
	switch h.kind {
	case KindWelcome:
		b, err := r.smallPayload()
		if err != nil {
			return Welcome{}, nil, err
		}
		w, err := DecodeWelcome(b)
		if err == nil && (w.Version < minVersion || w.Version > maxVersion || w.Features&^knownFeatures != 0) {
			err = protocolError("a welcome of version %d with features %#x", w.Version, w.Features)
		}
		return w, r, err
	case KindError:
		b, err := r.payload(nil)
		if err != nil {
			return Welcome{}, nil, err
		}
		e, err := DecodeError(b)
		if err != nil {
			return Welcome{}, nil, err
		}
		return Welcome{}, nil, e
	case KindGoAway:
		return Welcome{}, nil, errGoingAway.With("the node is shutting down")
	}
	return Welcome{}, nil, protocolError("a frame of kind %v in place of a welcome", h.kind)
}

// noWelcome explains why a connection ended before the welcome.
func noWelcome(r *FrameReader, err, writeErr error) error {
	if b := r.buf[r.lo:r.hi]; len(b) >= 2 && b[0] == tlsAlert && b[1] == 3 {
		return errNoWelcome.With("the node wants TLS: use tls:// and a certificate")
	}
	var alert tls.AlertError
	var op *net.OpError
	switch {
	case errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error": // the node's TLS refused us
		return errNoWelcome.Wrap(err, "the node refuses the client's certificate")
	case errors.Is(err, errProtocol):
		return errNoWelcome.Wrap(err, "this is no node")
	case writeErr != nil:
		return errNoWelcome.Wrap(writeErr, "the node ended the connection without a welcome")
	}
	return errNoWelcome.Wrap(err, "the node ended the connection without a welcome")
}
