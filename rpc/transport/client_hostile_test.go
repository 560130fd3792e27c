package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// rawNode is a node that a test plays, and the client that is connected to it.
func rawNode(t testing.TB, o *DialOptions) (*rawPeer, *Conn) {
	t.Helper()
	client, node := socketPair(t)
	t.Cleanup(func() { node.Close() })
	if err := node.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	p := &rawPeer{t, node, NewFrameReader(node)}
	go func() {
		_, _ = p.r.Next()
		w := Welcome{Version: 1, Limits: Limits{MaxMessage: 1 << 20, MaxCalls: 100, MaxBytes: 1 << 22}}
		_, _ = node.Write(AppendFrame(nil, Frame{Kind: KindWelcome, Payload: AppendWelcome(nil, &w)}))
	}()
	if o == nil {
		o = &DialOptions{}
	}
	o.Timeout = patience
	c, err := NewConn(ctxFor(t), client, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return p, c
}

// What a node must not send ends the client's connection, and its calls, with
// the reason on both sides.
func TestNodeProtocolErrors(t *testing.T) {
	item := func(n int) Frame { return Frame{Kind: KindItem, Stream: 1, Payload: make([]byte, n)} }
	more := func(f Frame) Frame { f.More = true; return f }
	unary := Frame{Kind: KindReply, Stream: 2, Payload: []byte("x")}
	large := Frame{Kind: KindReply, Stream: 2, Payload: make([]byte, 600<<10)}
	failure := Frame{Kind: KindError, Payload: AppendError(nil, &RemoteError{Code: "no"})}
	on := func(stream uint64, f Frame) Frame { f.Stream = stream; return f }
	for what, frames := range map[string][]Frame{
		"a welcome":            {{Kind: KindWelcome, Payload: make([]byte, helloSize)}},
		"a request":            {request(1, 1, "")},
		"a cancel":             {{Kind: KindCancel, Stream: 1}},
		"a credit":             {{Kind: KindCredit, Stream: 1, Payload: make([]byte, 4)}},
		"no such call":         {{Kind: KindReply, Stream: 9}},
		"no such stream":       {{Kind: KindItem, Stream: 9}},
		"an end of nothing":    {{Kind: KindEnd, Stream: 9}},
		"an error of nothing":  {on(9, failure)},
		"a pong of nothing":    {{Kind: KindPong, Stream: 9}},
		"a pong of a call":     {{Kind: KindPong, Stream: 2}},
		"a reply to a ping":    {{Kind: KindReply, Stream: 3}},
		"an error to a ping":   {on(3, failure)},
		"an end to a ping":     {{Kind: KindEnd, Stream: 3}},
		"a second reply":       {unary, unary},
		"an end and an item":   {{Kind: KindEnd, Stream: 1}, item(1)},
		"beyond the credit":    {item(900), item(100), item(0)},
		"a large reply":        {more(large), more(large)},
		"a large item":         {more(item(600 << 10)), more(item(600 << 10))},
		"an end in an item":    {more(item(1)), {Kind: KindEnd, Stream: 1}},
		"an error in a reply":  {more(unary), on(2, failure)},
		"an error that is cut": {{Kind: KindError, Stream: 2, Payload: []byte{9, 0, 0, 0}}},
	} {
		p, c := rawNode(t, &DialOptions{StreamCredit: 1000, MaxMessage: 1 << 20})
		s, err := c.Stream(ctxFor(t), 1)
		if err != nil {
			t.Fatal(err)
		}
		p.recv()
		got := make(chan error, 2)
		go func() {
			_, err := c.Call(ctxFor(t), 2)
			got <- err
		}()
		p.recv()
		go func() { got <- c.Ping(ctxFor(t)) }()
		p.recv()
		go func() {
			for _, f := range frames {
				_, _ = p.nc.Write(AppendFrame(nil, f))
			}
		}()
		within(t, what, c.Done())
		if err := c.Err(); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", what, err)
		}
		for range 2 {
			if err := within(t, what, got); err != nil && !errors.Is(err, ErrDisconnected) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for err = nil; err == nil; {
			_, err = s.Next(ctxFor(t))
		}
		if !errors.Is(err, ErrDisconnected) && err != io.EOF {
			t.Errorf("%s: %v", what, err)
		}
		for {
			f, err := p.r.Next()
			if err != nil {
				t.Errorf("%s: the node was not told: %v", what, err)
				break
			}
			if f.Kind == KindError {
				if e, err := DecodeError(f.Payload); err != nil || f.Stream != 0 || e.Code != CodeProtocol {
					t.Errorf("%s: %v, %v", what, e, err)
				}
				break
			}
		}
	}
}

// The node's reason for the end of the connection reaches who waits.
func TestNodeEndsConnection(t *testing.T) {
	p, c := rawNode(t, nil)
	got := make(chan error, 1)
	go func() {
		_, err := c.Call(ctxFor(t), 1)
		got <- err
	}()
	p.recv()
	p.send(Frame{Kind: KindError, Payload: AppendError(nil, &RemoteError{Code: CodeOverloaded, Text: "too much of you"})})
	err := within(t, "the end of the call", got)
	if !errors.Is(err, ErrDisconnected) || !strings.Contains(err.Error(), "too much of you") {
		t.Error(err)
	}
}

func TestClientAnswersPing(t *testing.T) {
	p, _ := rawNode(t, nil)
	p.send(Frame{Kind: KindPing, Stream: 77}, Frame{Kind: KindPong, Stream: 5})
	if f := p.recv(); f.Kind != KindPong || f.Stream != 77 {
		t.Errorf("%+v", f)
	}
}

// Answers to calls that nobody waits for are dropped, of whatever size and kind.
func TestLateAnswers(t *testing.T) {
	p, c := rawNode(t, &DialOptions{StreamCredit: 100})
	for _, frames := range [][]Frame{
		{{Kind: KindReply, Payload: make([]byte, 500_000)}},
		{{Kind: KindReply, More: true, Payload: make([]byte, 100)}, {Kind: KindReply, Payload: make([]byte, 100)}},
		{{Kind: KindItem, Payload: make([]byte, 1000)}, {Kind: KindItem, Payload: make([]byte, 1000)}, {Kind: KindEnd}},
		{{Kind: KindError, Payload: AppendError(nil, &RemoteError{Code: CodeCanceled})}},
	} {
		for _, stream := range []bool{false, true} {
			ctx, cancel := context.WithCancel(ctxFor(t))
			ended := make(chan error, 1)
			go func() {
				var err error
				if stream {
					var s *Stream
					if s, err = c.Stream(ctx, 1); err == nil {
						_, err = s.Next(ctxFor(t))
					}
				} else {
					_, err = c.Call(ctx, 1)
				}
				ended <- err
			}()
			id := p.recv().Stream
			cancel()
			if err := within(t, "the call", ended); err != context.Canceled {
				t.Error(err)
			}
			if f := p.recv(); f.Kind != KindCancel || f.Stream != id {
				t.Errorf("%v on stream %d", f.Kind, f.Stream)
			}
			for _, f := range frames {
				f.Stream = id
				p.send(f)
			}
			eventually(t, "the end of the call", func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return len(c.calls) == 0
			})
		}
	}
	if err := c.Err(); err != nil {
		t.Error(err)
	}
}

