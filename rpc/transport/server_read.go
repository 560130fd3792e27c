package transport

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

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
	if first && c.s.opts.Ordered != nil && c.s.opts.Ordered(h.method) {
		call.turn = c.line.take()
	}
	if err := c.requestPayload(call); err != nil {
		c.partial[call.id] = call // so that it is released with the connection
		return err
	}
	if more {
		c.partial[call.id] = call
		c.r.expectMore = true
		c.awaitRest(call)
		return nil
	}
	if !first {
		c.forget(call)
	}
	if call.refused {
		return c.refuse(call, CodeGoingAway, "the node is shutting down; it has not begun the call")
	}
	return c.start(call)
}

// requestPayload reads the payload of a frame of call.
func (c *serverConn) requestPayload(call *Call) error {
	if call.message == nil {
		call.message = c.s.bufs.get(c.r.h.size)
	}
	m, err := call.message, error(nil)
	if m.b, err = c.r.payload(m.b); err != nil {
		return err
	}
	if most := c.s.opts.MaxMessage; len(m.b) > most {
		return errs.TooLarge.With(fmt.Sprintf("a request of more than %d bytes", most))
	}
	if call.refused {
		m.b = m.b[:0]
		return nil
	}
	if call.body == nil { // the first frame starts with the timeout
		call.timeout, call.body, err = DecodeRequest(m.b)
	}
	return err
}

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

// awaitRest ends the connection if the next frame of a request does not come in time,
// whatever else comes: later calls may have to wait for it.
func (c *serverConn) awaitRest(call *Call) {
	silence := c.s.opts.ReadTimeout
	if call.late != nil {
		call.late.Reset(silence)
		return
	}
	call.late = time.AfterFunc(silence, func() { c.fail(errSilent) })
	call.slow = time.AfterFunc(maxRequestTimes*silence, func() { c.fail(errSlow) })
}

// maxRequestTimes is how many times ReadTimeout a request may take to arrive: with the
// default, 72 MiB have ten minutes.
const maxRequestTimes = 20

// stopTimers ends the wait for the rest of the request.
func (c *Call) stopTimers() {
	if c.late != nil {
		c.late.Stop()
		c.slow.Stop()
	}
}

// forget removes call from the incomplete requests.
func (c *serverConn) forget(call *Call) {
	call.stopTimers()
	delete(c.partial, call.id)
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
				call.refused = c.goingAway
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
	c.changed.Signal()
}

// settle is called when call has ended and its handler, if any, has returned.
func (c *serverConn) settle(call *Call) {
	call.StandAside()
	c.mu.Lock()
	delete(c.live, call.id)
	c.release(call)
	idle, away, over := c.requests == 0, c.goingAway, c.readerDone
	c.mu.Unlock()
	switch {
	case idle && over:
		c.s.remove(c)
	case idle && away:
		c.closeSoon()
	}
}
