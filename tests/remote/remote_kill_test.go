package remote_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/vfs"
)

// mortal is a served node that can be killed and comes back at the same address.
type mortal struct {
	t    *testing.T
	addr transport.Addr
	disk *vfs.Crash
	n    *pipeproc.Node
	srv  *rpc.Server
	done chan error
}

func newMortal(t *testing.T) *mortal {
	t.Helper()
	addr, err := transport.ParseAddr("unix://" + t.TempDir() + "/node.sock")
	if err != nil {
		t.Fatal(err)
	}
	m := &mortal{t: t, addr: addr, disk: vfs.NewCrash()}
	m.start()
	t.Cleanup(m.stop)
	return m
}

func (m *mortal) start() {
	m.t.Helper()
	n, err := pipeproc.Open("s", &pipeproc.Options{FS: m.disk, WALSize: 256 << 10})
	if err != nil {
		m.t.Fatal(err)
	}
	l, err := transport.Listen(context.Background(), m.addr, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	srv, err := rpc.NewServer(n, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(context.Background(), l) }()
	m.n, m.srv, m.done = n, srv, done
}

// kill leaves what a killed process leaves, and starts a new one.
func (m *mortal) kill() {
	m.t.Helper()
	m.srv.Close() // nothing is answered any more
	disk := m.disk.Kill()
	m.stop()
	m.disk = disk
	m.start()
}

func (m *mortal) stop() {
	m.t.Helper()
	m.srv.Close()
	if err := <-m.done; err != nil {
		m.t.Error(err)
	}
	if err := m.n.Close(); err != nil {
		m.t.Error(err)
	}
}

// TestRemoteUnderKills: clients commit and consume while the node is killed
// again and again. What was acknowledged is there, and nothing is there twice.
func TestRemoteUnderKills(t *testing.T) {
	const clients, each, kills = 4, 250, 30
	m := newMortal(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var mu sync.Mutex
	acked, unknown := map[string]bool{}, map[string]bool{}
	claimed := map[string]int{} // bodies whose acknowledgement came through
	var wg sync.WaitGroup
	for i := range clients {
		c, err := rpc.Connect(ctx, m.addr.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		wg.Go(func() {
			for k := range each {
				body := fmt.Sprintf("%d-%d", i, k)
				_, err := c.Commit(ctx, pipeproc.Record{Topic: "in", Body: []byte(body)})
				mu.Lock()
				switch {
				case err == nil:
					acked[body] = true
				case errors.Is(err, pipeproc.ErrOutcomeUnknown):
					unknown[body] = true
				default:
					t.Error(body, err)
				}
				mu.Unlock()
			}
		})
		wg.Go(func() {
			proc := fmt.Sprintf("p%d", i)
			for range each {
				k, err := c.Claim(ctx, pipeproc.ProcOptions{Name: proc, Topic: "in", Count: 5})
				if err != nil {
					t.Error(err)
					return
				}
				if k.Empty() {
					continue
				}
				_, _, err = c.AckCommit(ctx, proc, k.Token, pipeproc.Record{Topic: "out" + proc, Body: []byte(k.Range.String())})
				if err == nil {
					mu.Lock()
					for _, r := range k.Records {
						claimed[proc+" "+string(r.Body)]++
					}
					mu.Unlock()
				} else if !errors.Is(err, pipeproc.ErrClaimLost) && !errors.Is(err, pipeproc.ErrOutcomeUnknown) {
					t.Error(err)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		wg.Wait()
		close(finished)
	}()
	n := 0
	for range kills {
		select {
		case <-finished:
		case <-time.After(30 * time.Millisecond): // somewhere in the middle of their work
			m.kill()
			n++
		}
	}
	<-finished
	seen := map[string]int{}
	for r, err := range m.n.Range(ctx, "in", pipeproc.RangeOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		seen[string(r.Body)]++
	}
	lost, doubled := 0, 0
	for body := range acked {
		if seen[body] == 0 {
			lost++
		}
	}
	for _, k := range seen {
		if k > 1 {
			doubled++
		}
	}
	for what, k := range claimed {
		if k > 1 {
			t.Errorf("%s was acknowledged %d times", what, k)
		}
	}
	t.Logf("%d kills, %d acknowledged, %d unknown, lost %d, doubled %d; %d records acknowledged by procs", n, len(acked), len(unknown), lost, doubled, len(claimed))
	if lost > 0 || doubled > 0 || len(unknown) > 0 {
		t.Error("the node remembers what its clients sent, so all of it must be settled")
	}
}
