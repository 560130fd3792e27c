package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// receive reads what the node sends until the connection ends. It never waits
// for anything else: its answers are queued.
func (c *Conn) receive() {
	defer close(c.readerDone)
	err := c.readFrames()
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("the node closed the connection")
	case errors.Is(err, errProtocol):
		c.sendProtocolError(err)
	}
	c.fail(err)
}

// sendProtocolError tells the node, if it reads, that it has broken the
// protocol.
func (c *Conn) sendProtocolError(err error) {
	b := AppendError(nil, &RemoteError{Code: CodeProtocol, Text: err.Error()})
	ctx, cancel := context.WithTimeout(context.Background(), lingerTime)
	defer cancel()
	if c.w.post(control(KindError, 0, b)) == nil {
		_ = c.w.drain(ctx)
	}
}

func (c *Conn) readFrames() error {
	var amid int // incomplete messages
	for {
		h, err := c.r.head()
		if err != nil {
			return err
		}
		switch h.kind {
		case KindReply, KindItem:
			err = c.messageFrame(h, &amid)
			c.r.expectMore = amid > 0
		case KindError:
			err = c.errorFrame(h.stream)
		default:
			err = c.controlFrame(*h)
		}
		if err != nil {
			return err
		}
	}
}

// find returns the call of a stream.
func (c *Conn) find(id uint64) (p *pending, left bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p = c.calls[id]; p == nil {
		if c.err != nil {
			return nil, false, c.err
		}
		return nil, false, protocolError("an answer on stream %d, which has no call", id)
	}
	return p, p.abandoned, nil
}

// finish ends p with what the node answered.
func (c *Conn) finish(p *pending, reply []byte, err error) {
	c.mu.Lock()
	ok := c.calls[p.id] == p
	left := p.abandoned
	last := ok && c.remove(p)
	c.mu.Unlock()
	if ok && !left {
		p.end(reply, err)
	}
	c.closeIfLast(last)
}

// messageFrame handles a frame of a reply or an item.
func (c *Conn) messageFrame(h *header, amid *int) error {
	p, left, err := c.find(h.stream)
	if err != nil {
		return err
	}
	kind, more := h.kind, h.more
	first := !p.midMessage
	if more && first {
		*amid++
	}
	if !more && !first {
		*amid--
	}
	p.midMessage = more
	switch {
	case p.ping:
		return protocolError("a %v to a ping", kind)
	case left:
		err = c.skip()
	case kind == KindReply && p.stream == nil:
		if p.part, err = c.r.payload(p.part); err == nil {
			err = c.tooLarge(len(p.part))
		}
	case kind == KindItem && p.stream != nil:
		err = p.stream.itemFrame(first, more)
	default:
		if err = c.skip(); err == nil {
			p = c.mismatch(p, kind)
		}
	}
	if err == nil && kind == KindReply && !more {
		c.finish(p, p.part, nil)
	}
	return err
}

func (c *Conn) tooLarge(n int) error {
	if n > c.opts.MaxMessage {
		return protocolError("a message of more than %d bytes", c.opts.MaxMessage)
	}
	return nil
}

// skip reads a payload and discards it.
func (c *Conn) skip() (err error) {
	c.r.scratch, err = c.r.payload(c.r.scratch[:0])
	return err
}

// mismatch ends a call that got the wrong kind of answer. It returns a
// placeholder that stands for the call until the node has ended it, because p
// itself may be reused for another call.
func (c *Conn) mismatch(p *pending, kind Kind) *pending {
	place := &pending{id: p.id, cost: p.cost, abandoned: true, midMessage: p.midMessage}
	c.mu.Lock()
	ok := c.calls[p.id] == p && !p.abandoned
	if ok {
		c.calls[p.id] = place
	}
	c.mu.Unlock()
	if !ok {
		return p
	}
	if kind == KindItem {
		_ = c.w.post(control(KindCancel, p.id, nil)) // or the connection has ended
	}
	p.end(nil, fmt.Errorf("the node answered with a frame of kind %v: the method is to be called otherwise", kind))
	return place
}

// errorFrame handles an error, of a call or of the connection.
func (c *Conn) errorFrame(stream uint64) error {
	b, err := c.r.payload(nil)
	if err != nil {
		return err
	}
	e, err := DecodeError(b)
	if err != nil {
		return err
	}
	if stream == 0 {
		return e
	}
	p, _, err := c.find(stream)
	if err != nil {
		return err
	}
	if p.midMessage || p.ping {
		return protocolError("an error in the middle of stream %d", stream)
	}
	c.finish(p, nil, e)
	return nil
}

// controlFrame handles the other kinds of frames.
func (c *Conn) controlFrame(h header) error {
	if _, err := c.r.smallPayload(); err != nil {
		return err
	}
	switch h.kind {
	case KindEnd:
		p, left, err := c.find(h.stream)
		switch {
		case err != nil:
			return err
		case p.midMessage || p.ping:
			return protocolError("an end in the middle of stream %d", h.stream)
		case p.stream == nil && !left:
			c.finish(p, nil, errors.New("the node answered with an end: the method is to be called otherwise"))
		default:
			c.finish(p, nil, io.EOF)
		}
	case KindGoAway:
		c.goAwayFrame()
	case KindPing:
		if !c.w.full() { // a node that does not read does not expect an answer
			_ = c.w.post(control(KindPong, h.stream, nil)) // or the connection has ended
		}
	case KindPong:
		p, _, err := c.find(h.stream)
		if err != nil {
			return err
		}
		if !p.ping {
			return protocolError("a pong on stream %d, which is no ping's", h.stream)
		}
		c.finish(p, nil, nil)
	default:
		return protocolError("a frame of kind %v from a node", h.kind)
	}
	return nil
}

// goAwayFrame stops making calls, and ends the connection after the last one.
func (c *Conn) goAwayFrame() {
	c.mu.Lock()
	first := !c.goingAway
	c.goingAway = true
	queue := append(c.queue, c.lastingQueue...)
	c.queue, c.lastingQueue = nil, nil
	last := len(c.calls) == 0
	c.mu.Unlock()
	if first {
		close(c.away)
	}
	for _, p := range queue {
		p.admit <- errGoingAway.With("the node is shutting down")
	}
	c.closeIfLast(last)
}
