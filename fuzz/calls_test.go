package fuzz

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// Methods of package rpc/message that this file refers to by number.
const (
	callSession = 1
	callRange   = 7
	callWatch   = 14
)

// spoken is one call, or one answer.
type spoken struct {
	method uint16
	body   []byte
}

// recorder keeps the first calls and answers.
type recorder struct {
	mu   sync.Mutex
	list []spoken
}

func (r *recorder) add(method uint16, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) < 100 {
		r.list = append(r.list, spoken{method, bytes.Clone(body)})
	}
}

// listen serves h on a socket, and returns its address.
func listen(t testing.TB, h transport.Handler, log *slog.Logger) transport.Addr {
	t.Helper()
	dir, err := os.MkdirTemp("", "fuzz")
	if err != nil {
		t.Fatal(err)
	}
	addr, err := transport.ParseAddr("unix://" + dir + "/s")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := transport.NewServer(h, transport.ServerOptions{Epoch: 1, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	l, err := transport.Listen(context.Background(), addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		srv.Close()
		<-done
		os.RemoveAll(dir)
	})
	return addr
}

// use makes every call that a client can.
func use(c *rpc.Client, limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	rec := pipeproc.Record{Topic: "t", Key: []byte("k"), Body: []byte("b"), Headers: []pipeproc.Header{{Name: "n", Value: []byte("v")}}}
	_, _ = c.Commit(ctx, rec, rec)
	_, _ = c.Get(ctx, "t", 0)
	_, _ = c.Length(ctx, "t")
	_ = c.Sync(ctx)
	for _, err := range c.Range(ctx, "t", pipeproc.RangeOptions{Start: pipeproc.AtSeq(0)}) {
		if err != nil {
			break
		}
	}
	for _, err := range c.Range(ctx, "t", pipeproc.RangeOptions{Limit: 3, Reverse: true}) {
		if err != nil {
			break
		}
	}
	for _, err := range c.Follow(ctx, "t", 0) {
		if err != nil {
			break
		}
	}
	_ = c.WaitForRecord(ctx, "t", 1)
	k, _ := c.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2})
	_, _, _ = c.AckCommit(ctx, "p", k.Token, rec)
	_, _ = c.Ack(ctx, "p", k.Token)
	_, _ = c.Reclaim(ctx, "p", k.Token, "why")
	_, _ = c.ClaimAny(ctx, pipeproc.ProcOptions{Name: "p", Topic: "t"})
	_ = c.WaitForProcs(ctx, "p")
	_ = c.WaitForWork(ctx, "p")
	_, _ = c.Topics(ctx)
	_, _ = c.Topic(ctx, "t")
	_, _ = c.Stats(ctx)
	_, _ = c.Procs(ctx)
	_, _ = c.GC(ctx, pipeproc.GCOptions{})
	_, _ = c.SystemProcs(ctx)
	_, _ = c.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: func(context.Context, *pipeproc.Work) error { return nil }})
}

