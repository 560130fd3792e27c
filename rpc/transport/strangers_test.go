package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// from is a connection of an address of its own.
type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

// comes has a connection come from an address, and returns the client's end.
func (l *pipeListener) comes(ip string) net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- from{theirs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}
	return ours
}

// TestR6: strangers that come from one host, as fast as they can, do not keep a client out
// whose hello takes long, and they fill no log. Nor do those of many hosts, for long.
func TestR6(t *testing.T) {
	for name, host := range map[string]func(i int) string{
		"IPv4":         func(int) string { return "192.0.2.1" },
		"IPv6 network": func(i int) string { return fmt.Sprintf("2001:db8::%x", i+1) },
		"IPv4 in IPv6": func(int) string { return "::ffff:192.0.2.1" },
	} {
		t.Run(name, func(t *testing.T) {
			lines := &countingHandler{}
			bubble(t, ServerOptions{HelloTimeout: 5 * time.Second, Logger: slog.New(lines)}, func(t *testing.T, f *fixture, l *pipeListener) {
				nc := l.comes("198.51.100.7")
				for i := range 1000 {
					l.comes(host(i))
					if i%10 == 0 {
						time.Sleep(time.Millisecond)
					}
				}
				c, err := NewConn(context.Background(), nc, nil)
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				time.Sleep(time.Minute)
				if n := lines.n.Load(); n > 2*(refusalLines+1) {
					t.Errorf("%d lines were logged", n)
				}
			})
		})
	}
	t.Run("many hosts", func(t *testing.T) {
		bubble(t, ServerOptions{}, func(t *testing.T, f *fixture, l *pipeListener) {
			in := 0
			for try := range 50 {
				nc := l.comes("198.51.100.7")
				for i := range maxHandshaking {
					l.comes(fmt.Sprintf("10.0.%d.%d", try, i))
				}
				if c, err := NewConn(context.Background(), nc, nil); err == nil {
					in++
					c.Close()
				}
			}
			if in < 5 {
				t.Errorf("a client got in %d times of 50", in)
			}
		})
	})
}

// TestR7: clients over the network leave places for unix sockets, and those of one address
// for others.
func TestR7(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		s, err := NewServer(f.handle, ServerOptions{MaxConns: 80})
		if err != nil {
			t.Fatal(err)
		}
		l := newPipeListener()
		go s.Serve(context.Background(), l)
		dial := func(ip string) error {
			c, err := NewConn(context.Background(), l.comes(ip), nil)
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			return err
		}
		n := 0
		var full error
		for ; n < 80 && full == nil; n++ {
			full = dial("192.0.2.1")
		}
		if r, ok := errors.AsType[*RemoteError](full); n-1 != 60 || !ok || r.Code != CodeOverloaded || !strings.Contains(r.Text, "192.0.2.1") {
			t.Errorf("one address has %d: %v", n-1, full)
		}
		others := 0
		for i := range 40 {
			if dial(fmt.Sprintf("192.0.2.%d", i+2)) == nil {
				others++
			}
		}
		if others != 10 {
			t.Errorf("others have %d", others)
		}
		ours, theirs := net.Pipe()
		l.conns <- from{theirs, nil}
		synctest.Wait()
		s.mu.Lock()
		for _, c := range s.handshaking {
			c.peer.Transport = SchemeUnix // as a pipe is none
		}
		s.mu.Unlock()
		c, err := NewConn(context.Background(), ours, nil)
		if err != nil {
			t.Error("over a unix socket:", err)
		} else {
			c.Close()
		}
		s.Close()
		_ = s.Shutdown(context.Background())
	})
}

// countingHandler counts lines of a log.
type countingHandler struct {
	slog.Handler
	n atomic.Int32
}

func (h *countingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *countingHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *countingHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		h.n.Add(1)
	}
	return nil
}
