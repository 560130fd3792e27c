package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What the protocol does not allow ends the connection with a reason, and only
// that connection.
func TestProtocolErrors(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{MaxMessage: 64 << 10, MaxInFlight: 4, MaxBuffered: 130 << 10})
	other := dial(t, a, nil)
	part := func(stream uint64, n int) Frame {
		g := request(stream, mEcho, strings.Repeat("p", n))
		g.More = true
		return g
	}
	second := Frame{Kind: KindRequest, Stream: 1, Method: mBlock, Payload: []byte("x")}
	for what, c := range map[string]struct {
		frames []Frame
		code   string
	}{
		"a second hello":       {[]Frame{{Kind: KindHello, Payload: AppendHello(nil, someHello())}}, CodeProtocol},
		"a welcome":            {[]Frame{{Kind: KindWelcome, Payload: make([]byte, helloSize)}}, CodeProtocol},
		"a reply":              {[]Frame{{Kind: KindReply, Stream: 1}}, CodeProtocol},
		"an item":              {[]Frame{{Kind: KindItem, Stream: 1}}, CodeProtocol},
		"an end":               {[]Frame{{Kind: KindEnd, Stream: 1}}, CodeProtocol},
		"a goaway":             {[]Frame{{Kind: KindGoAway}}, CodeProtocol},
		"a short request":      {[]Frame{{Kind: KindRequest, Stream: 1, Payload: []byte("abc")}}, CodeProtocol},
		"no body yet":          {[]Frame{{Kind: KindRequest, Stream: 1, More: true, Payload: []byte("abc")}}, CodeProtocol},
		"another method":       {[]Frame{part(1, 1), second}, CodeProtocol},
		"a stream in use":      {[]Frame{request(1, mBlock, ""), request(1, mEcho, "")}, CodeProtocol},
		"a large request":      {[]Frame{request(1, mEcho, strings.Repeat("x", 64<<10))}, CodeTooLarge},
		"large in parts":       {[]Frame{part(1, 60<<10), part(1, 60<<10)}, CodeTooLarge},
		"many begun":           {[]Frame{part(1, 1), part(2, 1), part(3, 1), part(4, 1), part(5, 1)}, CodeOverloaded},
		"many bytes begun":     {[]Frame{part(1, 60<<10), part(2, 60<<10), part(3, 60<<10)}, CodeOverloaded},
		"an error of a stream": {[]Frame{{Kind: KindError, Payload: []byte{9, 0, 0, 0}}}, CodeProtocol},
	} {
		p := rawClient(t, a)
		p.send(c.frames...)
		if e := p.recvError(0); e.Code != c.code {
			t.Errorf("%s: %v", what, e)
		}
		p.closed()
		healthy(t, other)
	}
	for range len(f.started) {
		<-f.started
		if err := within(t, "the handler", f.ended); err != context.Canceled {
			t.Error(err)
		}
	}
}

// What is harmless is let pass.
func TestLenient(t *testing.T) {
	f := newFixture()
	l := new(logs)
	_, a := start(t, f.handle, ServerOptions{Logger: l.logger()})
	p := rawClient(t, a)
	part := request(7, mEcho, "never")
	part.More = true
	p.send(Frame{Kind: KindCancel, Stream: 99}, Frame{Kind: KindCredit, Stream: 99, Payload: make([]byte, 4)}, Frame{Kind: KindPong, Stream: 3},
		part, Frame{Kind: KindCancel, Stream: 7})
	if e := p.recvError(7); e.Code != CodeCanceled {
		t.Error(e)
	}
	p.send(request(7, mEcho, "x")) // a stream that is over
	if g := p.recv(); g.Kind != KindReply || string(g.Payload) != "x" {
		t.Errorf("%+v", g)
	}
	p.send(Frame{Kind: KindError, Payload: AppendError(nil, &RemoteError{Code: "no", Text: "I do not like it"})})
	p.closed()
	eventually(t, "the client's reason in the log", func() bool { return l.has("I do not like it") })
}

func TestGarbage(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	other := dial(t, a, nil)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		b := make([]byte, 1+rng.IntN(2000))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		b[3] |= 0x80 // else it might be the begin of a long frame
		p := rawClient(t, a)
		_, _ = p.nc.Write(append(AppendFrame(nil, request(1, mEcho, "x")), b...))
		p.closed()
		p.nc.Close()
		healthy(t, other)
	}
}