// A call that was answered in the wrong way keeps its place until the node ends
// it, and does not hold up the end of the connection.
func TestMismatchThenEnd(t *testing.T) {
	p, c := rawNode(t, nil)
	got := make(chan error, 1)
	go func() {
		_, err := c.Call(ctxFor(t), 1)
		got <- err
	}()
	id := p.recv().Stream
	p.send(Frame{Kind: KindItem, Stream: id})
	if err := within(t, "the call", got); err == nil || errors.Is(err, ErrDisconnected) {
		t.Error(err)
	}
	if f := p.recv(); f.Kind != KindCancel || f.Stream != id {
		t.Errorf("%v on stream %d", f.Kind, f.Stream)
	}
	go func() {
		_, err := c.Call(ctxFor(t), 1)
		got <- err
	}()
	p.recv()
	p.nc.Close()
	if err := within(t, "the other call", got); !errors.Is(err, ErrDisconnected) {
		t.Error(err)
	}
	within(t, "the end", c.Done())
}

// A node that falls silent within a message is given up.
func TestNodeSilent(t *testing.T) {
	for _, b := range [][]byte{
		AppendFrame(nil, Frame{Kind: KindPing, Stream: 1})[:20],
		AppendFrame(nil, Frame{Kind: KindReply, More: true, Stream: 1, Payload: []byte("x")}),
	} {
		p, c := rawNode(t, &DialOptions{ReadTimeout: 20 * time.Millisecond})
		go c.Call(context.Background(), 1)
		p.recv()
		if _, err := p.nc.Write(b); err != nil {
			t.Fatal(err)
		}
		within(t, "the end", c.Done())
		if err := c.Err(); !strings.Contains(err.Error(), "fell silent") {
			t.Error(err)
		}
	}
}

