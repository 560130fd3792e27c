package conformance_test

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/conformance"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

func options(o conformance.Options) *pipeproc.Options {
	return &pipeproc.Options{MaxBody: o.MaxBody, MaxBatch: o.MaxBatch, Workers: o.Workers, CloseGrace: o.CloseGrace, GC: o.GC, WALSize: 256 << 10}
}

func openDisk(t testing.TB, dir string, o conformance.Options) *pipeproc.Node {
	t.Helper()
	n, err := pipeproc.Open(dir, options(o))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func openMemory(t testing.TB, o conformance.Options) *pipeproc.Node {
	t.Helper()
	n, err := pipeproc.OpenMemory(options(o))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// shut closes a store that may already be closed.
func shut(t testing.TB, s pipeproc.Store) {
	if err := s.Close(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error("closing:", err)
	}
}

// embedded is a node in this process.
func embedded(disk bool) conformance.Factory {
	return func(t testing.TB, o conformance.Options) conformance.Instance {
		var n *pipeproc.Node
		in := conformance.Instance{}
		if disk {
			dir := t.TempDir()
			n = openDisk(t, dir, o)
			in.Restart = func() pipeproc.Store {
				shut(t, n)
				n = openDisk(t, dir, o)
				return n
			}
		} else {
			n = openMemory(t, o)
		}
		t.Cleanup(func() { shut(t, n) })
		in.Store = n
		return in
	}
}

// served is a node that is reached over a socket.
type served struct {
	t       testing.TB
	o       conformance.Options
	addr    transport.Addr
	listen  *tls.Config
	dial    *tls.Config
	open    func() *pipeproc.Node
	n       *pipeproc.Node
	clients []*rpc.Client
	done    chan error
	stop    context.CancelFunc
	at      string
}

func (s *served) start() {
	s.t.Helper()
	s.n = s.open()
	l, err := transport.Listen(context.Background(), s.addr, &transport.ListenOptions{TLS: s.listen})
	if err != nil {
		s.t.Fatal(err)
	}
	s.at = s.addr.String()
	if s.addr.Scheme != transport.SchemeUnix { // the port is known now
		s.at = s.addr.Scheme + "://" + l.Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.done = cancel, make(chan error, 1)
	go func() { s.done <- rpc.Serve(ctx, s.n, l, nil) }()
}

func (s *served) client() pipeproc.Store {
	s.t.Helper()
	c, err := rpc.Connect(context.Background(), s.at, &rpc.ConnectOptions{TLS: s.dial, Workers: s.o.Workers, CloseGrace: s.o.CloseGrace, Timeout: 20 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	s.clients = append(s.clients, c)
	return c
}

func (s *served) end() {
	s.t.Helper()
	for _, c := range s.clients {
		shut(s.t, c)
	}
	s.clients = nil
	s.stop()
	if err := <-s.done; err != nil {
		s.t.Error("serving:", err)
	}
	shut(s.t, s.n)
}

// remote is a node that is served at an address. With the scheme unix each gets
// its own socket.
func remote(scheme string, disk bool) conformance.Factory {
	return func(t testing.TB, o conformance.Options) conformance.Instance {
		text := scheme + "://127.0.0.1:0"
		if scheme == "unix" {
			dir, err := os.MkdirTemp("", "pp") // t.TempDir is too long for a socket's name
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			text = "unix://" + dir + "/s"
		}
		addr, err := transport.ParseAddr(text)
		if err != nil {
			t.Fatal(err)
		}
		s := &served{t: t, o: o, addr: addr}
		if scheme == "tls" {
			s.listen, s.dial = certificates()
		}
		if disk {
			dir := t.TempDir()
			s.open = func() *pipeproc.Node { return openDisk(t, dir, o) }
		} else {
			s.open = func() *pipeproc.Node { return openMemory(t, o) }
		}
		s.start()
		t.Cleanup(func() { s.end() })
		return conformance.Instance{Store: s.client(), Another: s.client, Restart: func() pipeproc.Store {
			s.end()
			s.start()
			return s.client()
		}}
	}
}

type kind struct {
	name string
	open conformance.Factory
}

func TestConformance(t *testing.T) {
	equal(t, conformance.Run, []kind{
		{"disk", embedded(true)}, {"memory", embedded(false)},
		{"unix", remote("unix", false)}, {"tcp", remote("tcp", false)}, {"tls", remote("tls", false)},
	})
}

func TestConformancePersistent(t *testing.T) {
	equal(t, conformance.RunPersistent, []kind{
		{"disk", embedded(true)}, {"unix", remote("unix", true)}, {"tcp", remote("tcp", true)}, {"tls", remote("tls", true)},
	})
}

// equal runs a suite on each kind of store, and checks that the number of tests
// that ran is the same on each.
func equal(t *testing.T, run func(*testing.T, conformance.Factory) int, kinds []kind) {
	var mu sync.Mutex
	ran := map[string]int{}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			n := run(t, k.open)
			mu.Lock()
			defer mu.Unlock()
			ran[k.name] = n
		})
	}
	t.Logf("tests that ran: %v", ran)
	counts := slices.Sorted(maps.Values(ran))
	if len(counts) > 0 && counts[0] != counts[len(counts)-1] {
		t.Errorf("not as many on each: %v", ran)
	}
}
