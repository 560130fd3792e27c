package transport

import (
	"context"
	"fmt"
	"slices"
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

// remove is called when a connection has ended and its last handler has
// returned.
func (s *Server) remove(c *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.handshaking, c); i >= 0 {
		s.handshaking = slices.Delete(s.handshaking, i, i+1)
	} else if delete(s.conns, c); !c.admitted {
		s.dropped--
	} else {
		s.count(c, -1)
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
