package rpc

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/hook"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// ServeOptions configure Serve. The zero value is the default.
type ServeOptions struct {
	// Access says what a client may do. Nil allows everything: over a unix socket the
	// file's mode decides who can connect, over TLS the certificate, and over TCP
	// nothing does.
	Access func(*Peer) Access
	// AllowExec lists the folders and single programs that a client may name as the
	// Command of a system proc over TCP or TLS. Default: none. Over a unix socket a
	// client, which is the same user, may name anything. The Command "@self" is
	// always allowed.
	AllowExec []string
	// MaxConns is how many clients there may be. Default 1024.
	MaxConns int
	// MaxMemory bounds what the requests of all clients hold together, in bytes, and
	// once more the records for answers that they have not read. Beside that each
	// connection may have about 700 KiB, and one of them its largest requests. A
	// client that needs more waits, and is dropped after 30 s. Default 256 MiB.
	MaxMemory int
	// Linger is how long the ephemeral procs of a client stay after its last
	// connection ended, for it to come back. Default 10 s.
	Linger time.Duration
	// Logger receives what an operator should read. Default: nothing.
	Logger *slog.Logger
}

// Access is what a client may do. Each right includes those before it: AccessNone,
// the zero value, AccessRead, AccessWrite, AccessAll.
type Access = message.Access

// Rights.
const (
	AccessNone  = message.AccessNone  // only greet and ping
	AccessRead  = message.AccessRead  // read topics and inspect procs
	AccessWrite = message.AccessWrite // also commit, consume, acknowledge
	AccessAll   = message.AccessAll   // also create, delete and prune topics, define system procs, collect
)

// service answers the calls of clients.
type service struct {
	n        *pipeproc.Node
	e        *engine.Engine
	o        ServeOptions
	drain    <-chan struct{} // closed when the server shuts down
	clients  clients
	sessions sessions
	answers  answers
	calls    jsonCalls
	sync     syncObserver
	commits  sync.Pool // *commit
	claims   sync.Pool // *engine.Claimed
}

// Server serves a node to clients in other processes.
type Server struct {
	s   *service
	rpc *transport.Server
}

// NewServer returns a server of the node. It starts nothing.
func NewServer(n *pipeproc.Node, o *ServeOptions) (*Server, error) {
	if o == nil {
		o = &ServeOptions{}
	}
	s := &service{n: n, e: hook.Engine(n), o: *o}
	s.calls = s.jsonCalls()
	s.commits.New = func() any { return new(commit) }
	s.claims.New = func() any { return new(engine.Claimed) }
	s.o.Linger = cmp.Or(o.Linger, 10*time.Second)
	if s.o.Linger < 0 {
		return nil, errs.InvalidOptions.With("Linger: it is negative")
	}
	id, epoch, most := s.e.Identity()
	srv, err := transport.NewServer(s.handle, transport.ServerOptions{NodeID: id, Epoch: epoch, Software: "pipeproc", MaxConns: o.MaxConns, Inline: s.inline, Ordered: ordered,
		MaxMemory: o.MaxMemory, Largest: largest, Refuse: s.refuse,
		MaxMessage: max(72<<20, most+most/8+1<<20), Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	s.answers.init(int64(cmp.Or(o.MaxMemory, 256<<20)))
	s.clients.n, s.clients.linger = n, s.o.Linger
	s.drain = srv.Draining()
	return &Server{s, srv}, nil
}

// Serve answers clients that connect to l until ctx ends or the server is shut
// down, for which it returns nil. It closes l. It may be called for several
// listeners.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	err := s.rpc.Serve(ctx, l)
	if errors.Is(err, transport.ErrClosed) || ctx.Err() != nil {
		return nil //nolint:nilerr // a requested end is not an error
	}
	return err
}

// Shutdown ends the server gracefully: it takes no new connections or calls,
// finishes calls under way, and ends those that wait. When ctx ends it stops
// waiting.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.rpc.Shutdown(ctx)
	s.s.clients.close()
	return err
}

// Close ends the server at once: connections are closed, calls under way are
// cancelled. What they have done stays done.
func (s *Server) Close() {
	s.rpc.Close()
	s.s.clients.close()
}

// Serve serves the node at l until ctx ends, and then shuts down; see [Server]. It does
// not close the node.
func Serve(ctx context.Context, n *pipeproc.Node, l net.Listener, o *ServeOptions) error {
	s, err := NewServer(n, o)
	if err != nil {
		return err
	}
	return s.until(ctx, l)
}

// until serves l until ctx ends, and then shuts down.
func (s *Server) until(ctx context.Context, l net.Listener) error {
	err := s.Serve(ctx, l)
	stop, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	return errors.Join(err, s.Shutdown(stop))
}

// shutdownTime is how long Serve waits for calls under way.
const shutdownTime = 4 * time.Second

