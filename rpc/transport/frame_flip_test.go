package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// conversation is what a client sends, and where each request ends.
func conversation() (all []byte, ends []int) {
	all = AppendFrame(nil, Frame{Kind: KindHello, Payload: AppendHello(nil, someHello())})
	ends = append(ends, len(all))
	add := func(frames ...Frame) {
		for _, f := range frames {
			all = AppendFrame(all, f)
		}
		ends = append(ends, len(all))
	}
	first := request(1, mEcho, "one, ")
	first.More = true
	add(first, Frame{Kind: KindPing, Stream: 9}, Frame{Kind: KindRequest, Stream: 1, Method: mEcho, Payload: []byte("two")})
	add(request(2, mEcho, ""))
	add(request(3, mEcho, "three"))
	return all, ends
}

var answers = map[uint64]string{1: "one, two", 2: "", 3: "three"}

// TestFlipToNode flips a bit of every byte that a client sends. The node
// answers nothing from there on, and never wrongly; another client continues.
func TestFlipToNode(t *testing.T) {
	f := newFixture()
	_, a := start(t, f.handle, ServerOptions{})
	other := dial(t, a, nil)
	all, ends := conversation()
	for i := range all {
		b := slices.Clone(all)
		b[i] ^= 1 << (i % 8)
		whole := 0 // requests before the flip
		for whole+1 < len(ends) && ends[whole+1] <= i {
			whole++
		}
		p := rawDial(t, a)
		_, _ = p.nc.Write(b) // the node may have closed the connection by then
		_ = p.nc.(*net.UnixConn).CloseWrite()
		n := 0
		for {
			g, err := p.r.Next()
			if err != nil {
				break
			}
			if g.Kind == KindReply {
				n++
				if want, ok := answers[g.Stream]; !ok || string(g.Payload) != want {
					t.Fatalf("byte %d: %q on stream %d", i, g.Payload, g.Stream)
				}
			}
		}
		if n > whole {
			t.Fatalf("byte %d: %d answers to %d requests", i, n, whole)
		}
		p.nc.Close()
		if i%10 == 0 {
			healthy(t, other)
		}
	}
}

// TestSplitToNode cuts what a client sends in two at every byte.
func TestSplitToNode(t *testing.T) {
	all, _ := conversation()
	for i := range len(all) + 1 {
		bubble(t, ServerOptions{}, func(t *testing.T, _ *fixture, l *pipeListener) {
			nc := l.dial()
			var wg sync.WaitGroup
			wg.Go(func() {
				_, _ = nc.Write(all[:i])
				time.Sleep(time.Second) // of the bubble's clock
				_, _ = nc.Write(all[i:])
			})
			r := NewFrameReader(nc)
			got := map[uint64]string{}
			for len(got) < 3 {
				g, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if g.Kind == KindReply {
					got[g.Stream] = string(g.Payload)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(answers) {
				t.Errorf("byte %d: %v", i, got)
			}
			wg.Wait()
			nc.Close()
		})
	}
}

// script plays a node to a client: b, of which the welcome is the first part, is
// sent when the client has said hello and made its calls.
func script(nc net.Conn, b []byte, welcome, requests int) {
	r := NewFrameReader(nc)
	if _, err := r.Next(); err != nil {
		return
	}
	go func() {
		_, _ = nc.Write(b[:welcome])
		for range requests {
			if _, err := r.Next(); err != nil {
				break
			}
		}
		_, _ = nc.Write(b[welcome:])
		_ = nc.(*net.UnixConn).CloseWrite()
		_, _ = io.Copy(io.Discard, nc)
		nc.Close()
	}()
}

// TestFlipToClient flips a bit of every byte that a node sends.
func TestFlipToClient(t *testing.T) {
	w := Welcome{Version: 1, Limits: Limits{MaxMessage: 1 << 20, MaxCalls: 10, MaxBytes: 1 << 20}}
	all := AppendFrame(nil, Frame{Kind: KindWelcome, Payload: AppendWelcome(nil, &w)})
	welcome := len(all)
	for _, f := range []Frame{
		{Kind: KindItem, Stream: 1, More: true, Payload: []byte("one, ")},
		{Kind: KindReply, Stream: 2, Payload: []byte("reply")},
		{Kind: KindItem, Stream: 1, Payload: []byte("two")},
		{Kind: KindEnd, Stream: 1},
	} {
		all = AppendFrame(all, f)
	}
	run := func(i int, b []byte) (whole bool) {
		client, node := socketPair(t)
		defer node.Close()
		go script(node, b, welcome, 2)
		timeout := patience
		if i >= 0 && i < 4 { // a longer welcome never comes
			timeout = 100 * time.Millisecond
		}
		c, err := NewConn(ctxFor(t), client, &DialOptions{Timeout: timeout})
		if err != nil {
			return false
		}
		defer c.Close()
		s, err := c.Stream(ctxFor(t), 1)
		if err != nil {
			return false
		}
		reply, callErr := c.Call(ctxFor(t), 2)
		if callErr == nil && string(reply) != "reply" {
			t.Fatalf("byte %d: %q", i, reply)
		}
		item, itemErr := s.Next(ctxFor(t))
		if itemErr == nil && string(item) != "one, two" || itemErr == io.EOF {
			t.Fatalf("byte %d: %q, %v", i, item, itemErr)
		}
		_, end := s.Next(ctxFor(t))
		for _, err := range []error{callErr, itemErr, end} {
			if err != nil && err != io.EOF && !errors.Is(err, ErrDisconnected) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
		within(t, "the end of the connection", c.Done())
		return end == io.EOF && itemErr == nil && callErr == nil
	}
	if !run(-1, all) {
		t.Fatal("the script does not work")
	}
	for i := range all {
		b := bytes.Clone(all)
		b[i] ^= 1 << (i % 8)
		if run(i, b) {
			t.Fatalf("a flip of byte %d was not seen", i)
		}
	}
}

// socketPair returns two ends of a connection over a unix socket.
func socketPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", socketDir(t)+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("unix", l.Addr().String()); err == nil {
		b, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}
