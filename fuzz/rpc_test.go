package fuzz

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/rpc/transport"
)

// rpcHello is a client's hello, as a frame.
func rpcHello() []byte {
	return transport.AppendFrame(nil, transport.Frame{Kind: transport.KindHello, Payload: transport.AppendHello(nil, &transport.Hello{
		MinVersion: 1, MaxVersion: 1, Name: "fuzz", Limits: transport.Limits{MaxMessage: 1 << 20, StreamCredit: 2000}})})
}

// rpcWelcome is a node's welcome, as a frame.
func rpcWelcome() []byte {
	return transport.AppendFrame(nil, transport.Frame{Kind: transport.KindWelcome, Payload: transport.AppendWelcome(nil, &transport.Welcome{
		Version: 1, Epoch: 3, Software: "fuzz", Limits: transport.Limits{MaxMessage: 1 << 20, MaxCalls: 10, MaxBytes: 1 << 21}})})
}

// rpcFrames are conversations: what clients send, and what nodes send.
func rpcFrames() (client, node []byte) {
	body := transport.AppendRequest(nil, time.Second, []byte("body"))
	for _, f := range []transport.Frame{
		{Kind: transport.KindRequest, Method: 1, Stream: 1, Payload: body},
		{Kind: transport.KindRequest, Method: 1, Stream: 2, More: true, Payload: body},
		{Kind: transport.KindRequest, Method: 2, Stream: 3, Payload: body},
		{Kind: transport.KindRequest, Method: 1, Stream: 2, Payload: []byte("more")},
		{Kind: transport.KindRequest, Method: 3, Stream: 4, Payload: body},
		{Kind: transport.KindRequest, Method: 4, Stream: 5, Payload: body},
		{Kind: transport.KindCredit, Stream: 3, Payload: []byte{0, 1, 0, 0}},
		{Kind: transport.KindCancel, Stream: 3},
		{Kind: transport.KindPing, Stream: 9},
	} {
		client = transport.AppendFrame(client, f)
	}
	for _, f := range []transport.Frame{
		{Kind: transport.KindItem, Stream: 1, Payload: []byte("item")},
		{Kind: transport.KindReply, Stream: 2, More: true, Payload: []byte("re")},
		{Kind: transport.KindItem, Stream: 1, More: true, Payload: []byte("it")},
		{Kind: transport.KindReply, Stream: 2, Payload: []byte("ply")},
		{Kind: transport.KindItem, Stream: 1, Payload: []byte("em")},
		{Kind: transport.KindPing, Stream: 9},
		{Kind: transport.KindPong, Stream: 3},
		{Kind: transport.KindEnd, Stream: 1},
		{Kind: transport.KindGoAway, Payload: []byte("bye")},
		{Kind: transport.KindError, Payload: transport.AppendError(nil, &transport.RemoteError{Code: "code", Text: "text", Details: []byte{1}})},
	} {
		node = transport.AppendFrame(node, f)
	}
	return client, node
}

// mendFrames puts the right checksum into every frame of b.
func mendFrames(b []byte) {
	for len(b) >= 24 {
		n := int(binary.LittleEndian.Uint32(b))
		if n > len(b)-24 {
			return
		}
		binary.LittleEndian.PutUint32(b[4:], uint32(xxhash.Sum64(b[8:24+n])))
		b = b[24+n:]
	}
}

// FuzzRPCFrame reads frames. The result must not depend on how the bytes are
// split, and must match its own encoding.
func FuzzRPCFrame(f *testing.F) {
	client, node := rpcFrames()
	f.Add(client, false)
	f.Add(node, true)
	f.Add(append(rpcHello(), rpcWelcome()...), true)
	f.Add(transport.AppendFrame(nil, transport.Frame{Kind: transport.KindReply, Stream: 1, Payload: make([]byte, 70_000)}), false)
	f.Add([]byte{0xff, 0xff, 0x0f, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, false)
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if mend {
			b = bytes.Clone(b)
			mendFrames(b)
		}
		bounded(t, len(b), 512<<10, 16, func() {
			whole := transport.NewFrameReader(bytes.NewReader(b))
			parts := transport.NewFrameReader(iotest.HalfReader(bytes.NewReader(b)))
			var again []byte
			for {
				x, err := whole.Next()
				y, err2 := parts.Next()
				if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
					t.Fatalf("%v, and in parts %v", err, err2)
				}
				if err != nil {
					if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, transport.ErrProtocol) {
						t.Fatal(err)
					}
					break
				}
				if x.Kind != y.Kind || x.More != y.More || x.Method != y.Method || x.Stream != y.Stream || !bytes.Equal(x.Payload, y.Payload) {
					t.Fatalf("%+v, and in parts %+v", x, y)
				}
				if again = transport.AppendFrame(again, x); !bytes.HasPrefix(b, again) {
					t.Fatalf("%+v is not what was there", x)
				}
			}
		})
	})
}

// FuzzRPCHello decodes hellos and welcomes.
func FuzzRPCHello(f *testing.F) {
	f.Add(rpcHello()[24:])
	f.Add(rpcWelcome()[24:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := transport.DecodeHello(b); err == nil {
			if again, err := transport.DecodeHello(transport.AppendHello(nil, &h)); err != nil || again != h {
				t.Fatalf("%+v became %+v, %v", h, again, err)
			}
		}
		if w, err := transport.DecodeWelcome(b); err == nil {
			if again, err := transport.DecodeWelcome(transport.AppendWelcome(nil, &w)); err != nil || again != w {
				t.Fatalf("%+v became %+v, %v", w, again, err)
			}
		}
	})
}

