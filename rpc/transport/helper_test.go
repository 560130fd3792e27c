package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// TestMain fails if a goroutine of the package is left when all tests are done.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leftovers(); left != "" && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leftovers returns the stacks of goroutines of the package other than the
// caller's, when they do not go away.
func leftovers() string {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		buf := make([]byte, 4<<20)
		buf = buf[:runtime.Stack(buf, true)]
		var left []string
		for i, g := range strings.Split(string(buf), "\n\n") {
			if i > 0 && strings.Contains(g, "pipeproc/rpc/transport.") && !strings.Contains(g, "testing.tRunner") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return ""
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return strings.Join(left, "\n\n")
		}
	}
}

// eventually waits until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("in vain: " + what)
		}
	}
}

// within fails the test if ch does not get a value in time.
func within[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-ch:
		return v
	case <-timer.C:
		buf := make([]byte, 1<<20)
		t.Fatalf("in vain: %s\n%s", what, buf[:runtime.Stack(buf, true)])
		panic("unreachable")
	}
}

// Methods of the handler of the tests.
const (
	mEcho   uint16 = 1 + iota // the body
	mBlock                    // tells started, waits for its context, returns nothing
	mStream                   // u32 items of u32 bytes, counted in their first 4
	mPanic
	mGoexit
	mNothing
	mFail     // with the body as details
	mDeadline // 1 if the context has a deadline
	mPeer     // what the node knows of the client
	mGate     // waits for a value of gate, then echoes
	mMixed    // an item, then a reply, which is refused, then an end
	mBig      // a reply of u32 bytes
)

// fixture is a handler and what tests see of it.
type fixture struct {
	started chan *Call
	ended   chan error
	gate    chan struct{}
	sent    chan int // items that mStream has sent
}

func newFixture() *fixture {
	return &fixture{started: make(chan *Call, 4096), ended: make(chan error, 4096), gate: make(chan struct{}), sent: make(chan int, 1<<16)}
}

func (f *fixture) handle(ctx context.Context, c *Call) {
	switch c.Method() {
	case mEcho:
		_ = c.Reply(c.Body())
	case mBlock:
		f.started <- c
		<-ctx.Done()
		f.ended <- ctx.Err()
	case mStream:
		f.stream(c)
	case mPanic:
		panic("at the disco")
	case mGoexit:
		runtime.Goexit()
	case mFail:
		_ = c.Fail("conflict", "conflict: too late", c.Body())
	case mDeadline:
		_, ok := ctx.Deadline()
		_ = c.Reply([]byte(fmt.Sprint(ok)))
	case mPeer:
		p := c.Peer()
		_ = c.Reply([]byte(fmt.Sprintf("%s %s %q %x", p.Transport, p.Name, p.CertNames, p.ClientID[:2])))
	case mGate:
		f.started <- c
		select {
		case <-f.gate:
			_ = c.Reply(c.Body())
		case <-ctx.Done():
			f.ended <- ctx.Err()
		}
	case mMixed:
		_ = c.Item([]byte("item"))
		if c.Reply(nil) == nil {
			panic("a reply after an item")
		}
		_ = c.End()
		if c.End() == nil || c.Reply(nil) == nil || c.Item(nil) == nil || c.Fail("", "", nil) == nil {
			panic("an answer after the end")
		}
	case mBig:
		f.ended <- c.Reply(make([]byte, binary.LittleEndian.Uint32(c.Body())))
	}
}

func (f *fixture) stream(c *Call) {
	n, size := binary.LittleEndian.Uint32(c.Body()), binary.LittleEndian.Uint32(c.Body()[4:])
	item := make([]byte, size)
	for i := range n {
		if size >= 4 {
			binary.LittleEndian.PutUint32(item, i)
		}
		if err := c.Item(item[:size/3], item[size/3:]); err != nil {
			f.ended <- err
			return
		}
		select {
		case f.sent <- int(i):
		default:
		}
	}
	f.ended <- c.End()
}

