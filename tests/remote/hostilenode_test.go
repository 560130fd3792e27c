package remote_test

import (
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// hostileNode greets clients, and answers each range with what answer returns.
func hostileNode(t *testing.T, answer func(stream uint64) []transport.Frame) (addr string) {
	t.Helper()
	path := t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	serve := func(nc net.Conn) {
		defer nc.Close()
		r := transport.NewFrameReader(nc)
		if _, err := r.Next(); err != nil {
			return
		}
		w := &transport.Welcome{Version: 1, NodeID: [16]byte{1}, Limits: transport.Limits{MaxMessage: 1 << 20, MaxCalls: 100, MaxBytes: 1 << 24}}
		out := transport.AppendFrame(nil, transport.Frame{Kind: transport.KindWelcome, Payload: transport.AppendWelcome(nil, w)})
		for {
			if _, err := nc.Write(out); err != nil {
				return
			}
			f, err := r.Next()
			if err != nil {
				return
			}
			out = out[:0]
			switch {
			case f.Kind == transport.KindRequest && f.Method == message.MethodSession:
				out = transport.AppendFrame(out, transport.Frame{Kind: transport.KindItem, Stream: f.Stream})
			case f.Kind == transport.KindRequest && f.Method == message.MethodRange:
				for _, a := range answer(f.Stream) {
					a.Stream = f.Stream
					out = transport.AppendFrame(out, a)
				}
			}
		}
	}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go serve(nc)
		}
	}()
	return "unix://" + path
}

// TestR18: what a node sends that the protocol does not have is an error, and no end of a
// range without records.
func TestR18(t *testing.T) {
	span := transport.Frame{Kind: transport.KindItem, Payload: message.Span{From: 0, To: 10}.Append(nil)}
	end := transport.Frame{Kind: transport.KindEnd}
	item := func(b ...byte) transport.Frame { return transport.Frame{Kind: transport.KindItem, Payload: b} }
	for name, frames := range map[string][]transport.Frame{
		"2^60 records":        {span, item(binary.AppendUvarint([]byte{message.ItemRecords}, 1<<60)...), end},
		"records cut off":     {span, item(message.ItemRecords, 2, 1, 1), end},
		"no span":             {end},
		"records before it":   {item(message.ItemRecords, 0), span, end},
		"an empty item":       {span, item(), end},
		"an item of no kind":  {span, item(9), end},
		"a block of nothing":  {span, item(message.ItemBlock), end},
		"a reply":             {{Kind: transport.KindReply}},
		"a reply after items": {span, {Kind: transport.KindReply}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := hostileNode(t, func(uint64) []transport.Frame { return frames })
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			c, err := rpc.Connect(ctx, addr, &rpc.ConnectOptions{RetryFor: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, o := range []pipeproc.RangeOptions{{}, {Reverse: true}} {
				var last error
				n := 0
				for _, err := range c.Range(ctx, "t", o) {
					last = err
					n++
				}
				if last == nil || n > 1 {
					t.Errorf("%+v: %d records, %v", o, n, last)
				}
			}
		})
	}
}
