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
	NodeID   [16]byte // told to clients, as are the next two
	Epoch    uint64
	Software string // at most 255 bytes

	// MaxConns is how many clients there may be. Default 1024. Further ones are
	// refused with overloaded. 128 that have not said hello come on top; of
	// more the oldest is dropped.
	MaxConns int
	// MaxMessage is the largest request, in bytes. Default 72 MiB.
	MaxMessage int
	// MaxInFlight is how many requests of a connection may be received or
	// handled at a time. Default 1024.
	MaxInFlight int
	// MaxBuffered bounds the bytes of these requests, with RequestCost for each.
	// Default 128 MiB, at least MaxMessage and RequestCost.
	MaxBuffered int
	// MaxQueued is from how many bytes of replies and items on, that wait to be
	// written to a connection, further ones wait, and no request of it is read.
	// Default 8 MiB.
	MaxQueued int

	// HelloTimeout is how long a client may take to say hello, TLS included.
	// Default 5 s.
	HelloTimeout time.Duration
	// ReadTimeout is how long a client may be silent within a frame or a
	// request, and how long one that keeps to no limits may wait until one of
	// its calls has ended. Default 30 s.
	ReadTimeout time.Duration
	// WriteTimeout is how long a client may take to read 264 KiB of what waits
	// for it. Default 30 s.
	WriteTimeout time.Duration

	// Inline reports whether the handler of a call returns soon, as a rule. It is
	// then run by the goroutine that reads the connection. A handler that takes a
	// millisecond or two does not keep it from reading any longer, but is slower
	// than it would have been. Default: no call is run there. It must not keep
	// the Call.
	Inline func(*Call) bool

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
	def(&o.MaxQueued, 8<<20)
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

// Server answers calls of clients. It is safe for concurrent use.
type Server struct {
	opts    ServerOptions
	handler Handler
	workers workers
	bufs    buffers

	inlineWatched atomic.Bool
	empty         chan struct{} // closed when no connection is left, and none can come

	mu           sync.Mutex
	listeners    map[net.Listener]struct{}
	handshaking  []*serverConn            // that have not said hello, by age
	conns        map[*serverConn]struct{} // and strangers that were dropped and have not left
	dropped      int                      // how many of these there are
	draining     bool
	drain        chan struct{}   // closed when draining begins
	emptyWaiters []chan struct{} // closed when no connection is left
}

// NewServer returns a server that calls h. It starts nothing.
func NewServer(h Handler, o ServerOptions) (*Server, error) {
	opts, err := o.config()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, handler: h, drain: make(chan struct{}), empty: make(chan struct{}),
		listeners: make(map[net.Listener]struct{}), conns: make(map[*serverConn]struct{})}
	s.workers.run = func(c *Call) {
		c.conn.inline.queued.Add(-1)
		c.serve(s.handler)
	}
	return s, nil
}

// Draining is closed when Shutdown or Close begins. A handler that waits for
// something that may never come should end its call then.
func (s *Server) Draining() <-chan struct{} { return s.drain }

// Serve accepts connections of l until ctx ends or the server is shut down, and
// closes l. It may be called for several listeners. Values of ctx are those of
// the handlers' contexts; when it ends, the connections from l are closed. The
// error is ErrClosed after Shutdown and Close, ctx's cause when that has ended,
// and otherwise what made accepting impossible.
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
		// Too many open files, for one, is over sooner or later.
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
	go c.run() // a handler may end it, if it runs there
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

// stopped returns why Serve must end, nil if it need not.
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
