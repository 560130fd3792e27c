package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func helloWith(edit func(h *Hello)) []byte {
	h := someHello()
	edit(h)
	return AppendFrame(nil, Frame{Kind: KindHello, Payload: AppendHello(nil, h)})
}

// What is no hello gets no answer; a hello that cannot be accepted gets a
// reason. Either way the connection is closed, and others continue.
func TestRefusedHello(t *testing.T) {
	f := newFixture()
	l := new(logs)
	_, a := start(t, f.handle, ServerOptions{Logger: l.logger()})
	other := dial(t, a, nil)
	hello := helloWith(func(*Hello) {})
	change := func(at int, v byte) []byte {
		b := slices.Clone(hello)
		b[at] = v
		return b
	}
	for what, c := range map[string]struct {
		b    []byte
		code string
	}{
		"HTTP":              {[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), ""},
		"TLS":               {[]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc}, ""},
		"four bytes":        {[]byte("garb"), ""},
		"zeroes":            {make([]byte, 100), ""},
		"a ping":            {AppendFrame(nil, Frame{Kind: KindPing, Stream: 1}), ""},
		"a request":         {AppendFrame(nil, request(1, mEcho, strings.Repeat("x", 100))), ""},
		"a welcome":         {AppendFrame(nil, Frame{Kind: KindWelcome, Payload: make([]byte, helloSize)}), ""},
		"another magic":     {change(headerSize, 'Q'), ""},
		"flags":             {change(9, 1), ""},
		"method":            {change(10, 1), ""},
		"stream":            {change(16, 1), ""},
		"a length":          {change(1, 0xff), ""},
		"a wrong sum":       {change(5, hello[5]+1), CodeProtocol},
		"a changed byte":    {change(headerSize+20, 0xff), CodeProtocol},
		"an older version":  {helloWith(func(h *Hello) { h.MinVersion, h.MaxVersion = 0, 0 }), CodeProtocol},
		"a newer version":   {helloWith(func(h *Hello) { h.MinVersion, h.MaxVersion = 2, 3 }), CodeUnsupported},
		"versions reversed": {helloWith(func(h *Hello) { h.MinVersion, h.MaxVersion = 2, 1 }), CodeProtocol},
		"a feature":         {helloWith(func(h *Hello) { h.Features = 1 << 16 }), CodeUnsupported},
		"limits":            {helloWith(func(h *Hello) { h.Limits.MaxMessage = 1023 }), CodeProtocol},
		"a name":            {helloWith(func(h *Hello) { h.Name = "\xff" }), CodeProtocol},
	} {
		p := rawDial(t, a)
		if _, err := p.nc.Write(c.b); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if c.code != "" {
			if e := p.recvError(0); e.Code != c.code || !strings.HasPrefix(e.Text, c.code+": ") {
				t.Errorf("%s: %v", what, e)
			}
		}
		if fr, err := p.r.Next(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v, %v", what, fr.Kind, err)
		}
		healthy(t, other)
	}
	eventually(t, "a line in the log", func() bool { return l.has(`GET / HTTP/1.1`) && l.has("the client 2 to 3") })
}

func TestAcceptedHello(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{NodeID: [16]byte{1, 2}, Epoch: 9, Software: "test 1", MaxMessage: 4096, MaxInFlight: 3, MaxBuffered: 10000})
	for what, b := range map[string][]byte{
		"plain":            helloWith(func(*Hello) {}),
		"a newer version":  helloWith(func(h *Hello) { h.MaxVersion = 7 }),
		"older and newer":  helloWith(func(h *Hello) { h.MinVersion, h.MaxVersion = 0, 7 }),
		"unknown features": helloWith(func(h *Hello) { h.Features = 0xffff }),
		"no credit":        helloWith(func(h *Hello) { h.Limits.StreamCredit = 0 }),
	} {
		p := rawDial(t, a)
		for _, c := range b { // byte by byte
			if _, err := p.nc.Write([]byte{c}); err != nil {
				t.Fatal(err)
			}
		}
		w, err := DecodeWelcome(p.recv().Payload)
		want := Welcome{Version: 1, NodeID: [16]byte{1, 2}, Epoch: 9, Software: "test 1", Limits: Limits{MaxMessage: 4096, MaxCalls: 3, MaxBytes: 10000}}
		if err != nil || w != want {
			t.Errorf("%s: %+v, %v", what, w, err)
		}
		p.send(request(1, mEcho, "x"))
		if g := p.recv(); g.Kind != KindReply || string(g.Payload) != "x" {
			t.Errorf("%s: %+v", what, g)
		}
	}
	if w := dial(t, a, nil).Welcome(); w.Epoch != 9 || w.Software != "test 1" {
		t.Errorf("%+v", w)
	}
}

