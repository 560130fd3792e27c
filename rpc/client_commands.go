package rpc

import (
	"context"
	"errors"
	"sync"

	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// commands numbers the commands of a client in the order in which they are sent, and
// knows those without an answer. On each connection these are sent first, in the order of
// their numbers: the node has commands take effect in the order in which it gets them.
type commands struct {
	mu   sync.Mutex
	conn *transport.Conn // the latest
	last uint64          // the newest number

	first, newest *command      // those without an answer, oldest first
	unsent        *command      // the first of them that has not begun on conn; nil if all have
	moved         chan struct{} // closed when unsent changes; nil if nobody waits
}

// command is one command. It has a number from when it is first sent.
type command struct {
	of         *commands
	conn       *transport.Conn // on which it may be sent
	seq        uint64
	again      bool // it may have been sent before
	prev, next *command
	room       []byte // begins with room for the key
	parts      [][]byte
}

// errStale means that there is a newer connection.
var errStale = errors.New("another connection was made meanwhile")

// use makes conn the connection to send on.
func (s *commands) use(conn *transport.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = conn
	s.move(s.first)
}

// move sets unsent. The caller holds s.mu.
func (s *commands) move(to *command) {
	s.unsent = to
	if s.moved != nil {
		close(s.moved)
		s.moved = nil
	}
}

// turn waits until k may be sent on conn.
func (s *commands) turn(ctx context.Context, conn *transport.Conn, k *command) error {
	for {
		s.mu.Lock()
		if s.conn != conn {
			s.mu.Unlock()
			return errStale
		}
		if s.may(k) {
			s.mu.Unlock()
			k.conn = conn
			return nil
		}
		if s.moved == nil {
			s.moved = make(chan struct{})
		}
		moved := s.moved
		s.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// may reports whether it is the turn of k. The caller holds s.mu.
func (s *commands) may(k *command) bool {
	if k.seq == 0 {
		return s.unsent == nil
	}
	return s.unsent == k
}

// Begin gives k its place, and a number if it has none. It holds the place until Begun.
func (k *command) Begin() ([][]byte, error) {
	s := k.of
	s.mu.Lock()
	if s.conn != k.conn || !s.may(k) {
		s.mu.Unlock()
		return nil, errStale
	}
	if k.seq != 0 {
		s.move(k.next)
	} else {
		s.last++
		k.seq, k.prev = s.last, s.newest
		if s.newest != nil {
			s.newest.next = k
		} else {
			s.first = k
		}
		s.newest = k
	}
	k.parts[0] = message.PutKey(k.room, once.Key{Seq: k.seq, Floor: s.first.seq, Again: k.again})
	return k.parts, nil
}

// Begun lets the next command begin.
func (k *command) Begun() { k.of.mu.Unlock() }

// done forgets k, which has its answer, or nobody waits for that any more.
func (s *commands) done(k *command) {
	if k.seq == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsent == k {
		s.move(k.next)
	}
	if k.prev != nil {
		k.prev.next = k.next
	} else {
		s.first = k.next
	}
	if k.next != nil {
		k.next.prev = k.prev
	} else {
		s.newest = k.prev
	}
	k.prev, k.next = nil, nil
}
