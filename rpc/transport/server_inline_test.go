package transport

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

func everything(*Call) bool { return true }

// A handler that was to return soon and does not holds up nobody, can be
// canceled, and its call ends as any other.
func TestInlineSlow(t *testing.T) {
	begun, free := make(chan struct{}, 8), make(chan struct{})
	_, a := start(t, func(ctx context.Context, c *Call) {
		switch c.Method() {
		case 1:
			begun <- struct{}{}
			select {
			case <-free:
			case <-ctx.Done():
				return
			}
		case 2:
			panic("on the reading goroutine")
		case 3:
			runtime.Goexit()
		}
		_ = c.Reply(c.Body())
	}, ServerOptions{Inline: everything})
	c := dial(t, a, nil)
	slow := make(chan error, 3)
	for i := range 3 {
		go func() {
			b, err := c.Call(ctxFor(t), 1, fmt.Append(nil, i))
			if err == nil && string(b) != fmt.Sprint(i) {
				err = fmt.Errorf("answered with %q", b)
			}
			slow <- err
		}()
		within(t, "the slow call to begin", begun)
	}
	ctx, cancel := context.WithCancel(ctxFor(t))
	canceled := make(chan error, 1)
	go func() {
		_, err := c.Call(ctx, 1)
		canceled <- err
	}()
	within(t, "the call to begin", begun)
	cancel()
	if within(t, "the canceled call", canceled) == nil {
		t.Error("a canceled call has a reply")
	}
	healthy := func() {
		t.Helper()
		if b, err := c.Call(ctxFor(t), 4, []byte("x")); err != nil || string(b) != "x" {
			t.Fatal(b, err)
		}
	}
	for method := uint16(2); method <= 3; method++ {
		for range 40 { // more than calls are kept away from the reader after a slow one
			if _, err := c.Call(ctxFor(t), method); err == nil {
				t.Error("a handler that did not return has answered")
			}
			healthy()
		}
	}
	close(free)
	for range 3 {
		if err := within(t, "the slow calls", slow); err != nil {
			t.Error(err)
		}
	}
	healthy()
}

// Answers that were held back come, however little the node holds and whichever
// goroutine else writes meanwhile.
func TestInlineHeldBack(t *testing.T) {
	for _, queued := range []int{1, 1000, 0} {
		_, a := start(t, func(_ context.Context, c *Call) {
			if c.Method() == 1 {
				_ = c.Reply(c.Body())
				return
			}
			for range 100 {
				if c.Item(c.Body()) != nil {
					return
				}
			}
			_ = c.End()
		}, ServerOptions{MaxQueued: queued, MaxInFlight: 5, Inline: func(c *Call) bool { return c.Method() == 1 }})
		c := dial(t, a, &DialOptions{StreamCredit: 1 << 10})
		var wg sync.WaitGroup
		for g := range 16 {
			wg.Go(func() {
				body := make([]byte, 10+g*g*50)
				for range 100 {
					if g == 0 {
						s, err := c.Stream(ctxFor(t), 2, body)
						if err != nil {
							t.Error(err)
							return
						}
						for err == nil {
							_, err = s.Next(ctxFor(t))
						}
						s.Close()
						continue
					}
					if b, err := c.Call(ctxFor(t), 1, body); err != nil || len(b) != len(body) {
						t.Error(len(b), err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// Calls begin in the order of their requests, wherever they run.
func TestInlineOrder(t *testing.T) {
	var mu sync.Mutex
	var order []uint64
	_, a := start(t, func(_ context.Context, c *Call) {
		mu.Lock()
		order = append(order, c.id)
		mu.Unlock()
		_ = c.Reply()
	}, ServerOptions{Inline: func(c *Call) bool { return c.Method() == 1 }})
	p := rawClient(t, a)
	const n = 100
	var frames []Frame
	for i := range uint64(n) {
		frames = append(frames, request(i+1, 1, "inline"))
	}
	p.send(frames...)
	for range n {
		p.recv()
	}
	mu.Lock()
	defer mu.Unlock()
	for i, id := range order {
		if id != uint64(i+1) {
			t.Fatalf("the order is %v", order)
		}
	}
}

// A patrol that finds nothing to do goes home, and another one comes.
func TestInlinePatrol(t *testing.T) {
	s, a := start(t, func(_ context.Context, c *Call) { _ = c.Reply() }, ServerOptions{Inline: everything})
	c := dial(t, a, nil)
	for range 3 {
		if _, err := c.Call(ctxFor(t), 1); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the patrol goes home", func() bool { return !s.inlineWatched.Load() })
	}
}
