package linear

import (
	"context"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// TestLinearizableRemote runs clients over connections of their own.
func TestLinearizableRemote(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	addr, err := transport.ParseAddr("unix://" + t.TempDir() + "/node.sock")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l, err := transport.Listen(ctx, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- rpc.Serve(ctx, n, l, nil) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	var stores []calls
	for range 4 {
		c, err := rpc.Connect(ctx, addr.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		stores = append(stores, c)
	}
	check(t, record(t, seedOf(t), *opsFlag/2, stores...))
}
