package remote_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// hostile is a client that writes frames and reads nothing, unless it is told to.
type hostile struct {
	t  *testing.T
	nc net.Conn
}

func newHostile(t *testing.T, addr string, credit uint32) *hostile {
	t.Helper()
	a, err := transport.ParseAddr(addr)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("unix", a.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	h := &hostile{t, nc}
	hello := &transport.Hello{MinVersion: 1, MaxVersion: 1, Limits: transport.Limits{MaxMessage: 1 << 30, StreamCredit: credit}, ClientID: [16]byte{1}}
	h.send(transport.Frame{Kind: transport.KindHello, Payload: transport.AppendHello(nil, hello)})
	return h
}

// send sends frames, and reports whether the node has taken them.
func (h *hostile) send(frames ...transport.Frame) bool {
	var b []byte
	for _, f := range frames {
		b = transport.AppendFrame(b, f)
	}
	_ = h.nc.SetWriteDeadline(time.Now().Add(time.Second))
	_, err := h.nc.Write(b)
	return err == nil
}

func call(stream uint64, method uint16, body []byte) transport.Frame {
	return transport.Frame{Kind: transport.KindRequest, Stream: stream, Method: method, Payload: transport.AppendRequest(nil, 0, body)}
}

// heapPeak returns the largest heap while fn runs, beyond the one before it, in bytes.
func heapPeak(fn func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	read := func() int64 {
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapInuse)
	}
	before, peak := read(), int64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				peak = max(peak, read())
			case <-stop:
				return
			}
		}
	}()
	fn()
	close(stop)
	<-done
	return peak - before
}

// bounded demands that fn takes less than limit bytes of heap, and that another client is
// served meanwhile.
func bounded(t *testing.T, addr string, limit int64, fn func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := rpc.Connect(ctx, addr, &rpc.ConnectOptions{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	peak := heapPeak(func() {
		fn()
		if _, err := c.Commit(ctx, pipeproc.Record{Topic: "others", Body: []byte("x")}); err != nil {
			t.Errorf("another client: %v", err)
		}
	})
	if peak > limit {
		t.Errorf("it took %d MiB, more than %d", peak>>20, limit>>20)
	}
	t.Logf("%d MiB", peak>>20)
}

// TestR2: a client that asks for large records and reads nothing makes the node load a few
// of them, whatever credit it gives and however often it asks.
func TestR2(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	addr := serveWith(t, n, &rpc.ServeOptions{MaxMemory: 64 << 20})
	ctx := context.Background()
	for range 10 {
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: bytes.Repeat([]byte{1}, 15<<20)}); err != nil {
			t.Fatal(err)
		}
	}
	const room = 64<<20 + 4*3*15<<20 + 60<<20 // the limit, what is loaded at once with its copies, and garbage
	for name, ask := range map[string]func(i uint64) transport.Frame{
		"range": func(i uint64) transport.Frame {
			return call(i, message.MethodRange, (&message.Range{Topic: "t", Flags: message.RangeSpan, To: 10}).Append(nil))
		},
		"reverse": func(i uint64) transport.Frame {
			return call(i, message.MethodRange, (&message.Range{Topic: "t", Flags: message.RangeSpan | message.RangeReverse, To: 10}).Append(nil))
		},
		"get": func(i uint64) transport.Frame {
			return call(i, message.MethodGet, (&message.Get{Topic: "t", Seq: i % 10}).Append(nil))
		},
	} {
		for credit, what := range map[uint32]string{1: "credit 1", 1 << 30: "any credit"} {
			t.Run(name+"/"+what, func(t *testing.T) {
				bounded(t, addr, room, func() {
					for range 5 {
						h := newHostile(t, addr, credit)
						var all []transport.Frame
						for i := uint64(1); i <= 200; i++ {
							all = append(all, ask(i))
						}
						h.send(all...)
					}
					// What they asked for is under way by the time that this is answered.
					other, err := rpc.Connect(ctx, addr, nil)
					if err != nil {
						t.Fatal(err)
					}
					defer other.Close()
					for range 100 {
						if _, err := other.Length(ctx, "t"); err != nil {
							t.Fatal(err)
						}
					}
				})
			})
		}
	}
}

