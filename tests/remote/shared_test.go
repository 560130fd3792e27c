package remote_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// TestR16: an ephemeral proc that several clients have named stays until the last of them
// has gone. It was destroyed with the first that went.
func TestR16(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := pipeproc.OpenMemory(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		ctx := context.Background()
		dial := wires()["pipe"](t, n)
		clients := [2]*transport.Conn{}
		for i := range clients {
			if clients[i], err = dial(&transport.DialOptions{ClientID: [16]byte{byte(i + 1)}}); err != nil {
				t.Fatal(err)
			}
			defer clients[i].Close()
			s, err := clients[i].Stream(ctx, message.MethodSession)
			if err == nil {
				_, err = s.Next(ctx)
			}
			if err != nil {
				t.Fatal(err)
			}
			m := message.JSON{Key: once.Key{Seq: 1, Floor: 1}, Name: message.Calls.EnsureProc.Name, Args: []byte(`{"name":"live","topic":"t","ephemeral":true}`)}
			if _, err := clients[i].Call(ctx, message.MethodJSON, m.Append(nil)); err != nil {
				t.Fatal(err)
			}
		}
		there := func() bool {
			_, err := n.InspectProc(ctx, "live")
			return err == nil
		}
		if i, err := n.InspectProc(ctx, "live"); err != nil || !i.Ephemeral {
			t.Fatal(i, err)
		}
		clients[0].Close()
		time.Sleep(time.Minute)
		if !there() {
			t.Error("it has gone with the first client")
		}
		clients[1].Close()
		time.Sleep(time.Minute)
		if there() {
			t.Error("it is there after the last client")
		}
	})
}

// TestR17: a request of which only a part has come does not hold up the end of a node.
func TestR17(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := pipeproc.OpenMemory(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		srv, err := rpc.NewServer(n, nil)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(context.Background(), l) }()
		nc := l.dial()
		defer nc.Close()
		h := &transport.Hello{MinVersion: 1, MaxVersion: 1, Limits: transport.Limits{MaxMessage: 1 << 20, StreamCredit: 1}, ClientID: [16]byte{1}}
		out := transport.AppendFrame(nil, transport.Frame{Kind: transport.KindHello, Payload: transport.AppendHello(nil, h)})
		out = transport.AppendFrame(out, transport.Frame{Kind: transport.KindRequest, More: true, Method: message.MethodCommit, Stream: 1, Payload: make([]byte, 100)})
		go func() { _, _ = nc.Write(out) }()
		r := transport.NewFrameReader(nc)
		if f, err := r.Next(); err != nil || f.Kind != transport.KindWelcome {
			t.Fatal(f.Kind, err)
		}
		synctest.Wait()
		go func() {
			for {
				if _, err := r.Next(); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		stop, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