// handle answers one call.
func (s *service) handle(ctx context.Context, c *transport.Call) {
	var run func(context.Context, *transport.Call) error
	switch c.Method() {
	case message.MethodCommit:
		run = s.commit
	case message.MethodAck, message.MethodReclaim, message.MethodRelease:
		run = s.ofClaim
	case message.MethodClaim:
		run = s.claim
	case message.MethodRange:
		run = s.ranges
	case message.MethodGet:
		run = s.get
	case message.MethodLength:
		run = s.length
	case message.MethodSync, message.MethodWaitFor, message.MethodWaitForProcs, message.MethodWaitForWork:
		run = s.wait
	case message.MethodWatch:
		run = s.watch
	case message.MethodSession:
		run = s.session
	case message.MethodJSON:
		run = s.json // which checks the right for the call's name
	default:
		_ = c.Fail("unknown_method", "the node does not know this call; use a newer one", nil)
		return
	}
	if waits(c.Method()) {
		var stop func()
		ctx, stop = s.untilDrain(ctx)
		defer stop()
	}
	switch err := run(ctx, c); {
	case err != nil:
		fail(c, err)
	case c.Method() == message.MethodRange || c.Method() == message.MethodWatch || c.Method() == message.MethodSession:
		_ = c.End()
	}
}

// ordered reports whether the calls of a method are commands, or wait for what commands
// do: those of one client take effect in the order in which it began to send them.
func ordered(method uint16) bool {
	switch method {
	case message.MethodCommit, message.MethodAck, message.MethodReclaim, message.MethodRelease, message.MethodClaim, message.MethodJSON,
		message.MethodSync, message.MethodWaitFor, message.MethodWaitForProcs, message.MethodWaitForWork:
		return true
	}
	return false
}

// waits reports whether calls of a method may wait for something that never
// happens.
func waits(method uint16) bool {
	switch method {
	case message.MethodSession, message.MethodRange, message.MethodWatch, message.MethodWaitFor, message.MethodWaitForProcs, message.MethodWaitForWork:
		return true
	}
	return false
}

// untilDrain returns a context that also ends when the server shuts down. The
// client then repeats the call at the next node.
func (s *service) untilDrain(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.drain:
			cancel(&errs.Error{Code: transport.CodeGoingAway, Detail: "the node is shutting down"})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// needs returns the right that the calls of a method need.
func needs(method uint16) Access {
	switch method {
	case message.MethodSession, message.MethodJSON:
		return AccessNone
	case message.MethodRange, message.MethodGet, message.MethodLength, message.MethodSync,
		message.MethodWaitFor, message.MethodWaitForProcs, message.MethodWaitForWork:
		return AccessRead
	}
	return AccessWrite
}

// refuse refuses the calls of a method that a client may not make.
func (s *service) refuse(p *transport.Peer, method uint16) error { return s.allow(p, needs(method)) }

// allow refuses what the client may not do.
func (s *service) allow(p *transport.Peer, need Access) error {
	if s.o.Access == nil || need == AccessNone {
		return nil
	}
	if has := s.o.Access(p); has < need {
		return errs.Forbidden.With("this client may not do that")
	}
	return nil
}

// session runs message.MethodSession: it ends with the connection. An older connection of
// the client ends first, and what of its commands has taken its place takes effect.
func (s *service) session(ctx context.Context, c *transport.Call) error {
	if err := s.sessions.begin(ctx, c.Peer()); err != nil {
		return err
	}
	s.clients.come(c.Peer().ClientID)
	defer s.clients.leave(c.Peer().ClientID)
	if err := c.Item(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.e.Done():
		return errs.Closed.With("the node is closing")
	}
}

// inline says which calls are answered by the goroutine that reads them:
// normally those that never wait.
func (s *service) inline(c *transport.Call) bool {
	switch c.Method() {
	case message.MethodGet, message.MethodLength:
		return true
	case message.MethodAck, message.MethodReclaim, message.MethodRelease, message.MethodClaim:
		return s.sync.relaxed.Load()
	case message.MethodCommit:
		return message.Durability(c.Body()) != byte(engine.Durable) && s.sync.relaxed.Load()
	}
	return false
}

// syncObserver learns whether commits wait for a sync. If they do, they must run
// concurrently so that they share one.
type syncObserver struct {
	relaxed atomic.Bool // they do not
	commits atomic.Uint64
}

// learn checks a commit at pos that used the durability of the node's mode. If
// it is not on disk when it is answered, the mode does not require a sync.
func (h *syncObserver) learn(e *engine.Engine, pos uint64) {
	if h.relaxed.Load() {
		return
	}
	// Only some commits are checked, as that is not free, but more than one:
	// another commit's sync may come in between.
	if k := h.commits.Add(1); k&(k-1) == 0 && e.Durable() < pos {
		h.relaxed.Store(true)
	}
}
