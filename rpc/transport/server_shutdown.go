package transport

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// Shutdown ends the server gracefully: it stops accepting, tells clients to
// make no more calls, and closes each connection when its last call in flight
// has ended. When ctx ends, Shutdown closes the remaining connections and
// returns an error that wraps the cause of ctx; handlers may still run then,
// and another Shutdown waits for them.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, c := range s.stop() {
		c.goAway()
	}
	s.mu.Lock()
	if len(s.conns) == 0 && len(s.handshaking) == 0 {
		s.mu.Unlock()
		s.workers.close()
		return nil
	}
	quiet := make(chan struct{})
	s.emptyWaiters = append(s.emptyWaiters, quiet)
	s.mu.Unlock()
	select {
	case <-quiet:
		s.workers.close()
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	i := slices.Index(s.emptyWaiters, quiet)
	if i >= 0 {
		s.emptyWaiters = slices.Delete(s.emptyWaiters, i, i+1)
	}
	conns := len(s.conns)
	calls := 0
	for c := range s.conns {
		calls += c.inFlight()
	}
	s.mu.Unlock()
	s.Close()
	if i < 0 {
		return nil
	}
	return fmt.Errorf("%d calls of %d connections had not ended: %w", calls, conns, context.Cause(ctx))
}

// Close ends the server at once: it closes listeners and connections and
// cancels the contexts of all calls. It does not wait for handlers; Shutdown
// does, even after Close.
func (s *Server) Close() {
	for _, c := range s.stop() {
		c.fail(errServerClosed)
	}
	s.workers.close()
}

// stop makes the server refuse new connections, and returns the existing ones.
func (s *Server) stop() []*serverConn {
	s.mu.Lock()
	if !s.draining {
		s.draining = true
		close(s.drain)
		s.closeIfEmpty()
	}
	for l := range s.listeners {
		l.Close()
	}
	conns := make([]*serverConn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	strangers := slices.Clone(s.handshaking)
	s.mu.Unlock()
	for _, c := range strangers {
		c.fail(errServerClosed)
	}
	return conns
}

// maxHandshaking is how many connections may be waiting for their client's
// hello.
const maxHandshaking = 128

var errCrowded = errs.Overloaded.With("too many others have connected and not said hello")

// register adds a connection whose client has not said hello. If there are too
// many of these, it drops the oldest.
func (s *Server) register(ctx context.Context, nc net.Conn) (*serverConn, error) {
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		nc.Close()
		return nil, errServerClosed
	}
	c := newServerConn(ctx, s, nc)
	s.handshaking = append(s.handshaking, c)
	var oldest *serverConn
	if len(s.handshaking) > maxHandshaking {
		oldest = s.handshaking[0]
		s.handshaking = slices.Delete(s.handshaking, 0, 1)
		s.conns[oldest] = struct{}{} // until remove
		s.dropped++
	}
	s.mu.Unlock()
	if oldest != nil {
		oldest.fail(errCrowded)
	}
	return c, nil
}

// admit makes a connection that is handshaking a client's.
func (s *Server) admit(c *serverConn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.handshaking, c)
	switch {
	case i < 0: // dropped, and its connection is closed
		return errCrowded
	case s.draining:
		return errGoingAway.With("the node is shutting down")
	case len(s.conns)-s.dropped >= s.opts.MaxConns:
		return errs.Overloaded.With(fmt.Sprintf("the node has %d connections, which is its limit", s.opts.MaxConns))
	}
	s.handshaking = slices.Delete(s.handshaking, i, i+1)
	s.conns[c] = struct{}{}
	c.admitted = true
	return nil
}

// remove is called when a connection has ended and its last handler has
// returned.
func (s *Server) remove(c *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.handshaking, c); i >= 0 {
		s.handshaking = slices.Delete(s.handshaking, i, i+1)
	} else if delete(s.conns, c); !c.admitted {
		s.dropped--
	}
	if len(s.conns) == 0 && len(s.handshaking) == 0 {
		for _, q := range s.emptyWaiters {
			close(q)
		}
		s.emptyWaiters = nil
		s.closeIfEmpty()
	}
}

// closeIfEmpty closes s.empty once no connection is left and none can come. mu
// is held.
func (s *Server) closeIfEmpty() {
	if !s.draining || len(s.conns)+len(s.handshaking) > 0 {
		return
	}
	select {
	case <-s.empty:
	default:
		close(s.empty)
	}
}
