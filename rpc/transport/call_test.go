package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

func TestEcho(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([]byte, 2<<20)
	for i := range all {
		all[i] = byte(rng.Uint32())
	}
	for _, n := range []int{0, 1, 100, copyLimit - 5, copyLimit - 4, copyLimit - 3, copyLimit, copyLimit + 1, readBuffer - 28, readBuffer - 27, readBuffer,
		maxSendFrame - 4, maxSendFrame - 3, maxSendFrame, maxSendFrame + 1, MaxFrame, MaxFrame + 1, 2 << 20} {
		body := all[:n]
		for _, parts := range [][][]byte{{body}, {body[:n/3], nil, body[n/3 : n/2], body[n/2:], nil}} {
			got, err := c.Call(ctxFor(t), mEcho, parts...)
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes in %d parts: %d bytes, %v", n, len(parts), len(got), err)
			}
		}
	}
	if got, err := c.Call(ctxFor(t), mEcho); err != nil || len(got) != 0 {
		t.Fatalf("no parts: %q, %v", got, err)
	}
}

// Calls of all sizes from many goroutines over one connection do not mix.
func TestConcurrentCalls(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{MaxInFlight: 50})
	c := dial(t, a, nil)
	var wg sync.WaitGroup
	for g := range 100 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 7))
			for i := range 30 {
				n := rng.IntN(200)
				if (g+i)%60 == 9 {
					n = rng.IntN(700 << 10)
				}
				body := bytes.Repeat([]byte{byte(g), byte(i), 3}, n/3+1)
				got, err := c.Call(ctxFor(t), mEcho, body)
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("goroutine %d, call %d: %d of %d bytes, %v", g, i, len(got), len(body), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// The largest request goes through, one byte more is refused and harms nothing.
func TestLargestMessage(t *testing.T) {
	f := newFixture()
	const most = 3 << 20
	_, a := start(t, f.handle, ServerOptions{MaxMessage: most})
	c := dial(t, a, &DialOptions{MaxMessage: most})
	body := make([]byte, most)
	if got, err := c.Call(ctxFor(t), mEcho, body[:most-timeoutSize]); err != nil || len(got) != most-timeoutSize {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if _, err := c.Call(ctxFor(t), mEcho, body[:most-timeoutSize+1]); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if got, err := c.Call(ctxFor(t), mBig, binary.LittleEndian.AppendUint32(nil, most)); err != nil || len(got) != most {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if err := <-f.ended; err != nil {
		t.Fatal(err)
	}
	_, err := c.Call(ctxFor(t), mBig, binary.LittleEndian.AppendUint32(nil, most+1))
	if e, ok := errors.AsType[*RemoteError](err); !ok || e.Code != CodeTooLarge || !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if err := <-f.ended; !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	healthy(t, c)
}

func TestRemoteErrors(t *testing.T) {
	f := newFixture()
	l := new(logs)
	_, a := start(t, f.handle, ServerOptions{Logger: l.logger()})
	c := dial(t, a, nil)
	for _, w := range []struct {
		method     uint16
		body, code string
		text       string
	}{
		{mFail, "details", "conflict", "conflict: too late"},
		{mFail, "", "conflict", "conflict: too late"},
		{mNothing, "", CodeNoReply, "no_reply: the node has not answered the call"},
		{mPanic, "", CodeInternal, "internal: a handler panicked"},
		{mGoexit, "", CodeInternal, "internal: a handler called runtime.Goexit"},
		{999, "", CodeNoReply, "no_reply: the node has not answered the call"},
	} {
		_, err := c.Call(ctxFor(t), w.method, []byte(w.body))
		e, ok := errors.AsType[*RemoteError](err)
		if !ok || e.Code != w.code || err.Error() != w.text || string(e.Details) != w.body {
			t.Errorf("method %d: %+v", w.method, err)
		}
		healthy(t, c)
	}
	if _, err := c.Call(ctxFor(t), mFail); !errors.Is(err, errs.Conflict) || errors.Is(err, errs.ClaimLost) {
		t.Error(err)
	}
	for _, s := range []string{"at the disco", "helper_test.go", "runtime.Goexit"} {
		if !l.has(s) {
			t.Errorf("%q is not in the log: %s", s, l)
		}
	}
}

// An error whose parts are too long is cut to what a frame takes.
func TestLargeError(t *testing.T) {
	fail := make(chan error, 1)
	_, a := start(t, func(_ context.Context, c *Call) {
		fail <- c.Fail(strings.Repeat("c", 100), strings.Repeat("t", 5000), make([]byte, len(c.Body())*maxDetails))
	}, ServerOptions{})
	c := dial(t, a, nil)
	for n, want := range map[int]error{1: nil, 2: ErrTooLarge} {
		_, err := c.Call(ctxFor(t), 1, make([]byte, n))
		e, ok := errors.AsType[*RemoteError](err)
		if !ok || len(e.Code) != maxCode || len(e.Text) != maxText || (len(e.Details) > 0) != (n == 1) {
			t.Errorf("%+v", err)
		}
		if err := within(t, "the handler", fail); !errors.Is(err, want) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestCancel(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, nil)
	cause := errors.New("had enough")
	ctx, cancel := context.WithCancelCause(ctxFor(t))
	got := make(chan error, 1)
	go func() {
		_, err := c.Call(ctx, mBlock)
		got <- err
	}()
	within(t, "the call", f.started)
	cancel(cause)
	if err := within(t, "the end of the call", got); err != cause {
		t.Error(err)
	}
	if err := within(t, "the end of the handler", f.ended); err != context.Canceled {
		t.Error(err)
	}
	if _, err := c.Call(ctx, mEcho); !errors.Is(err, cause) || !errors.Is(err, ErrNotSent) {
		t.Error(err)
	}
	healthy(t, c)
	eventually(t, "no call in flight", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.calls) == 0 && c.heldBytes == 0
	})
}

func TestDeadline(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	for _, clock := range []func() time.Time{nil, time.Now} {
		c := dial(t, a, &DialOptions{Clock: clock})
		if b, err := c.Call(ctxFor(t), mDeadline); err != nil || string(b) != fmt.Sprint(clock != nil) {
			t.Errorf("%s, %v", b, err)
		}
		if b, err := c.Call(context.Background(), mDeadline); err != nil || string(b) != "false" {
			t.Errorf("%s, %v", b, err)
		}
		ctx, cancel := context.WithTimeout(ctxFor(t), 5*time.Millisecond)
		_, err := c.Call(ctx, mBlock)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if len(f.started) > 0 { // else it was too late from the start
			<-f.started
			if err := within(t, "the end of the handler", f.ended); err == nil {
				t.Error("no error")
			}
		}
	}
}

// The deadline ends the call at the node also when the client does not.
func TestDeadlineAtNode(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	p := rawClient(t, a)
	p.send(Frame{Kind: KindRequest, Stream: 1, Method: mBlock, Payload: AppendRequest(nil, time.Millisecond, nil)})
	if e := p.recvError(1); e.Code != CodeDeadline || !errors.Is(e, context.DeadlineExceeded) || errors.Is(e, context.Canceled) {
		t.Error(e)
	}
	if err := within(t, "the handler", f.ended); err != context.DeadlineExceeded {
		t.Error(err)
	}
}

func TestPing(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, nil)
	if err := c.Ping(ctxFor(t)); err != nil {
		t.Error(err)
	}
	p := rawClient(t, a)
	p.send(Frame{Kind: KindPing, Stream: 1 << 60})
	if g := p.recv(); g.Kind != KindPong || g.Stream != 1<<60 {
		t.Errorf("%+v", g)
	}
}

func TestPeer(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, &DialOptions{Name: "me", ClientID: [16]byte{0xab, 0xcd}})
	if b, err := c.Call(ctxFor(t), mPeer); err != nil || string(b) != "unix me [] abcd" {
		t.Errorf("%s, %v", b, err)
	}
	go c.Call(context.Background(), mBlock)
	call := within(t, "the call", f.started)
	c.Close()
	within(t, "the end of the connection", call.Peer().Gone())
}

// A connection that ends ends its calls, and their contexts.
func TestDisconnect(t *testing.T) {
	f := newFixture()
	s, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, nil)
	got := make(chan error, 2)
	go func() {
		_, err := c.Call(ctxFor(t), mBlock)
		got <- err
	}()
	within(t, "the call", f.started)
	s.Close()
	if err := within(t, "the end of the call", got); !errors.Is(err, ErrDisconnected) || errors.Is(err, ErrNotSent) {
		t.Error(err)
	}
	within(t, "the end of the handler", f.ended)
	within(t, "Done", c.Done())
	within(t, "GoingAway", c.GoingAway())
	if _, err := c.Call(ctxFor(t), mEcho); !errors.Is(err, ErrDisconnected) || !errors.Is(err, ErrNotSent) {
		t.Error(err)
	}
	if c.Err() == nil {
		t.Error("no reason")
	}
}

func TestCloseConn(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	c := dial(t, a, nil)
	got := make(chan error, 1)
	go func() {
		_, err := c.Call(ctxFor(t), mBlock)
		got <- err
	}()
	within(t, "the call", f.started)
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := within(t, "the end of the call", got); !errors.Is(err, ErrDisconnected) || !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := within(t, "the end of the handler", f.ended); err != context.Canceled {
		t.Error(err)
	}
	if err := c.Ping(ctxFor(t)); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrNotSent) {
		t.Error(err)
	}
}
