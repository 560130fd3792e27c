package transport

import (
	"context"
	"testing"
)

// A small call costs two allocations on both sides together: the Call, with its
// context, and the reply.
func TestCallAllocations(t *testing.T) {
	if raceOn {
		t.Skip("the race detector allocates by itself; the run without it counts")
	}
	_, a := start(t, func(_ context.Context, c *Call) { _ = c.Reply(c.Body()) }, ServerOptions{})
	c := dial(t, a, nil)
	ctx, body := context.Background(), make([]byte, 100)
	call := func() {
		if _, err := c.Call(ctx, 1, body); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		call()
	}
	// What the collector took from the pools is made anew now and then.
	if n := testing.AllocsPerRun(2000, call); n > 3 {
		t.Errorf("%.1f allocations for a call", n)
	}
}

// A stream costs no allocation per item.
func TestStreamAllocations(t *testing.T) {
	if raceOn {
		t.Skip("the race detector allocates by itself; the run without it counts")
	}
	item := make([]byte, 100_000)
	_, a := start(t, func(_ context.Context, c *Call) {
		for c.Item(item[:10], item[10:]) == nil {
		}
	}, ServerOptions{})
	c := dial(t, a, nil)
	s, err := c.Stream(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	next := func() {
		if _, err := s.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		next()
	}
	if n := testing.AllocsPerRun(2000, next); n > 1 {
		t.Errorf("%.1f allocations for an item", n)
	}
	s.Close()
}
