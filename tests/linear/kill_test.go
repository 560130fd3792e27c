package linear

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/vfs"
)

// mortal is a served node that is killed and comes back at the same address.
type mortal struct {
	t    *testing.T
	addr transport.Addr
	disk *vfs.Crash
	n    *pipeproc.Node
	srv  *rpc.Server
	done chan error
	up   sync.RWMutex // held for writing while it is down
}

func (m *mortal) start() {
	m.t.Helper()
	n, err := pipeproc.Open("s", &pipeproc.Options{FS: m.disk, WALSize: 256 << 10})
	if err != nil {
		m.t.Fatal(err)
	}
	if d := n.Recovery().Damage; len(d) > 0 {
		m.t.Fatal(d)
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

// kill leaves what a killed process leaves, and starts the node again. It returns
// the moment after which nothing that the node did counts.
func (m *mortal) kill() time.Time {
	m.t.Helper()
	m.up.Lock()
	defer m.up.Unlock()
	m.srv.Close() // nothing is answered any more
	disk := m.disk.Kill()
	at := time.Now()
	m.stop()
	m.disk = disk
	m.start()
	return at
}

// TestLinearizableUnderKills runs clients over connections of their own while the node is
// killed and comes back, again and again. A client sends again what was not answered;
// what it is told then must fit one order of everything. (If the answer to a claim was
// lost and another client ends that claim before it is asked for again, the answer is
// empty; so these clients end only claims that they know of.) A kill loses no claim;
// power cuts do, and are for the model.
func TestLinearizableUnderKills(t *testing.T) {
	addr, err := transport.ParseAddr("unix://" + t.TempDir() + "/node.sock")
	if err != nil {
		t.Fatal(err)
	}
	m := &mortal{t: t, addr: addr, disk: vfs.NewCrash()}
	m.start()
	defer func() { m.stop() }()
	var stores []calls
	for range 4 {
		c, err := rpc.Connect(t.Context(), addr.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		stores = append(stores, c)
	}
	seed := seedOf(t)
	prepare(t, stores[0])
	kick := make(chan struct{}, 1)
	finished := make(chan []porcupine.Operation, 1)
	go func() { finished <- letLoose(t, seed, *opsFlag/2, true, time.Now(), kick, stores...) }()
	kills := 0
	for {
		select {
		case history := <-finished:
			t.Logf("%d kills", kills)
			if kills == 0 {
				t.Error("the node was never killed")
			}
			check(t, history) // in which no outcome is unknown
			return
		case <-kick: // somewhere in the middle of their work
			m.kill()
			kills++
		}
	}
}
