package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
)

func openStream(t testing.TB, c *Conn, n, size uint32) *Stream {
	t.Helper()
	s, err := c.Stream(ctxFor(t), mStream, streamBody(n, size))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// drain reads a stream of mStream to its end.
func drain(t testing.TB, s *Stream, n, size uint32) {
	t.Helper()
	for i := range n {
		b, err := s.Next(ctxFor(t))
		if err != nil || len(b) != int(size) || size >= 4 && binary.LittleEndian.Uint32(b) != i {
			t.Fatalf("item %d of %d: %d bytes, %v", i, n, len(b), err)
		}
	}
	for range 2 {
		if _, err := s.Next(ctxFor(t)); err != io.EOF {
			t.Fatal(err)
		}
	}
}

func TestStream(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	for _, credit := range []int{1, 1000, 0} {
		c := dial(t, a, &DialOptions{StreamCredit: credit})
		for _, w := range []struct{ n, size uint32 }{{0, 0}, {1, 0}, {500, 0}, {1000, 10}, {50, 20_000}, {5, 256 << 10}, {2, MaxFrame + 5}} {
			drain(t, openStream(t, c, w.n, w.size), w.n, w.size)
			if err := within(t, "the handler", f.ended); err != nil {
				t.Error(err)
			}
		}
		healthy(t, c)
	}
}

func TestConcurrentStreams(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, &DialOptions{StreamCredit: 10_000})
	var wg sync.WaitGroup
	for g := range uint32(20) {
		wg.Go(func() {
			s, err := c.Stream(ctxFor(t), mStream, streamBody(100, 50+g*300))
			for i := uint32(0); err == nil; i++ {
				var b []byte
				if b, err = s.Next(ctxFor(t)); err == nil && (binary.LittleEndian.Uint32(b) != i || len(b) != int(50+g*300)) {
					t.Errorf("item %d: %d", i, binary.LittleEndian.Uint32(b))
				}
				if i%10 == 0 {
					if _, err := c.Call(ctxFor(t), mEcho, b); err != nil {
						t.Error(err)
					}
				}
			}
			if err != io.EOF {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// The node sends as much as it has credit for, to the item, and continues when
// there is more. Other calls continue meanwhile.
func TestCredit(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	other := dial(t, a, nil)
	p := rawClient(t, a) // with a credit of 1000
	p.send(Frame{Kind: KindRequest, Stream: 5, Method: mStream, Payload: AppendRequest(nil, 0, streamBody(100, 236))})
	next := uint32(0)
	expect := func(items int) {
		t.Helper()
		for range items {
			g := p.recv()
			if g.Kind != KindItem || binary.LittleEndian.Uint32(g.Payload) != next {
				t.Fatalf("%v in place of item %d", g.Kind, next)
			}
			next++
		}
		// Nothing else comes before the answer to a ping.
		p.send(Frame{Kind: KindPing, Stream: 1})
		if g := p.recv(); g.Kind != KindPong {
			t.Fatalf("%v without credit", g.Kind)
		}
	}
	credit := func(stream uint64, n uint32) {
		p.send(Frame{Kind: KindCredit, Stream: stream, Payload: binary.LittleEndian.AppendUint32(nil, n)})
	}
	// An item costs 300: after three 100 are left, which is enough for one more.
	for range 4 {
		within(t, "an item", f.sent)
	}
	expect(4)
	credit(5, 200) // 0 now
	credit(99, 1<<31)
	expect(0)
	credit(5, 1)
	within(t, "an item", f.sent)
	expect(1)
	healthy(t, other)
	for range 10 {
		credit(5, 1<<32-1)
	}
	for ; next < 100; next++ {
		if g := p.recv(); g.Kind != KindItem || binary.LittleEndian.Uint32(g.Payload) != next {
			t.Fatalf("%v in place of item %d", g.Kind, next)
		}
	}
	if g := p.recv(); g.Kind != KindEnd || g.Stream != 5 {
		t.Fatal(g.Kind)
	}
}

// A stream that nobody reads holds what it has credit for, and the handler waits.
func TestStreamUnread(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, &DialOptions{StreamCredit: 10 * 1064})
	s := openStream(t, c, 1000, 1000)
	for range 10 {
		within(t, "an item", f.sent)
	}
	eventually(t, "items in the queue", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.items.len() == 10
	})
	healthy(t, c)
	if len(f.sent) > 0 {
		t.Error("more items than credit")
	}
	drain(t, s, 1000, 1000)
}

// The end of a stream from the client's side ends its call at the node.
func TestStreamCancel(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, &DialOptions{StreamCredit: 5000})
	cause := errors.New("had enough")
	for what, end := range map[string]func(s *Stream, cancel func(error)) error{
		"Close":   func(s *Stream, _ func(error)) error { s.Close(); return ErrClosed },
		"twice":   func(s *Stream, _ func(error)) error { s.Close(); s.Close(); return ErrClosed },
		"context": func(_ *Stream, cancel func(error)) error { cancel(cause); return cause },
		"both":    func(s *Stream, cancel func(error)) error { cancel(cause); s.Close(); return nil },
	} {
		ctx, cancel := context.WithCancelCause(ctxFor(t))
		s, err := c.Stream(ctx, mStream, streamBody(1000, 1000))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(ctxFor(t)); err != nil {
			t.Error(err)
		}
		is := end(s, cancel)
		for err = nil; err == nil; {
			_, err = s.Next(ctxFor(t))
		}
		if is != nil && !errors.Is(err, is) || err == io.EOF {
			t.Errorf("%s: %v", what, err)
		}
		if err := within(t, "the handler", f.ended); err != context.Canceled {
			t.Errorf("%s: %v", what, err)
		}
		cancel(nil)
		healthy(t, c)
	}
	eventually(t, "no call in flight", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.calls) == 0 && c.heldBytes == 0
	})
}