// Whatever a node answers instead of a welcome is an error that says so.
func TestRefusedWelcome(t *testing.T) {
	welcome := func(w Welcome) []byte {
		return AppendFrame(nil, Frame{Kind: KindWelcome, Payload: AppendWelcome(nil, &w)})
	}
	lim := Limits{MaxMessage: 1 << 20, MaxCalls: 10, MaxBytes: 1 << 20}
	good := welcome(Welcome{Version: 1, Limits: lim})
	bad := slices.Clone(good)
	bad[len(bad)-1]++
	const noWelcome = "connection timed-out: "
	for what, c := range map[string]struct {
		b    []byte
		is   error
		text string
	}{
		"nothing":         {nil, ErrNoWelcome, noWelcome + "the node ended the connection without a welcome"},
		"half":            {good[:40], io.ErrUnexpectedEOF, ""},
		"garbage":         {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), ErrNoWelcome, noWelcome + "this is no node"},
		"a TLS alert":     {[]byte{0x15, 3, 1, 0, 2, 2, 22}, ErrNoWelcome, noWelcome + "the node wants TLS"},
		"a wrong sum":     {bad, ErrProtocol, ""},
		"another version": {welcome(Welcome{Version: 2, Limits: lim}), ErrProtocol, ""},
		"a feature":       {welcome(Welcome{Version: 1, Features: 1, Limits: lim}), ErrProtocol, ""},
		"no limits":       {welcome(Welcome{Version: 1}), ErrProtocol, ""},
		"a reply":         {AppendFrame(nil, Frame{Kind: KindReply, Stream: 1}), ErrProtocol, ""},
		"a goaway":        {AppendFrame(nil, Frame{Kind: KindGoAway}), ErrGoingAway, ""},
		"an error":        {AppendFrame(nil, Frame{Kind: KindError, Payload: AppendError(nil, &RemoteError{Code: "no", Text: "not you"})}), &RemoteError{}, "no: not you"},
		"half an error":   {AppendFrame(nil, Frame{Kind: KindError, Payload: make([]byte, 4)[:4]}), &RemoteError{}, ""},
	} {
		theirs, ours := net.Pipe()
		go func() {
			_, _ = io.ReadFull(theirs, make([]byte, headerSize+helloSize))
			_, _ = theirs.Write(c.b)
			theirs.Close()
		}()
		conn, err := NewConn(ctxFor(t), ours, &DialOptions{Timeout: patience})
		_, remote := errors.AsType[*RemoteError](err)
		_, wantRemote := c.is.(*RemoteError)
		if conn != nil || wantRemote != remote || !wantRemote && !errors.Is(err, c.is) || !strings.HasPrefix(err.Error(), c.text) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// pipeListener accepts ends of net.Pipe, which synctest knows.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{} }

func (l *pipeListener) dial() net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return ours
}

// bubble runs fn in a synctest bubble, with a server on pipes.
func bubble(t *testing.T, o ServerOptions, fn func(t *testing.T, f *fixture, l *pipeListener)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		s, err := NewServer(f.handle, o)
		if err != nil {
			t.Fatal(err)
		}
		l := newPipeListener()
		go s.Serve(context.Background(), l)
		fn(t, f, l)
		s.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A client that does not say hello, or half of it, is dropped after its time,
// and not before.
func TestHelloTimeout(t *testing.T) {
	hello := helloWith(func(*Hello) {})
	for _, n := range []int{0, 1, 10, len(hello) - 1} {
		bubble(t, ServerOptions{}, func(t *testing.T, _ *fixture, l *pipeListener) {
			nc := l.dial()
			begin := time.Now()
			if n > 0 {
				if _, err := nc.Write(hello[:n]); err != nil {
					t.Error(err)
				}
			}
			if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
				t.Error(err)
			}
			if d := time.Since(begin); d != 5*time.Second {
				t.Errorf("after %v", d)
			}
			nc.Close()
		})
	}
}

