package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// ServerOptions configure a Server. The zero value is the default.
type ServerOptions struct {
	NodeID   [16]byte // sent to clients, as are the next two
	Epoch    uint64
	Software string // at most 255 bytes

	// MaxConns limits the clients. Default 1024. Further ones are refused with
	// overloaded. An eighth of the places, 16 at most, is kept for unix sockets,
	// and one address, or certificate, has three quarters at most. Another 128
	// connections may not have said hello yet; beyond that, one of those of the
	// address that has most is dropped.
	MaxConns int
	// MaxMessage is the largest request accepted, in bytes. Default 72 MiB.
	MaxMessage int
	// MaxInFlight limits the requests of a connection that are being received
	// or handled. Default 1024.
	MaxInFlight int
	// MaxBuffered bounds the bytes of these requests, with RequestCost for
	// each. Default 128 MiB; at least MaxMessage+RequestCost.
	MaxBuffered int
	// MaxMemory bounds what the requests of all connections hold together, in bytes,
	// beside 64 KiB for each connection. One of them may exceed it, by MaxBuffered, so
	// that the largest request always fits. Default 256 MiB.
	MaxMemory int
	// Largest returns the largest request of a method, if that is less than
	// MaxMessage. Default: none is less.
	Largest func(method uint16) int
	// Refuse returns why a client may not make calls of a method, nil if it may. It is
	// asked before anything of the request is kept. Default: nil.
	Refuse func(p *Peer, method uint16) error
	// MaxQueued is the number of bytes of replies and items waiting to be
	// written to a connection at which further ones wait and no request of that
	// connection is read. Default 512 KiB.
	MaxQueued int

	// HelloTimeout is how long a client may take to say hello, TLS included.
	// Default 5 s.
	HelloTimeout time.Duration
	// ReadTimeout is how long a client may be silent within a frame or a
	// request, and how long a client that exceeds its limits may wait for one
	// of its calls to end. Default 30 s.
	ReadTimeout time.Duration
	// WriteTimeout is how long a client may take to read 264 KiB of queued
	// data. Default 30 s.
	WriteTimeout time.Duration

	// Inline reports whether the handler of a call usually returns soon. If so,
	// it runs on the goroutine that reads the connection. A handler that takes
	// longer than a millisecond or two does not block reading any further, but
	// costs more than it would have on a goroutine of its own. Inline must not
	// keep the Call. Default: no call runs there.
	Inline func(*Call) bool

	// Ordered reports whether the calls of a method have turns, see Call.Turn, in the
	// order in which their requests begin. Default: none.
	Ordered func(method uint16) bool

	// Logger receives what an operator should read: clients that were refused
	// or dropped, panics of handlers. Default: nothing.
	Logger *slog.Logger
}