// TestChaos mixes everything: calls and streams of all sizes that are canceled
// at random, on connections that come and go. In the end nothing is left, on
// either side.
func TestChaos(t *testing.T) {
	f := newFixture()
	f.ended = make(chan error, 1<<20)
	f.started = make(chan *Call, 1<<20)
	s, a := start(t, f.handle, ServerOptions{MaxInFlight: 20, MaxMessage: 1 << 20, MaxBuffered: 1<<20 + 20*RequestCost, MaxQueued: 100_000})
	kept := dial(t, a, &DialOptions{StreamCredit: 5000})
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(g, 5))
			c := kept
			for range 60 {
				if g%2 == 1 && (c == kept || rng.IntN(10) == 0) {
					if c != kept {
						c.Close()
					}
					var err error
					if c, err = Dial(ctxFor(t), a, &DialOptions{Timeout: patience, StreamCredit: 1 + rng.IntN(10_000)}); err != nil {
						t.Error(err)
						return
					}
				}
				chaoticCall(t, c, rng)
			}
			if c != kept {
				c.Close()
			}
		})
	}
	wg.Wait()
	healthy(t, kept)
	eventually(t, "that nothing is in flight", func() bool {
		kept.mu.Lock()
		defer kept.mu.Unlock()
		return len(kept.calls) == 0 && kept.heldBytes == 0 && len(kept.queue) == 0
	})
	kept.Close()
	eventually(t, "that no connection is left", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.conns) == 0 && len(s.handshaking) == 0 && s.dropped == 0
	})
}

func chaoticCall(t *testing.T, c *Conn, rng *rand.Rand) {
	ctx, cancel := context.WithCancel(ctxFor(t))
	defer cancel()
	if rng.IntN(2) == 0 {
		timer := time.AfterFunc(time.Duration(rng.IntN(2000))*time.Microsecond, cancel)
		defer timer.Stop()
	}
	size := rng.IntN(1000)
	if rng.IntN(6) == 0 {
		size = rng.IntN(900_000)
	}
	var err error
	switch rng.IntN(4) {
	case 0, 1:
		var b []byte
		if b, err = c.Call(ctx, mEcho, make([]byte, size)); err == nil && len(b) != size {
			t.Errorf("%d bytes in place of %d", len(b), size)
		}
	case 2:
		bctx, stop := context.WithTimeout(ctx, time.Millisecond)
		_, err = c.Call(bctx, mBlock, make([]byte, size))
		stop()
	case 3:
		var s *Stream
		n := rng.IntN(50)
		if s, err = c.Stream(ctx, mStream, streamBody(uint32(n), uint32(size/10+4))); err != nil {
			break
		}
		for i := rng.IntN(60); i >= 0 && err == nil; i-- {
			var b []byte
			if b, err = s.Next(ctx); err == nil && len(b) != size/10+4 {
				t.Errorf("%d bytes in place of %d", len(b), binary.LittleEndian.Uint32(b))
			}
		}
		s.Close()
	}
	if err != nil && err != io.EOF && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