// Half a frame, and half a request, are waited for, and no longer than is
// allowed. Silence between requests is.
func TestReadTimeout(t *testing.T) {
	frame := AppendFrame(nil, request(1, mEcho, strings.Repeat("x", 100_000)))
	part := request(1, mEcho, "x")
	part.More = true
	for what, c := range map[string]struct {
		b     []byte
		pause time.Duration // and then another byte
		end   time.Duration // 0: never
	}{
		"nothing":        {nil, time.Hour, 0},
		"a byte":         {frame[:1], 20 * time.Second, 50 * time.Second},
		"a header":       {frame[:headerSize], 29 * time.Second, 59 * time.Second},
		"half a frame":   {frame[:70_000], 10 * time.Second, 40 * time.Second},
		"half a request": {AppendFrame(nil, part), 29 * time.Second, 59 * time.Second},
	} {
		bubble(t, ServerOptions{}, func(t *testing.T, _ *fixture, l *pipeListener) {
			nc := l.dial()
			r := NewFrameReader(nc)
			_, _ = nc.Write(helloWith(func(*Hello) {}))
			if g, err := r.Next(); err != nil || g.Kind != KindWelcome {
				t.Fatal(err)
			}
			begin := time.Now()
			_, _ = nc.Write(c.b)
			ended := make(chan time.Duration, 1)
			go func() {
				_, _ = io.Copy(io.Discard, nc)
				ended <- time.Since(begin)
			}()
			time.Sleep(c.pause) // of the bubble's clock
			if c.end == 0 {
				if len(ended) > 0 {
					t.Errorf("%s: ended", what)
				}
			} else {
				_, _ = nc.Write([]byte{8}) // usually not what should come
				if d := <-ended; d > c.end {
					t.Errorf("%s: ended after %v", what, d)
				}
			}
			nc.Close()
		})
	}
}

// A client that does not read what waits for it is dropped when its time is up;
// one that reads slowly is not.
func TestWriteTimeout(t *testing.T) {
	for _, slow := range []bool{false, true} {
		bubble(t, ServerOptions{}, func(t *testing.T, f *fixture, l *pipeListener) {
			nc := l.dial()
			r := NewFrameReader(nc)
			_, _ = nc.Write(helloWith(func(h *Hello) { h.Limits.MaxMessage = 2 << 20 }))
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			_, _ = nc.Write(AppendFrame(nil, request(1, mBig, "\x00\x00\x10\x00")))
			var n int
			var err error
			if slow {
				b := make([]byte, 64<<10)
				for n < 1<<20 && err == nil {
					time.Sleep(5 * time.Second) // of the bubble's clock
					var k int
					k, err = nc.Read(b)
					n += k
				}
				if err != nil {
					t.Errorf("dropped after %v, with %d bytes: %v", time.Since(begin), n, err)
				}
				nc.Close()
				<-f.ended
				return
			}
			err = <-f.ended
			if d := time.Since(begin); d != 30*time.Second || !errors.Is(err, ErrDisconnected) {
				t.Errorf("%v after %v", err, d)
			}
			nc.Close()
		})
	}
}

