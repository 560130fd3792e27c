package transport

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// fakeNode welcomes a client on a pipe, and then gives each frame to on.
func fakeNode(t *testing.T, o *DialOptions, on func(nc net.Conn, f Frame)) *Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	go func() {
		r := NewFrameReader(theirs)
		if _, err := r.Next(); err != nil {
			return
		}
		w := &Welcome{Version: 1, Limits: Limits{MaxMessage: 1 << 20, MaxCalls: 100, MaxBytes: 1 << 24}}
		_, _ = theirs.Write(AppendFrame(nil, Frame{Kind: KindWelcome, Payload: AppendWelcome(nil, w)}))
		for {
			f, err := r.Next()
			if err != nil {
				return
			}
			on(theirs, f)
		}
	}()
	c, err := NewConn(context.Background(), ours, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestR12: a call on a connection whose other end is gone fails within DeadAfter. A node
// that takes long, and answers pings, is waited for; a client that waits for nothing, or
// for what does not count, sends no ping.
func TestR12(t *testing.T) {
	const dead = 10 * time.Second
	t.Run("dead", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := fakeNode(t, &DialOptions{DeadAfter: dead}, func(net.Conn, Frame) {})
			defer c.Close()
			time.Sleep(time.Hour)
			began := time.Now()
			if _, err := c.Call(context.Background(), mEcho); !errors.Is(err, ErrDisconnected) || errors.Is(err, ErrNotSent) {
				t.Error(err)
			}
			if took := time.Since(began); took > dead {
				t.Errorf("it took %v", took)
			}
		})
	})
	t.Run("after a call ran out of time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := fakeNode(t, &DialOptions{DeadAfter: dead}, func(net.Conn, Frame) {})
			defer c.Close()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if _, err := c.Call(ctx, mEcho); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			time.Sleep(dead)
			if err := c.Err(); err == nil {
				t.Error("the connection is still there")
			}
		})
	})
	t.Run("slow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pings := 0
			c := fakeNode(t, &DialOptions{DeadAfter: dead}, func(nc net.Conn, f Frame) {
				switch f.Kind {
				case KindPing:
					pings++
					_, _ = nc.Write(AppendFrame(nil, Frame{Kind: KindPong, Stream: f.Stream}))
				case KindRequest:
					time.AfterFunc(time.Hour, func() {
						_, _ = nc.Write(AppendFrame(nil, Frame{Kind: KindReply, Stream: f.Stream}))
					})
				}
			})
			defer c.Close()
			if _, err := c.Call(context.Background(), mEcho); err != nil {
				t.Error(err)
			}
			if pings == 0 {
				t.Error("there was no ping")
			}
		})
	})
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := fakeNode(t, &DialOptions{DeadAfter: dead, Idle: func(m uint16) bool { return m == mStream }}, func(nc net.Conn, f Frame) {
				if f.Kind == KindPing {
					t.Error("a ping")
				}
			})
			defer c.Close()
			s, err := c.Stream(context.Background(), mStream)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			time.Sleep(time.Hour)
			if err := c.Err(); err != nil {
				t.Error(err)
			}
		})
	})
}
