package rpc

import (
	"context"
	"sync"

	"github.com/pipeproc/pipeproc/rpc/transport"
)

// sessions knows the connection on which each client has its session. A client that
// connects again sends the commands that had no answer again. Those of its older
// connection must be over by then: else one of them could overtake.
type sessions struct {
	mu   sync.Mutex
	open map[[16]byte]*transport.Peer
}

// begin makes p the connection of its client. It fences the one that the client had.
func (s *sessions) begin(ctx context.Context, p *transport.Peer) error {
	for {
		s.mu.Lock()
		old := s.open[p.ClientID]
		if old == nil || old == p {
			if s.open == nil {
				s.open = make(map[[16]byte]*transport.Peer)
			}
			s.open[p.ClientID] = p
			s.mu.Unlock()
			if old == nil {
				go s.end(p)
			}
			return nil
		}
		s.mu.Unlock()
		if err := old.Fence(ctx); err != nil {
			return err
		}
		s.forget(old)
	}
}

// end forgets p once its connection and its commands have ended.
func (s *sessions) end(p *transport.Peer) {
	<-p.Gone()
	_ = p.Settled(context.Background())
	s.forget(p)
}

func (s *sessions) forget(p *transport.Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[p.ClientID] == p {
		delete(s.open, p.ClientID)
	}
}