// A client whose node does not read gives up, too, and its calls can be
// canceled at once until then.
func TestClientWriteTimeout(t *testing.T) {
	client, node := socketPair(t)
	defer node.Close()
	w := Welcome{Version: 1, Limits: Limits{MaxMessage: 64 << 20, MaxCalls: 10, MaxBytes: 100 << 20}}
	go func() { _, _ = node.Write(AppendFrame(nil, Frame{Kind: KindWelcome, Payload: AppendWelcome(nil, &w)})) }()
	c, err := NewConn(ctxFor(t), client, &DialOptions{Timeout: patience, WriteTimeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	big := make([]byte, 10<<20)
	for _, body := range [][]byte{big, big, nil} {
		ctx, cancel := context.WithTimeout(ctxFor(t), time.Millisecond)
		if _, err := c.Call(ctx, 1, body); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
	}
	if _, err := c.Call(ctxFor(t), 1, big); !errors.Is(err, ErrDisconnected) || !errors.Is(err, errNotTaken) {
		t.Error(err)
	}
}

// A client that has more calls in flight than it may, and goes away, is noticed,
// although nothing is read from it.
func TestStuck(t *testing.T) {
	bubble(t, ServerOptions{MaxInFlight: 2}, func(t *testing.T, f *fixture, l *pipeListener) {
		nc := l.dial()
		_, _ = nc.Write(helloWith(func(*Hello) {}))
		if g, err := NewFrameReader(nc).Next(); err != nil || g.Kind != KindWelcome {
			t.Fatal(err)
		}
		begin := time.Now()
		for i := range uint64(3) {
			_, _ = nc.Write(AppendFrame(nil, request(i+1, mBlock, "")))
		}
		nc.Close()
		for range 2 {
			<-f.started
			if err := <-f.ended; err != context.Canceled || time.Since(begin) != 30*time.Second {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
		}
	})
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what pools held is gone with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestFlood: a client that sends as many requests as it can and reads nothing
// holds what a connection may hold, and no more; others continue.
func TestFlood(t *testing.T) {
	const (
		body     = 2000
		buffered = 4 << 20
		queued   = 1 << 20
	)
	for what, h := range map[string]Handler{
		"answered": func(_ context.Context, c *Call) { _ = c.Reply(c.Body()) },
		"held":     func(ctx context.Context, _ *Call) { <-ctx.Done() },
	} {
		t.Run(what, func(t *testing.T) {
			var handled atomic.Int64
			_, a := start(t, func(ctx context.Context, c *Call) {
				if c.Method() == mEcho {
					_ = c.Reply(c.Body())
					return
				}
				handled.Add(1)
				h(ctx, c)
			}, ServerOptions{MaxMessage: 1 << 20, MaxInFlight: 4000, MaxBuffered: buffered, MaxQueued: queued})
			other := dial(t, a, nil)
			healthy(t, other)
			before := liveHeap()
			p := rawClient(t, a)
			all := request(1, 77, strings.Repeat("x", body))
			var b []byte
			sent := 0
			stream := uint64(0)
			// The flood has come to a stop when nothing is taken for a while.
			for range 20_000 {
				stream++
				all.Stream = stream
				b = AppendFrame(b[:0], all)
				_ = p.nc.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
				n, err := p.nc.Write(b)
				sent += n
				if err != nil {
					break
				}
			}
			if sent > 19_000*body {
				t.Errorf("%d bytes were taken from a client that reads nothing", sent)
			}
			healthy(t, other)
			grown := int64(liveHeap()) - int64(before)
			// A goroutine that waits has a stack of 4 KiB or so.
			bound := int64(buffered + queued + 256<<10 + 4000*(8<<10))
			t.Logf("%d bytes sent, %d requests handled, %d bytes held, the bound is %d", sent, handled.Load(), grown, bound)
			if grown > bound {
				t.Errorf("%d bytes are held, the bound is %d", grown, bound)
			}
			p.nc.Close()
		})
	}
}

// A client that reads nothing holds a large reply back, and no others.
func TestSlowReader(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	other := dial(t, a, nil)
	p := rawDial(t, a)
	p.send(Frame{Kind: KindHello, Payload: AppendHello(nil, &Hello{MinVersion: 1, MaxVersion: 1, Limits: Limits{MaxMessage: 100 << 20, StreamCredit: 1 << 31}})})
	if g := p.recv(); g.Kind != KindWelcome {
		t.Fatal(g.Kind)
	}
	const size = 16 << 20
	p.send(request(1, mBig, string(binary.LittleEndian.AppendUint32(nil, size))), request(2, mStream, string(streamBody(1000, 100_000))),
		request(3, mEcho, "small"))
	for range 20 {
		healthy(t, other)
	}
	// It is all there in the end.
	got := map[uint64]int{}
	small := ""
	for ends := 0; ends < 2; {
		g := p.recv()
		got[g.Stream] += len(g.Payload)
		if g.Stream == 3 {
			small = string(g.Payload)
		}
		if g.Kind == KindEnd || g.Kind == KindReply && g.Stream == 1 && !g.More {
			ends++
		}
	}
	if got[1] != size || got[2] != 1000*100_000 || small != "small" {
		t.Errorf("%v %q", got, small)
	}
}

// A client that keeps to no limit but waits for nothing that it blocks itself is
// served all the same, only slower.
func TestBackPressure(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{MaxInFlight: 2, MaxMessage: 1 << 20, MaxBuffered: 1<<20 + 600})
	p := rawClient(t, a)
	body := strings.Repeat("b", 300<<10)
	go func() {
		var b []byte
		for i := range uint64(30) {
			b = AppendFrame(b, request(i+1, mEcho, body))
		}
		_, _ = p.nc.Write(b)
	}()
	seen := map[uint64]bool{}
	for len(seen) < 30 {
		g := p.recv()
		if g.Kind != KindReply || !bytes.Equal(g.Payload, []byte(body)) || seen[g.Stream] {
			t.Fatalf("%v on stream %d", g.Kind, g.Stream)
		}
		seen[g.Stream] = true
	}
}
