package transport

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// readFrames reads frames until the connection ends, or another goroutine
// continues reading.
func (c *serverConn) readFrames() error {
	for {
		if !c.r.whole() {
			c.uncork()
		}
		h, err := c.r.head()
		if err != nil {
			return err
		}
		if h.kind == KindRequest {
			err = c.requestFrame(h)
		} else {
			err = c.controlFrame(*h)
		}
		if err != nil {
			return err
		}
	}
}

// controlFrame handles all frames except requests.
func (c *serverConn) controlFrame(h header) error {
	b, err := c.r.smallPayload()
	if err != nil {
		return err
	}
	switch h.kind {
	case KindCancel:
		if p := c.partial[h.stream]; p != nil {
			c.forget(p)
			return c.refuse(p, CodeCanceled, "the request was canceled before it was there")
		}
		if call := c.call(h.stream); call != nil {
			call.own.cancel()
		}
	case KindCredit:
		if call := c.call(h.stream); call != nil {
			call.grant(binary.LittleEndian.Uint32(b))
		}
	case KindPing:
		return c.w.send(context.Background(), control(KindPong, h.stream, nil), nil)
	case KindPong:
	case KindError:
		e, err := DecodeError(b)
		if err != nil {
			return err
		}
		return fmt.Errorf("the client ended the connection: %w", e)
	default:
		return protocolError("a frame of kind %v from a client", h.kind)
	}
	return nil
}

// requestFrame handles a frame of a request, and starts the call after the last
// one.
func (c *serverConn) requestFrame(h *header) error {
	call, first := c.partial[h.stream], false
	if call == nil {
		first = true
		call = &Call{conn: c, id: h.stream, method: h.method}
	} else if call.method != h.method {
		return protocolError("a request whose method changes from %d to %d", call.method, h.method)
	}
	n, more := h.size, h.more
	if first {
		n += RequestCost
		if err := c.w.wait(); err != nil { // the client does not read its replies
			return err
		}
	}
	if err := c.reserve(call, first, n); err != nil {
		return err
	}
	if first {
		c.accept(call)
	}
	if call.refused == nil {
		if err := c.claim(call, h.size, first, more); err != nil {
			c.partial[call.id] = call
			return err
		}
	}
	if err := c.requestPayload(call); err != nil {
		c.partial[call.id] = call // so that it is released with the connection
		return err
	}
	if more {
		if first {
			c.mu.Lock()
			c.unfinished++
			c.mu.Unlock()
		}
		c.partial[call.id] = call
		c.r.expectMore = true
		c.awaitRest(call)
		return nil
	}
	if !first {
		c.forget(call)
	}
	if err := call.refused; err != nil {
		code := ""
		if re := refusal(err); re != nil {
			code = re.Code
		}
		return c.refuse(call, code, err.Error())
	}
	return c.start(call)
}

// accept gives a request that has begun its turn, or refuses it.
func (c *serverConn) accept(call *Call) {
	o := &c.s.opts
	if o.Ordered != nil && o.Ordered(call.method) {
		call.turn = c.line.take()
	}
	if call.refused == nil && o.Refuse != nil {
		call.refused = o.Refuse(c.peer, call.method)
	}
}

// requestPayload reads the payload of a frame of call. That of a call that is refused is
// passed over.
func (c *serverConn) requestPayload(call *Call) error {
	if call.refused != nil {
		call.received.Add(int64(c.r.h.size))
		return c.r.skip()
	}
	if call.message == nil {
		call.message = c.s.bufs.get(c.r.h.size)
	}
	m, err := call.message, error(nil)
	if m.b, err = c.r.payload(m.b); err != nil {
		return err
	}
	if most := c.s.largest(call.method); len(m.b) > most {
		return errs.TooLarge.With(fmt.Sprintf("a request of more than %d bytes", most))
	}
	call.received.Store(int64(len(m.b)))
	if call.body == nil { // the first frame starts with the timeout
		call.timeout, call.body, err = DecodeRequest(m.b)
	}
	return err
}

var errNotBegun = errGoingAway.With("the node is shutting down; it has not begun the call")

// start hands a whole request to a handler.
func (c *serverConn) start(call *Call) error {
	call.body = call.message.b[timeoutSize:]
	call.credit = int64(c.hello.Limits.StreamCredit)
	call.own.base = c.base
	call.ctx = &call.own
	if call.timeout > 0 {
		call.ctx, call.stop = context.WithTimeout(&call.own, call.timeout)
	}
	c.calls.Add(1)
	c.mu.Lock()
	c.live[call.id] = call
	over := c.err != nil
	c.mu.Unlock()
	if over {
		call.own.cancel()
	}
	if c.runsInline(call) {
		return c.serveInline(call)
	}
	c.inline.queued.Add(1)
	c.s.workers.add(call)
	return nil
}

// stopTimers ends the wait for the rest of the request.
func (c *Call) stopTimers() {
	if c.late != nil {
		c.late.Stop()
	}
}

// forget removes call from the incomplete requests.
func (c *serverConn) forget(call *Call) {
	call.stopTimers()
	delete(c.partial, call.id)
	c.mu.Lock()
	c.unfinished--
	c.mu.Unlock()
	c.r.expectMore = len(c.partial) > 0
}

// refuse ends a call that never reached a handler.
func (c *serverConn) refuse(call *Call, code, text string) error {
	err := call.Fail(code, text, nil)
	c.settle(call)
	return err
}

// reserve waits until the connection's limits allow n more bytes for call.
// Reading stops meanwhile, which throttles the client.
func (c *serverConn) reserve(call *Call, first bool, n int) error {
	o := &c.s.opts
	c.mu.Lock()
	defer c.mu.Unlock()
	if first && (c.live[call.id] != nil) {
		return protocolError("stream %d is in use", call.id)
	}
	for c.err == nil {
		if (!first || c.requests < o.MaxInFlight) && c.heldBytes+n <= o.MaxBuffered {
			if first {
				c.requests++
				if c.goingAway {
					call.refused = errNotBegun
				}
			}
			call.heldBytes += n
			c.heldBytes += n
			return nil
		}
		if len(c.live) == 0 { // no call will end and free room
			return errs.Overloaded.With(fmt.Sprintf("%d requests were begun and not ended, and no more can be taken in", c.requests))
		}
		if c.inline.corked { // the held answers may be what the client waits for
			c.mu.Unlock()
			c.uncork()
			c.mu.Lock()
			continue
		}
		// Meanwhile nothing reads the connection, so its end would go
		// unnoticed.
		c.stuck.start()
		c.changed.Wait()
		c.stuck.stop()
	}
	return c.err
}

func (c *serverConn) call(id uint64) *Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live[id]
}

// release returns what call has reserved. mu is held.
func (c *serverConn) release(call *Call) {
	c.requests--
	c.heldBytes -= call.heldBytes
	c.s.bufs.put(call.message)
	call.message, call.body = nil, nil
	c.share -= call.share
	c.s.memory.give(c, call.taken)
	call.share, call.taken = 0, 0
	c.changed.Signal()
}

// settle is called when call has ended and its handler, if any, has returned.
func (c *serverConn) settle(call *Call) {
	call.StandAside()
	c.mu.Lock()
	delete(c.live, call.id)
	c.release(call)
	idle, away, over := c.quiet(), c.goingAway, c.readerDone
	c.mu.Unlock()
	switch {
	case idle && over:
		c.s.remove(c)
	case idle && away:
		c.closeSoon()
	}
}