// FuzzRPCMessage decodes requests and errors.
func FuzzRPCMessage(f *testing.F) {
	f.Add(transport.AppendRequest(nil, time.Minute, []byte("body")))
	f.Add(transport.AppendError(nil, &transport.RemoteError{Code: "code", Text: "text", Details: []byte{1, 2}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, body, err := transport.DecodeRequest(b); err == nil && !bytes.Equal(transport.AppendRequest(nil, d, body), b) {
			t.Fatalf("%v %q", d, body)
		}
		e, err := transport.DecodeError(b)
		if err != nil {
			return
		}
		_ = e.Error()
		if len(e.Code) <= 64 && len(e.Text) <= 4096 && len(b) < 1<<18 && !bytes.Equal(transport.AppendError(nil, e), b) {
			t.Fatalf("%+v", e)
		}
	})
}

// fuzzHandler answers in every way there is.
func fuzzHandler(ctx context.Context, c *transport.Call) {
	switch c.Method() % 5 {
	case 1:
		_ = c.Reply(c.Body(), c.Body())
	case 2:
		for range 50 {
			if c.Item(c.Body()) != nil {
				return
			}
		}
		_ = c.End()
	case 3:
		_ = c.Fail("code", "text", c.Body())
	case 4:
		<-ctx.Done()
	}
}

// FuzzRPCServer sends bytes to a server, after a hello or not. The server ends
// the connection, holds no more memory than it may, and serves another client.
func FuzzRPCServer(f *testing.F) {
	client, _ := rpcFrames()
	f.Add(client, true, false)
	f.Add(client[:len(client)-30], true, true)
	f.Add(append(rpcHello(), client...), false, false)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), false, false)
	s, err := transport.NewServer(fuzzHandler, transport.ServerOptions{MaxMessage: 64 << 10, MaxBuffered: 128 << 10, MaxQueued: 64 << 10, MaxInFlight: 8})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, b []byte, hello, mend bool) {
		b = bytes.Clone(b)
		if mend {
			mendFrames(b)
		}
		if hello {
			b = append(rpcHello(), b...)
		}
		bounded(t, len(b), 4<<20, 256, func() {
			ours, theirs := net.Pipe()
			ended := make(chan error, 1)
			go func() { ended <- s.ServeConn(context.Background(), theirs) }()
			go func() {
				_, _ = ours.Write(b) // the server may end it before
				ours.Close()
			}()
			r := transport.NewFrameReader(ours)
			var err error
			for err == nil {
				_, err = r.Next()
			}
			if errors.Is(err, transport.ErrProtocol) {
				t.Fatalf("the server breaks the protocol: %v", err)
			}
			if err := <-ended; err == nil {
				t.Fatal("the connection ended without a reason")
			}
		})
	})
}

// FuzzRPCClient sends bytes to a client with a stream, a call and a ping in
// flight, after a welcome or not. All of them end.
func FuzzRPCClient(f *testing.F) {
	_, node := rpcFrames()
	f.Add(node, true, false)
	f.Add(node[:len(node)-30], true, true)
	f.Add(append(rpcWelcome(), node...), false, true)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), false, false)
	f.Fuzz(func(t *testing.T, b []byte, welcome, mend bool) {
		b = bytes.Clone(b)
		if mend {
			mendFrames(b)
		}
		bounded(t, len(b), 4<<20, 256, func() {
			ours, theirs := net.Pipe()
			requests := 0
			if welcome {
				requests = 3
			}
			seen := make(chan struct{}, 3)
			go feedClient(theirs, b, requests, seen)
			o := &transport.DialOptions{Timeout: time.Minute, MaxMessage: 64 << 10, StreamCredit: 1000}
			c, err := transport.NewConn(context.Background(), ours, o)
			if err != nil {
				return
			}
			defer c.Close()
			useClient(t, c, seen)
		})
	})
}

// feedClient plays a node: it reads the hello, sends a welcome if requests are
// expected, waits for them, and sends b.
func feedClient(nc net.Conn, b []byte, requests int, seen chan<- struct{}) {
	defer close(seen)
	defer nc.Close()
	r := transport.NewFrameReader(nc)
	if _, err := r.Next(); err != nil {
		return
	}
	if requests > 0 {
		if _, err := nc.Write(rpcWelcome()); err != nil {
			return
		}
	}
	for range requests {
		if _, err := r.Next(); err != nil {
			return
		}
		seen <- struct{}{}
	}
	go func() { _, _ = io.Copy(io.Discard, nc) }() // what the client sends to it
	_, _ = nc.Write(b)                             // the client may end it before
}

// useClient makes a stream, a call and a ping, in this order.
func useClient(t *testing.T, c *transport.Conn, seen <-chan struct{}) {
	ctx := context.Background()
	s, err := c.Stream(ctx, 1, []byte("body"))
	if err != nil {
		return
	}
	<-seen
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = c.Call(ctx, 2, []byte("body")) })
	<-seen
	wg.Go(func() { _ = c.Ping(ctx) })
	for err == nil {
		_, err = s.Next(ctx)
	}
	<-c.Done()
	wg.Wait()
	if c.Err() == nil {
		t.Fatal("the connection ended without a reason")
	}
}