// TestR3: what a request of a few bytes a piece decodes to takes no more memory than its
// bytes allow, and who may not make it has nothing of it kept.
func TestR3(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	const limit = 64 << 20
	addr := serveWith(t, n, &rpc.ServeOptions{MaxMemory: limit, Access: func(p *transport.Peer) rpc.Access {
		if p.Name == "reader" {
			return rpc.AccessRead
		}
		return rpc.AccessAll
	}})
	key := []byte{1, 1, 0}
	uvarints := func(b []byte, v ...uint64) []byte {
		for _, x := range v {
			b = binary.AppendUvarint(b, x)
		}
		return b
	}
	large := func(h *hostile, stream uint64, method uint16, body []byte) {
		body = transport.AppendRequest(nil, 0, body)
		for len(body) > 0 {
			k := min(len(body), 1<<20)
			if !h.send(transport.Frame{Kind: transport.KindRequest, Stream: stream, Method: method, More: k < len(body), Payload: body[:k]}) {
				return
			}
			body = body[k:]
		}
	}
	const most = 70 << 20
	cuts := uvarints(append(bytes.Clone(key), 0, 0), 1, 1)
	cuts = append(cuts, 't', 0, 0)
	cuts = uvarints(cuts, most/3)
	cuts = append(cuts, bytes.Repeat([]byte{1, 1}, most/3)...)
	cuts = append(cuts, make([]byte, most-len(cuts))...)
	topics := uvarints(append(bytes.Clone(key), 0, 0), most/9)
	for i := uint32(0); len(topics) < most-12; i++ {
		topics = append(topics, 4)
		topics = binary.LittleEndian.AppendUint32(topics, i|0x41414141)
		topics = append(topics, 0, 0, 0)
	}
	names := append(uvarints(nil, most-10), make([]byte, most-10)...)
	for name, fn := range map[string]func(){
		"24 million blocks": func() { large(newHostile(t, addr, 1), 1, message.MethodCommit, cuts) },
		"millions of topics": func() {
			large(newHostile(t, addr, 1), 1, message.MethodCommit, topics)
		},
		"73 million names": func() { large(newHostile(t, addr, 1), 1, message.MethodWaitForProcs, names) },
		"a large JSON call": func() {
			from := append([]byte(`{"from":["a"`), bytes.Repeat([]byte(`,""`), most/4)...)
			j := (&message.JSON{Key: once.Key{Seq: 1, Floor: 1}, Name: "systemProc", Args: append(from, "]}"...)}).Append(nil)
			large(newHostile(t, addr, 1), 1, message.MethodJSON, j)
		},
		"40 halves of the largest request": func() {
			var wg sync.WaitGroup
			piece := make([]byte, 1<<20)
			for range 40 {
				wg.Go(func() {
					h := newHostile(t, addr, 1)
					for i := 0; i < 36 && h.send(transport.Frame{Kind: transport.KindRequest, Stream: 1, Method: message.MethodCommit, More: true, Payload: piece}); i++ {
						continue
					}
				})
			}
			wg.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			runtime.GC()
			bounded(t, addr, limit+3*128<<20, fn)
		})
	}
}

// TestR3OthersGoOn: 200 clients have each begun a request of the largest size and do not go
// on. Acknowledgements go through.
func TestR3OthersGoOn(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	addr := serveNode(t, n)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := rpc.Connect(ctx, addr, &rpc.ConnectOptions{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	k, err := c.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 1<<20)
	for range 200 {
		h := newHostile(t, addr, 1)
		go func() {
			for i := 0; i < 4 && h.send(transport.Frame{Kind: transport.KindRequest, Stream: 1, Method: message.MethodCommit, More: true, Payload: piece}); i++ {
				continue
			}
		}()
	}
	for range 100 {
		if _, err := c.Length(ctx, "t"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Ack(ctx, "p", k.Token); err != nil {
		t.Error(err)
	}
}