func connect(t testing.TB, addr transport.Addr) *rpc.Client {
	t.Helper()
	c, err := rpc.Connect(context.Background(), addr.String(), &rpc.ConnectOptions{Timeout: 10 * time.Second, RetryFor: -1, CloseGrace: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// requests are what a client sends.
func requests(t testing.TB) []spoken {
	var r recorder
	addr := listen(t, func(ctx context.Context, c *transport.Call) {
		if c.Method() == callSession {
			_ = c.Item()
			<-ctx.Done()
			return
		}
		r.add(c.Method(), c.Body())
		_ = c.Fail("code", "text", nil)
	}, nil)
	c := connect(t, addr)
	use(c, 10*time.Second)
	_ = c.Close()
	return r.list
}

// serveNode serves a node in memory with a few records.
func serveNode(t testing.TB, log *slog.Logger) transport.Addr {
	t.Helper()
	n, err := pipeproc.OpenMemory(&pipeproc.Options{MaxBody: 1 << 16, MaxBatch: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Commit(context.Background(), pipeproc.Record{Topic: "t", Body: []byte("x")}, pipeproc.Record{Topic: "t", Key: []byte("k")}); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "fuzz")
	if err != nil {
		t.Fatal(err)
	}
	addr, err := transport.ParseAddr("unix://" + dir + "/s")
	if err != nil {
		t.Fatal(err)
	}
	l, err := transport.Listen(context.Background(), addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- rpc.Serve(ctx, n, l, &rpc.ServeOptions{Logger: log, AllowExec: nil}) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = n.Close()
		os.RemoveAll(dir)
	})
	return addr
}

// panics finds panics in a log: the server contains those of a handler.
type panics struct {
	mu   sync.Mutex
	seen []byte
}

func (p *panics) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes.Contains(b, []byte("panic")) {
		p.seen = append(p.seen, b...)
	}
	return len(b), nil
}

func (p *panics) check(t *testing.T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) > 0 {
		t.Fatalf("%s", p.seen)
	}
}

// FuzzNodeCalls: whatever body a call has, the node answers, does not panic, and
// keeps serving.
func FuzzNodeCalls(f *testing.F) {
	for _, s := range requests(f) {
		f.Add(s.method, s.body)
	}
	f.Add(uint16(15), []byte("\x01\x01\x00\x0asystemProc\x44{\"Options\":{\"Name\":\"a\",\"From\":[\"t\"],\"Command\":[\"@self\"],\"Source\":\"x\"}}"))
	var p panics
	addr := serveNode(f, slog.New(slog.NewTextHandler(&p, nil)))
	conn, err := transport.Dial(context.Background(), addr, &transport.DialOptions{Clock: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { conn.Close() })
	f.Fuzz(func(t *testing.T, method uint16, body []byte) {
		if bytes.Contains(body, []byte("ommand")) && !bytes.Contains(body, []byte("@self")) {
			return // a client of the same user may have anything executed
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		if method == callSession || method == callRange || method == callWatch {
			s, err := conn.Stream(ctx, method, body)
			for err == nil {
				_, err = s.Next(ctx)
			}
			if s != nil {
				s.Close()
			}
		} else {
			_, _ = conn.Call(ctx, method, body)
		}
		p.check(t)
		if conn.Err() != nil {
			t.Fatal(conn.Err())
		}
	})
}

// FuzzClientReplies: whatever a node answers, a client does not panic.
func FuzzClientReplies(f *testing.F) {
	for _, a := range answers(f) {
		f.Add(a.method, a.body)
	}
	var mu sync.Mutex
	var now spoken
	addr := listen(f, func(ctx context.Context, c *transport.Call) {
		if c.Method() == callSession {
			_ = c.Item()
			<-ctx.Done()
			return
		}
		mu.Lock()
		say := now
		mu.Unlock()
		switch m := c.Method(); {
		case m != say.method:
			_ = c.Fail("code", "text", nil)
		case m == callRange || m == callWatch:
			_ = c.Item(say.body)
			_ = c.Item(say.body)
			_ = c.End()
		default:
			_ = c.Reply(say.body)
		}
	}, nil)
	c := connect(f, addr)
	f.Cleanup(func() { _ = c.Close() })
	f.Fuzz(func(_ *testing.T, method uint16, body []byte) {
		mu.Lock()
		now = spoken{1 + method%15, body}
		mu.Unlock()
		use(c, 20*time.Millisecond)
	})
}

// answers are what a node answers to requests.
func answers(t testing.TB) (list []spoken) {
	conn, err := transport.Dial(context.Background(), serveNode(t, nil), &transport.DialOptions{Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, r := range requests(t) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		var body []byte
		var err error
		if r.method == callRange || r.method == callWatch {
			var s *transport.Stream
			if s, err = conn.Stream(ctx, r.method, r.body); err == nil {
				body, err = s.Next(ctx)
				body = bytes.Clone(body)
				s.Close()
			}
		} else {
			body, err = conn.Call(ctx, r.method, r.body)
		}
		cancel()
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			list = append(list, spoken{r.method - 1, body})
		}
	}
	if len(list) < 5 {
		t.Fatalf("%d answers", len(list))
	}
	return list
}
