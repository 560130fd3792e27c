package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
)

// TestRecordsAreKept: the bytes of records that a client has read are the caller's, in
// either direction.
func TestRecordsAreKept(t *testing.T) {
	ctx := context.Background()
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	body := func(i int) []byte {
		b := make([]byte, 1+(i*7919)%90_000)
		rnd := rand.New(rand.NewPCG(uint64(i), 1))
		for k := range b {
			b[k] = byte(rnd.Uint32())
		}
		return b
	}
	const count = 60
	for i := range count {
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Key: fmt.Append(nil, i), Body: body(i)}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := rpc.Connect(ctx, serveNode(t, n), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 5 {
		for _, reverse := range []bool{false, true} {
			var kept []pipeproc.Record
			for rec, err := range c.Range(ctx, "t", pipeproc.RangeOptions{Reverse: reverse}) {
				if err != nil {
					t.Fatal(err)
				}
				kept = append(kept, rec)
			}
			if len(kept) != count {
				t.Fatalf("%d records", len(kept))
			}
			for _, rec := range kept {
				if i := int(rec.ID.Seq); !bytes.Equal(rec.Body, body(i)) || string(rec.Key) != fmt.Sprint(i) {
					t.Fatalf("reverse %v: record %d changed after it was read", reverse, i)
				}
			}
		}
	}
}

// served is a node at an address that a test can take away.
func served(t *testing.T, n *pipeproc.Node, addr string) *rpc.Server {
	t.Helper()
	l, err := rpc.Listen(context.Background(), addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := rpc.NewServer(n, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(context.Background(), l) }()
	return s
}

// TestReadersGiveUp: a range and a follow end like other calls when no node has come
// back within RetryFor.
func TestReadersGiveUp(t *testing.T) {
	for _, retry := range []time.Duration{50 * time.Millisecond, -1} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		n, err := pipeproc.OpenMemory(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		addr := "unix://" + t.TempDir() + "/s.sock"
		s := served(t, n, addr)
		c, err := rpc.Connect(ctx, addr, &rpc.ConnectOptions{RetryFor: retry})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s.Close()
		for name, records := range map[string]func(yield func(pipeproc.Record, error) bool){
			"range": c.Range(ctx, "t", pipeproc.RangeOptions{}), "follow": c.Follow(ctx, "t", 0),
		} {
			var last error
			for _, err := range records {
				last = err
			}
			if last == nil || ctx.Err() != nil {
				t.Errorf("RetryFor %v: %s ends with %v, context %v", retry, name, last, ctx.Err())
			}
		}
	}
}

// TestOtherStore: when another store is served at the address, a reader ends with an
// error, as its records do not follow those that came before.
func TestOtherStore(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var nodes [2]*pipeproc.Node
	for i := range nodes {
		n, err := pipeproc.OpenMemory(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		for range 3 * (i + 1) {
			if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: fmt.Append(nil, i)}); err != nil {
				t.Fatal(err)
			}
		}
		nodes[i] = n
	}
	addr := "unix://" + t.TempDir() + "/s.sock"
	s := served(t, nodes[0], addr)
	c, err := rpc.Connect(ctx, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := 0
	var last error
	for rec, err := range c.Follow(ctx, "t", 0) {
		if last = err; err != nil {
			continue
		}
		if string(rec.Body) != "0" {
			t.Fatalf("record %v is of the other store", rec.ID)
		}
		if got++; got == 3 {
			s.Close()
			s = served(t, nodes[1], addr)
		}
	}
	s.Close()
	if got != 3 || last == nil || ctx.Err() != nil {
		t.Errorf("%d records, then %v", got, last)
	}
}

// TestCancelledBeforeSent: a call whose context had ended before it was sent was not
// done, and says so.
func TestCancelledBeforeSent(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	c, err := rpc.Connect(context.Background(), serveNode(t, n), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cause := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	_, commit := c.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte("x")})
	_, topics := c.Topics(ctx)
	create := c.CreateTopic(ctx, "t2", pipeproc.TopicOptions{})
	for what, err := range map[string]error{"commit": commit, "topics": topics, "create": create} {
		if errors.Is(err, pipeproc.ErrOutcomeUnknown) || !errors.Is(err, cause) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if list, err := n.Topics(context.Background()); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}
