package transport

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// maxHandshaking is how many connections may be waiting for their client's
// hello, and how many of unix sockets beside these.
const maxHandshaking = 128

var errCrowded = errs.Overloaded.With("too many others have connected and not said hello")

// register adds a connection whose client has not said hello. If there are too
// many of these, it drops one.
func (s *Server) register(ctx context.Context, nc net.Conn) (*serverConn, error) {
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		nc.Close()
		return nil, errServerClosed
	}
	c := newServerConn(ctx, s, nc)
	c.origin = origin(nc)
	s.handshaking = append(s.handshaking, c)
	drop := s.expelled(c.unix())
	if drop != nil {
		i := slices.Index(s.handshaking, drop)
		s.handshaking = slices.Delete(s.handshaking, i, i+1)
		s.conns[drop] = struct{}{} // until remove
		s.dropped++
	}
	s.mu.Unlock()
	if drop != nil {
		drop.fail(errCrowded)
	}
	return c, nil
}

// admit makes a connection that is handshaking a client's.
func (s *Server) admit(c *serverConn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.handshaking, c)
	most := s.opts.MaxConns
	switch {
	case i < 0: // dropped, and its connection is closed
		return errCrowded
	case s.draining:
		return errGoingAway.With("the node is shutting down")
	case len(s.conns)-s.dropped >= most, !c.unix() && s.network >= most-unixPlaces(most):
		return errs.Overloaded.With(fmt.Sprintf("the node has %d connections, which is its limit", len(s.conns)-s.dropped))
	}
	for _, who := range c.parties() {
		if s.parties[who] >= (3*most+3)/4 {
			return errs.Overloaded.With(fmt.Sprintf("there are %d connections of %s, which is the limit for one", s.parties[who], who))
		}
	}
	s.handshaking = slices.Delete(s.handshaking, i, i+1)
	s.conns[c] = struct{}{}
	s.count(c, 1)
	c.admitted = true
	return nil
}

// count counts a client that has come or gone. mu is held.
func (s *Server) count(c *serverConn, by int) {
	if !c.unix() {
		s.network += by
	}
	for _, who := range c.parties() {
		if s.parties[who] += by; s.parties[who] == 0 {
			delete(s.parties, who)
		}
	}
}

// parties are those who may have three quarters of the places at most: the address, and
// the holder of the certificate.
func (c *serverConn) parties() (list []string) {
	if c.origin != "" {
		list = append(list, c.origin)
	}
	if len(c.peer.CertNames) > 0 {
		list = append(list, "the certificate of "+strings.Join(c.peer.CertNames, ", "))
	}
	return list
}

// unixPlaces returns how many of the places for clients are kept for unix sockets, so
// that the operator of a node gets in whoever comes over the network.
func unixPlaces(maxConns int) int { return min(16, maxConns/8) }

// origin is where a connection comes from, for counting: the address, of IPv6 the /64
// network, as that is what one host has; "" of unix sockets and what is none.
func origin(nc net.Conn) string {
	a, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	ip, ok := netip.AddrFromSlice(a.IP)
	if !ok {
		return ""
	}
	if ip = ip.Unmap(); ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

// expelled picks whom of the strangers to drop if there are too many: of those of unix
// sockets the oldest, of the others any of those whose origin has most. So whoever comes
// from elsewhere finishes the handshake, and if there are as many origins as places each
// has the same chance. mu is held.
func (s *Server) expelled(unix bool) *serverConn {
	var list []*serverConn
	counts, most := make(map[string]int), 0
	for _, c := range s.handshaking {
		if c.unix() == unix {
			list = append(list, c)
			counts[c.origin]++
			most = max(most, counts[c.origin])
		}
	}
	if len(list) <= maxHandshaking {
		return nil
	}
	if unix {
		return list[0]
	}
	list = slices.DeleteFunc(list, func(c *serverConn) bool { return counts[c.origin] < most })
	return list[rand.IntN(len(list))]
}

// unix reports whether the connection came over a unix socket.
func (c *serverConn) unix() bool { return c.peer.Transport == SchemeUnix }

// refusals logs that strangers were turned away: up to refusalLines in refusalEvery, and
// then how many more there were.
type refusals struct {
	mu    sync.Mutex
	lines int // since the first, which was less than refusalEvery ago
	more  int
}

const (
	refusalLines = 20
	refusalEvery = 10 * time.Second
)

func (r *refusals) log(l, node *slog.Logger, reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lines == refusalLines {
		r.more++
		return
	}
	if r.lines++; r.lines == 1 {
		time.AfterFunc(refusalEvery, func() { r.sum(node) })
	}
	l.Warn("a connection was ended", "reason", reason)
}

// sum logs how many were not logged.
func (r *refusals) sum(node *slog.Logger) {
	r.mu.Lock()
	more := r.more
	r.lines, r.more = 0, 0
	r.mu.Unlock()
	if more > 0 {
		node.Warn("more connections were ended before their clients had said hello", "count", more)
	}
}
