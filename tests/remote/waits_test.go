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
)

// TestR5: however many calls of a client wait for records, its commits and acknowledgements
// are sent, and each that waits is woken.
func TestR5(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := rpc.Connect(ctx, serveNode(t, n), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const waiting = 1500 // more than the node lets one connection have
	var wg sync.WaitGroup
	started := make(chan struct{}, waiting)
	for range waiting {
		wg.Go(func() {
			started <- struct{}{}
			if err := c.WaitForRecord(ctx, "t", 50); err != nil {
				t.Error(err)
			}
		})
	}
	for range waiting {
		<-started
	}
	for i := range 50 {
		if _, err := c.Commit(ctx, pipeproc.Record{Topic: "t", Body: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Length(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	short, end := context.WithTimeout(ctx, 20*time.Millisecond)
	defer end()
	if err := c.WaitForRecord(short, "t", 1000); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := c.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte("the 51st")}); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}