// streamBody is the body of a call of mStream.
func streamBody(n, size uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, n), size)
}

// logs collects what is logged.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) has(s string) bool { return strings.Contains(l.String(), s) }

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// start serves h until the test ends, on a unix socket if there is such a thing.
func start(t testing.TB, h Handler, o ServerOptions) (*Server, Addr) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return startAt(t, h, o, Addr{Scheme: SchemeTCP, Host: "127.0.0.1"}, nil)
	}
	a := Addr{Scheme: SchemeUnix, Path: filepath.Join(socketDir(t), "s")}
	return startAt(t, h, o, a, nil)
}

// socketDir returns a folder with a short name, for sockets.
func socketDir(t testing.TB) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: unix sockets need a unix system")
	}
	dir, err := os.MkdirTemp("", "rpc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func unixAt(dir string) Addr { return Addr{Scheme: SchemeUnix, Path: filepath.Join(dir, "s")} }

func startAt(t testing.TB, h Handler, o ServerOptions, a Addr, lo *ListenOptions) (*Server, Addr) {
	t.Helper()
	s, err := NewServer(h, o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(t.Context(), a, lo)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := within(t, "Serve", served); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return s, l.Address()
}

func dial(t testing.TB, a Addr, o *DialOptions) *Conn {
	t.Helper()
	if o == nil {
		o = new(DialOptions)
	}
	if o.Timeout == 0 {
		o.Timeout = patience // the machine may be busy
	}
	c, err := Dial(t.Context(), a, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func ctxFor(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// healthy checks that a client's calls still work.
func healthy(t testing.TB, c *Conn) {
	t.Helper()
	b, err := c.Call(ctxFor(t), mEcho, []byte("are you "), []byte("there"))
	if err != nil || string(b) != "are you there" {
		t.Fatalf("a healthy client got %q, %v", b, err)
	}
}

// rawPeer speaks frames over a connection of its own.
type rawPeer struct {
	t  testing.TB
	nc net.Conn
	r  *FrameReader
}

func rawDial(t testing.TB, a Addr) *rawPeer {
	t.Helper()
	network, address := a.network()
	nc, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawPeer{t, nc, NewFrameReader(nc)}
}

// rawClient is a client that has been welcomed.
func rawClient(t testing.TB, a Addr) *rawPeer {
	t.Helper()
	p := rawDial(t, a)
	p.send(Frame{Kind: KindHello, Payload: AppendHello(nil, someHello())})
	if f := p.recv(); f.Kind != KindWelcome {
		t.Fatalf("%v in place of a welcome: %q", f.Kind, f.Payload)
	}
	return p
}

func someHello() *Hello {
	return &Hello{MinVersion: 1, MaxVersion: 1, Limits: Limits{MaxMessage: 1 << 20, StreamCredit: 1000}, Name: "raw"}
}

func (p *rawPeer) send(frames ...Frame) {
	p.t.Helper()
	var b []byte
	for _, f := range frames {
		b = AppendFrame(b, f)
	}
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

func (p *rawPeer) recv() Frame {
	p.t.Helper()
	f, err := p.r.Next()
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

// recvError returns the code of the error that comes next.
func (p *rawPeer) recvError(stream uint64) *RemoteError {
	p.t.Helper()
	f := p.recv()
	e, err := DecodeError(f.Payload)
	if f.Kind != KindError || f.Stream != stream || err != nil {
		p.t.Fatalf("%v on stream %d in place of an error on %d: %v", f.Kind, f.Stream, stream, err)
	}
	return e
}

// closed checks that the other side ends the connection, whatever it sends
// before.
func (p *rawPeer) closed() {
	p.t.Helper()
	for {
		if _, err := p.r.Next(); err != nil {
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				p.t.Fatal("the connection was not closed")
			}
			return
		}
	}
}

func request(stream uint64, method uint16, body string) Frame {
	return Frame{Kind: KindRequest, Stream: stream, Method: method, Payload: AppendRequest(nil, 0, []byte(body))}
}
