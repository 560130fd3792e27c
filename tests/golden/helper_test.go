package golden_test

import (
	"context"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
)

// stepClock is a clock that tests set.
type stepClock struct{ ms int64 }

func (c *stepClock) now() time.Time { return time.UnixMilli(c.ms) }

// serveNode serves n at a unix socket until the test ends.
func serveNode(t testing.TB, n *pipeproc.Node) (addr string) {
	t.Helper()
	addr = "unix://" + t.TempDir() + "/s.sock"
	l, err := rpc.Listen(context.Background(), addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- rpc.Serve(ctx, n, l, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return addr
}

// nop is a processor that does nothing.
func nop(context.Context, *pipeproc.Work) error { return nil }

// bound parses a bound that is right.
func bound(s string) pipeproc.Bound {
	b, err := pipeproc.ParseBound(s)
	if err != nil {
		panic(err)
	}
	return b
}

// ms returns unix milliseconds, 0 for the zero time.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
