package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Shutdown lets calls in flight end, refuses new ones, and then closes.
func TestShutdown(t *testing.T) {
	f := newFixture()
	s, a := start(t, f.handle, ServerOptions{})
	c, idle := dial(t, a, nil), dial(t, a, nil)
	healthy(t, idle)
	type answer struct {
		b   []byte
		err error
	}
	got := make(chan answer, 1)
	go func() {
		b, err := c.Call(ctxFor(t), mGate, []byte("in flight"))
		got <- answer{b, err}
	}()
	within(t, "the call", f.started)
	st := openStream(t, c, 3, 100)
	within(t, "an item", f.sent) // so the stream has begun
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(ctxFor(t)) }()
	within(t, "the goaway", c.GoingAway())
	within(t, "Draining", s.Draining())
	within(t, "the end of an idle connection", idle.Done())
	if err := idle.Err(); !errors.Is(err, ErrGoingAway) {
		t.Error(err)
	}
	if _, err := c.Call(ctxFor(t), mEcho); !errors.Is(err, ErrGoingAway) {
		t.Error(err)
	}
	if _, err := Dial(ctxFor(t), a, nil); err == nil {
		t.Error("a connection to a node that is going away")
	}
	drain(t, st, 3, 100)
	if len(down) > 0 {
		t.Error("down with a call in flight")
	}
	close(f.gate)
	if g := within(t, "the answer", got); g.err != nil || string(g.b) != "in flight" {
		t.Errorf("%q, %v", g.b, g.err)
	}
	if err := within(t, "Shutdown", down); err != nil {
		t.Error(err)
	}
	within(t, "the end of the connection", c.Done())
	if err := s.Shutdown(ctxFor(t)); err != nil {
		t.Error(err)
	}
	if err := s.Serve(ctxFor(t), newPipeListener()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	if err := s.ServeConn(ctxFor(t), theirs); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// Shutdown waits as long as it was told; what is left then is ended.
func TestShutdownTimeout(t *testing.T) {
	f := newFixture()
	s, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, nil)
	got := make(chan error, 1)
	go func() {
		_, err := c.Call(ctxFor(t), mBlock)
		got <- err
	}()
	within(t, "the call", f.started)
	ctx, cancel := context.WithCancelCause(ctxFor(t))
	cancel(errors.New("no more patience"))
	err := s.Shutdown(ctx)
	if err == nil || !strings.Contains(err.Error(), "1 calls of 1 connections") || !strings.Contains(err.Error(), "no more patience") {
		t.Error(err)
	}
	if err := within(t, "the end of the call", got); !errors.Is(err, ErrDisconnected) {
		t.Error(err)
	}
	if err := s.Shutdown(ctxFor(t)); err != nil {
		t.Error(err)
	}
	within(t, "the handler", f.ended)
}

// A request that was on its way when the node said goaway is answered, and was
// not begun. A client that does not go is closed on.
func TestGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		s, err := NewServer(f.handle, ServerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		go s.ServeConn(context.Background(), theirs)
		p := &rawPeer{t, ours, NewFrameReader(ours)}
		p.send(Frame{Kind: KindHello, Payload: AppendHello(nil, someHello())})
		p.recv()
		begun := request(1, mEcho, "in parts, ")
		begun.More = true
		p.send(begun, Frame{Kind: KindPing, Stream: 1})
		p.recv()
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(context.Background()) }()
		if g := p.recv(); g.Kind != KindGoAway {
			t.Fatal(g.Kind)
		}
		late := request(3, mEcho, "late")
		late.More = true
		go p.send(request(2, mBlock, "late"), late, Frame{Kind: KindRequest, Stream: 3, Method: mEcho, Payload: []byte("later")},
			Frame{Kind: KindRequest, Stream: 1, Method: mEcho, Payload: []byte("begun before")})
		for i := range uint64(2) {
			if e := p.recvError(i + 2); e.Code != CodeGoingAway || !errors.Is(e, ErrGoingAway) {
				t.Error(e)
			}
		}
		if g := p.recv(); g.Kind != KindReply || string(g.Payload) != "in parts, begun before" {
			t.Errorf("%v %q", g.Kind, g.Payload)
		}
		begin := time.Now()
		if _, err := p.r.Next(); err != io.EOF || time.Since(begin) != lingerTime {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := <-down; err != nil || len(f.started) > 0 {
			t.Error(err)
		}
		ours.Close()
	})
}

// Calls that wait for their turn when the node goes away have not been sent.
func TestGoAwayQueue(t *testing.T) {
	f := newFixture()
	s, a := start(t, f.handle, ServerOptions{MaxInFlight: 1})
	c := dial(t, a, nil)
	got := make(chan error, 2)
	go func() {
		_, err := c.Call(ctxFor(t), mGate)
		got <- err
	}()
	within(t, "the call", f.started)
	go func() {
		_, err := c.Call(ctxFor(t), mEcho)
		got <- err
	}()
	eventually(t, "a call that waits", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.queue) == 1
	})
	go s.Shutdown(ctxFor(t))
	if err := within(t, "the end of the second call", got); !errors.Is(err, ErrGoingAway) {
		t.Error(err)
	}
	close(f.gate)
	if err := within(t, "the end of the first call", got); err != nil {
		t.Error(err)
	}
	within(t, "the end", c.Done())
}

// The end of Serve's context ends its connections, and those of no other Serve.
func TestServeContext(t *testing.T) {
	f := newFixture()
	s, a := start(t, f.handle, ServerOptions{})
	other := dial(t, a, nil)
	type key struct{}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), key{}, "value"))
	l, err := Listen(ctx, Addr{Scheme: SchemeUnix, Path: filepath.Join(socketDir(t), "s")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	c := dial(t, l.Address(), nil)
	got := make(chan error, 1)
	go func() {
		_, err := c.Call(ctxFor(t), mBlock)
		got <- err
	}()
	call := within(t, "the call", f.started)
	if v := call.ctx.Value(key{}); v != "value" {
		t.Error(v)
	}
	cancel(cause)
	if err := within(t, "Serve", served); err != cause {
		t.Error(err)
	}
	if err := within(t, "the call", got); !errors.Is(err, ErrDisconnected) {
		t.Error(err)
	}
	within(t, "the handler", f.ended)
	healthy(t, other)
}

// badListener fails for a while, and then for good.
type badListener struct {
	*pipeListener
	fails int
	final error
}

type temporary struct{ error }

func (temporary) Temporary() bool { return true }

func (l *badListener) Accept() (net.Conn, error) {
	if l.fails--; l.fails >= 0 {
		return nil, temporary{errors.New("too many open files")}
	}
	return nil, l.final
}

func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(logs)
		s, err := NewServer(nil, ServerOptions{Logger: l.logger()})
		if err != nil {
			t.Fatal(err)
		}
		final := errors.New("broken")
		begin := time.Now()
		if err := s.Serve(t.Context(), &badListener{newPipeListener(), 10, final}); err != final {
			t.Error(err)
		}
		if d := time.Since(begin); d < time.Second || d > 5*time.Second || !l.has("too many open files") {
			t.Errorf("after %v: %s", d, l)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Serve(ctx, &badListener{newPipeListener(), 1 << 30, nil}); err != context.DeadlineExceeded {
			t.Error(err)
		}
		time.AfterFunc(10*time.Second, s.Close)
		if err := s.Serve(t.Context(), &badListener{newPipeListener(), 1 << 30, nil}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}
