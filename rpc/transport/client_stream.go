package transport

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
)

// Stream is a call that is answered with items. It may be used by one goroutine
// at a time, except that Close may be called from any.
type Stream struct {
	c    *Conn
	p    *pending
	stop func() bool // stops following the context
	wake chan struct{}
	part *buffer // an incomplete item; used by the reader only
	lent *buffer // the item that Next returned

	mu        sync.Mutex
	items     fifo[*buffer]
	err       error // how it ended; io.EOF for success
	closed    bool  // further items are discarded
	credit    int64 // what the node may still send, in bytes
	ungranted int   // bytes consumed for which the node has not been granted credit
}

// Stream makes a call that is answered with items; see Call, also for the
// errors, which Next returns as well. When ctx ends, the stream ends and the
// call is canceled at the node. A stream counts as a call in flight until it
// has ended. It must be read to its end or closed.
func (c *Conn) Stream(ctx context.Context, method uint16, parts ...[]byte) (*Stream, error) {
	s := &Stream{c: c, wake: make(chan struct{}, 1), credit: int64(c.opts.StreamCredit)}
	s.p = &pending{stream: s}
	if err := c.begin(ctx, s.p, method, parts); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { s.abort(context.Cause(ctx)) })
	s.mu.Lock()
	s.stop = stop
	ended := s.err != nil
	s.mu.Unlock()
	if ended {
		stop()
	}
	return s, nil
}

// Next returns the next item, which is valid until the next call of Next or
// Close. The error is io.EOF after the last one. When ctx ends, Next returns
// its cause, and the stream continues.
func (s *Stream) Next(ctx context.Context) ([]byte, error) {
	for {
		b, err := s.pop()
		if b != nil {
			return b.b, nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// pop takes the next item. When half of the credit is used, it grants the node
// credit for the consumed items.
func (s *Stream) pop() (*buffer, error) {
	s.mu.Lock()
	s.c.bufs.put(s.lent)
	s.lent = nil
	if s.items.len() == 0 {
		defer s.mu.Unlock()
		return nil, s.err
	}
	b := s.items.pop()
	s.lent = b
	s.ungranted += len(b.b) + ItemCost
	grant := 0
	if s.err == nil && s.ungranted >= s.c.opts.StreamCredit/2 {
		grant, s.ungranted = s.ungranted, 0
		s.credit += int64(grant)
	}
	s.mu.Unlock()
	if grant > 0 {
		p := binary.LittleEndian.AppendUint32(nil, uint32(grant))
		_ = s.c.w.post(control(KindCredit, s.p.id, p)) // or the connection has ended
	}
	return b, nil
}

// Close ends the stream. If the node has not ended it, the call is canceled. It
// always returns nil.
func (s *Stream) Close() error {
	s.abort(errStreamClosed)
	return nil
}

var errStreamClosed = errClosed.With("the stream was closed")

// abort ends the stream from this side.
func (s *Stream) abort(err error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	over := s.err != nil
	if !over || s.items.len() > 0 {
		s.err = err // io.EOF would say that all items were read
	}
	for s.items.len() > 0 {
		s.c.bufs.put(s.items.pop())
	}
	stop := s.stop
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	if !over {
		s.c.abandon(s.p)
		s.signal()
	}
}

// end is called when the node has ended the stream, or the connection has
// ended.
func (s *Stream) end(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	stop := s.stop
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	s.signal()
}

func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// itemFrame reads a frame of an item.
func (s *Stream) itemFrame(first, more bool) error {
	if first {
		s.mu.Lock()
		credit := s.credit
		s.mu.Unlock()
		if credit <= 0 {
			return protocolError("an item on stream %d without credit for it", s.p.id)
		}
		s.part = s.c.bufs.get(s.c.r.h.size)
	}
	var err error
	if s.part.b, err = s.c.r.payload(s.part.b); err != nil {
		return err
	}
	if err := s.c.tooLarge(len(s.part.b)); err != nil || more {
		return err
	}
	b := s.part
	s.part = nil
	s.mu.Lock()
	s.credit -= int64(len(b.b)) + ItemCost
	if s.closed {
		s.c.bufs.put(b)
	} else {
		s.items.push(b)
	}
	s.mu.Unlock()
	s.signal()
	return nil
}

var _ io.Closer = (*Stream)(nil)