// Dial waits for the welcome as long as it was told, or as its context lasts.
func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("enough")
		plain := func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) }
		for what, c := range map[string]struct {
			o    *DialOptions
			ctx  func() (context.Context, context.CancelFunc)
			wait time.Duration
			is   error
		}{
			"default": {nil, plain, time.Second, ErrNoWelcome},
			"option":  {&DialOptions{Timeout: time.Minute}, plain, time.Minute, ErrNoWelcome},
			"deadline": {nil, func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(t.Context(), time.Millisecond)
			},
				time.Millisecond, ErrNoWelcome},
			"canceled": {nil, func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(t.Context())
				timer := time.AfterFunc(time.Millisecond, func() { cancel(cause) })
				return ctx, func() { timer.Stop() }
			}, time.Millisecond, cause},
		} {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			ctx, cancel := c.ctx()
			begin := time.Now()
			_, err := NewConn(ctx, ours, c.o)
			if !errors.Is(err, c.is) || time.Since(begin) != c.wait {
				t.Errorf("%s: %v after %v", what, err, time.Since(begin))
			}
			if c.is == ErrNoWelcome && !strings.HasPrefix(err.Error(), "connection timed-out") {
				t.Errorf("%s: %v", what, err)
			}
			cancel()
			theirs.Close()
		}
	})
}

func TestDialErrors(t *testing.T) {
	dir := socketDir(t)
	_, err := Dial(ctxFor(t), Addr{Scheme: SchemeUnix, Path: filepath.Join(dir, "none")}, nil)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "connect: no such file or directory") {
		t.Error(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := Addr{Scheme: SchemeTCP, Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	if _, err := Dial(ctxFor(t), a, nil); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
	a.Scheme = SchemeTLS
	if _, err := Dial(ctxFor(t), a, nil); !errors.Is(err, ErrInvalidOptions) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(ctxFor(t))
	cancel()
	if _, err := Dial(ctx, Addr{Scheme: SchemeUnix, Path: filepath.Join(dir, "none")}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for name, o := range map[string]DialOptions{
		"Name": {Name: strings.Repeat("n", 256)}, "MaxMessage": {MaxMessage: 1023}, "StreamCredit": {StreamCredit: -1},
		"MaxQueued": {MaxQueued: -1}, "timeouts": {Timeout: -1},
	} {
		if _, err := Dial(ctxFor(t), a, &o); !errors.Is(err, ErrInvalidOptions) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerOptions(t *testing.T) {
	for name, o := range map[string]ServerOptions{
		"Software": {Software: strings.Repeat("s", 256)}, "MaxConns": {MaxConns: -1}, "MaxMessage": {MaxMessage: 1000}, "MaxInFlight": {MaxInFlight: -1},
		"MaxBuffered": {MaxBuffered: 1 << 20}, "MaxQueued": {MaxQueued: -1}, "timeouts": {ReadTimeout: -1},
	} {
		if _, err := NewServer(nil, o); !errors.Is(err, ErrInvalidOptions) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMaxConns(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{MaxConns: 2})
	first, second := dial(t, a, nil), dial(t, a, nil)
	_, err := Dial(ctxFor(t), a, &DialOptions{Timeout: patience})
	if e, ok := errors.AsType[*RemoteError](err); !ok || e.Code != CodeOverloaded || !strings.Contains(err.Error(), "2 connections") {
		t.Fatal(err)
	}
	healthy(t, first)
	second.Close()
	eventually(t, "a place that became free", func() bool {
		c, err := Dial(ctxFor(t), a, &DialOptions{Timeout: patience})
		if err != nil {
			return false
		}
		healthy(t, c)
		c.Close()
		return true
	})
}

// However many connect and say nothing, a client that does is served.
func TestStrangers(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{HelloTimeout: time.Hour})
	var silent []*rawPeer
	for range maxHandshaking + 20 {
		silent = append(silent, rawDial(t, a))
	}
	healthy(t, dial(t, a, nil))
	for _, p := range silent[:20] {
		p.closed()
	}
	last := silent[len(silent)-1]
	last.send(Frame{Kind: KindHello, Payload: AppendHello(nil, someHello())})
	if f := last.recv(); f.Kind != KindWelcome {
		t.Error(f.Kind)
	}
}