// config checks o and fills in defaults.
func (o ServerOptions) config() (ServerOptions, error) {
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
	def(&o.MaxConns, 1024)
	def(&o.MaxMessage, 72<<20)
	def(&o.MaxInFlight, 1024)
	def(&o.MaxBuffered, max(128<<20, o.MaxMessage+RequestCost))
	def(&o.MaxQueued, 512<<10)
	def(&o.MaxMemory, 256<<20)
	defTime(&o.HelloTimeout, 5*time.Second)
	defTime(&o.ReadTimeout, 30*time.Second)
	defTime(&o.WriteTimeout, 30*time.Second)
	bad := func(name, format string, a ...any) (ServerOptions, error) {
		return o, errs.InvalidOptions.With(name + ": " + fmt.Sprintf(format, a...))
	}
	const most = int64(1<<32 - 1)
	switch {
	case len(o.Software) > maxName:
		return bad("Software", "it has %d bytes", len(o.Software))
	case o.MaxConns < 0:
		return bad("MaxConns", "%d is negative", o.MaxConns)
	case o.MaxMessage < minMessage || int64(o.MaxMessage) > most/2:
		return bad("MaxMessage", "%d is not between 1 KiB and 2 GiB", o.MaxMessage)
	case o.MaxInFlight < 0 || o.MaxInFlight > 1<<20:
		return bad("MaxInFlight", "%d is not between 1 and %d", o.MaxInFlight, 1<<20)
	case o.MaxBuffered < o.MaxMessage+RequestCost || int64(o.MaxBuffered) > most:
		return bad("MaxBuffered", "%d is not between %d, for one request, and 4 GiB", o.MaxBuffered, o.MaxMessage+RequestCost)
	case o.MaxMemory < 0:
		return bad("MaxMemory", "%d is negative", o.MaxMemory)
	case o.MaxQueued < 0:
		return bad("MaxQueued", "%d is negative", o.MaxQueued)
	case o.HelloTimeout < 0 || o.ReadTimeout < 0 || o.WriteTimeout < 0:
		return bad("timeouts", "one is negative")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Server answers the calls of clients. It is safe for concurrent use.
type Server struct {
	opts    ServerOptions
	handler Handler
	workers workers
	bufs    buffers
	memory  memory

	inlineWatched atomic.Bool
	empty         chan struct{} // closed when no connection is left and none can come

	mu           sync.Mutex
	listeners    map[net.Listener]struct{}
	handshaking  []*serverConn            // before their hello, oldest first
	conns        map[*serverConn]struct{} // admitted, and those dropped before their hello that have not been removed
	dropped      int                      // how many of the latter
	network      int                      // clients, except those of unix sockets
	parties      map[string]int           // clients by address and certificate
	refused      refusals
	draining     bool
	drain        chan struct{}   // closed when draining begins
	emptyWaiters []chan struct{} // each is closed when no connection is left
}

// NewServer returns a server that calls h. It starts nothing.
func NewServer(h Handler, o ServerOptions) (*Server, error) {
	opts, err := o.config()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, handler: h, drain: make(chan struct{}), empty: make(chan struct{}),
		listeners: make(map[net.Listener]struct{}), conns: make(map[*serverConn]struct{}), parties: make(map[string]int)}
	s.memory.limit = int64(opts.MaxMemory)
	s.workers.run = func(c *Call) {
		c.conn.inline.queued.Add(-1)
		c.serve(s.handler)
	}
	return s, nil
}

// largest returns the largest request of a method.
func (s *Server) largest(method uint16) int {
	most := s.opts.MaxMessage
	if s.opts.Largest == nil {
		return most
	}
	if n := s.opts.Largest(method); n < most-timeoutSize {
		return n + timeoutSize
	}
	return most
}

// Draining is closed when Shutdown or Close begins. A handler that waits for
// something that may never come should then end its call.
func (s *Server) Draining() <-chan struct{} { return s.drain }

// Serve accepts connections from l until ctx ends or the server is shut down,
// and then closes l. It may be called for several listeners. The handlers'
// contexts have the values of ctx; when ctx ends, the connections from l are
// closed. The error is ErrClosed after Shutdown or Close, the cause of ctx when
// that has ended, and otherwise the error of Accept.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if err := s.listen(l); err != nil {
		return err
	}
	defer s.unlisten(l)
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for wait := time.Duration(0); ; {
		nc, err := l.Accept()
		if err == nil {
			wait = 0
			s.accept(ctx, nc)
			continue
		}
		if stop := s.stopped(ctx); stop != nil {
			return stop
		}
		// Running out of file descriptors, for example, is temporary.
		if te, ok := err.(interface{ Temporary() bool }); !ok || !te.Temporary() {
			return err
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		s.opts.Logger.Error("connections cannot be accepted", "err", err, "again after", wait)
		if err := s.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// ServeConn serves one connection until it ends, as Serve does.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	c, err := s.register(ctx, nc)
	if err != nil {
		return err
	}
	go c.run() // on a goroutine of its own, which an inline handler may end
	<-c.ended
	return c.cause()
}

func (s *Server) accept(ctx context.Context, nc net.Conn) {
	if c, err := s.register(ctx, nc); err == nil {
		go c.run() // it logs what an operator should know
	}
}

func (s *Server) listen(l net.Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		l.Close()
		return errServerClosed
	}
	s.listeners[l] = struct{}{}
	return nil
}

func (s *Server) unlisten(l net.Listener) {
	l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

var errServerClosed = errs.Closed.With("the server was shut down")

// stopped returns why Serve must end, or nil if it need not.
func (s *Server) stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return errServerClosed
	}
	return nil
}

func (s *Server) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.drain:
		return errServerClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