// The context of Next ends the wait, not the stream.
func TestNextContext(t *testing.T) {
	f := newFixture()
	_, a := start(t, func(ctx context.Context, c *Call) {
		f.started <- c
		<-f.gate
		_ = c.Item([]byte("late"))
		_ = c.End()
	}, ServerOptions{})
	c := dial(t, a, nil)
	s, err := c.Stream(ctxFor(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctxFor(t))
	cancel()
	if _, err := s.Next(ctx); err != context.Canceled {
		t.Error(err)
	}
	close(f.gate)
	if b, err := s.Next(ctxFor(t)); err != nil || string(b) != "late" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := s.Next(ctxFor(t)); err != io.EOF {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Next(ctxFor(t)); err != io.EOF { // it had ended well
		t.Error(err)
	}
}

// Items that came before an error, or before the end of the connection, are
// still there to read.
func TestStreamEnds(t *testing.T) {
	f := newFixture()
	s, a := start(t, func(ctx context.Context, c *Call) {
		_ = c.Item([]byte("first"))
		switch c.Method() {
		case 1:
			_ = c.Fail("conflict", "", nil)
		case 2:
			panic("late")
		case 3:
			f.started <- c
			<-ctx.Done()
		}
	}, ServerOptions{})
	c := dial(t, a, nil)
	for method, code := range map[uint16]string{1: "conflict", 2: CodeInternal, 4: CodeNoReply, 3: ""} {
		if method == 3 {
			continue
		}
		st, err := c.Stream(ctxFor(t), method)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := st.Next(ctxFor(t)); err != nil || string(b) != "first" {
			t.Errorf("%q, %v", b, err)
		}
		_, err = st.Next(ctxFor(t))
		if e, ok := errors.AsType[*RemoteError](err); !ok || e.Code != code {
			t.Errorf("method %d: %v", method, err)
		}
	}
	st, err := c.Stream(ctxFor(t), 3)
	if err != nil {
		t.Fatal(err)
	}
	within(t, "the handler", f.started)
	eventually(t, "the item", func() bool {
		st.mu.Lock()
		defer st.mu.Unlock()
		return st.items.len() == 1
	})
	s.Close()
	within(t, "the end", c.Done())
	if b, err := st.Next(ctxFor(t)); err != nil || string(b) != "first" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := st.Next(ctxFor(t)); !errors.Is(err, ErrDisconnected) {
		t.Error(err)
	}
}

// A method that is called in another way than it answers fails that call only.
func TestMismatch(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, nil)
	for _, n := range []uint32{0, 1, 3000} {
		if b, err := c.Call(ctxFor(t), mStream, streamBody(n, 1000)); err == nil {
			t.Errorf("%d items: %q", n, b)
		}
		within(t, "the handler", f.ended)
	}
	for _, n := range []int{1, 3 * maxSendFrame} {
		s, err := c.Stream(ctxFor(t), mEcho, make([]byte, n))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := s.Next(ctxFor(t)); err == nil || err == io.EOF {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
	s, err := c.Stream(ctxFor(t), mMixed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Next(ctxFor(t))
	got := fmt.Sprintf("%s %v", b, err)
	_, err = s.Next(ctxFor(t))
	if got += fmt.Sprint(err); got != "item <nil>EOF" {
		t.Error(got)
	}
	healthy(t, c)
	eventually(t, "no call in flight", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.calls) == 0 && c.heldBytes == 0
	})
}
