package transport

import (
	"errors"
	"net"
	"strings"
	"testing"
)

func mustListen(t testing.TB, a Addr) *Listener {
	t.Helper()
	l, err := Listen(t.Context(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestListenTCPInUse(t *testing.T) {
	l := mustListen(t, Addr{Scheme: SchemeTCP, Host: "127.0.0.1"})
	if _, err := Listen(t.Context(), l.Address(), nil); !errors.Is(err, ErrAddressInUse) || !strings.Contains(err.Error(), l.Address().String()) {
		t.Error(err)
	}
}

// TCP without TLS is for this machine, unless the operator says otherwise.
func TestListenPlain(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "localhost"} {
		l := mustListen(t, Addr{Scheme: SchemeTCP, Host: host})
		if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() || l.Address().Host != host || l.Address().Port == 0 {
			t.Errorf("%s: %v, %v", host, ip, l.Address())
		}
	}
	for _, host := range []string{"0.0.0.0", "192.0.2.1", "::"} {
		if l, err := Listen(t.Context(), Addr{Scheme: SchemeTCP, Host: host}, nil); !errors.Is(err, ErrInvalidOptions) || !strings.Contains(err.Error(), "AllowPlain") {
			t.Errorf("%s: %v, %v", host, l, err)
		}
	}
	l, err := Listen(t.Context(), Addr{Scheme: SchemeTCP, Host: "0.0.0.0"}, &ListenOptions{AllowPlain: true})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestTCP(t *testing.T) {
	f := newFixture()
	hosts := []string{"127.0.0.1"}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		l.Close()
		hosts = append(hosts, "::1")
	}
	for _, host := range hosts {
		_, a := startAt(t, f.handle, ServerOptions{}, Addr{Scheme: SchemeTCP, Host: host}, nil)
		c := dial(t, a, nil)
		healthy(t, c)
		if b, err := c.Call(ctxFor(t), mPeer); err != nil || !strings.HasPrefix(string(b), "tcp ") {
			t.Errorf("%s, %v", b, err)
		}
		drain(t, openStream(t, c, 100, 50_000), 100, 50_000)
	}
}
