package topics

import (
	"context"
	"testing"
	"time"
)

// TestWaitTopic demands that the publication of a topic wakes a waiter that began to
// wait between its creation and its publication.
func TestWaitTopic(t *testing.T) {
	r := NewRegistry(Config{Default: Options{SegmentSize: 1 << 20}})
	r.add(r.newTopic(1, "a", r.Default, 7, 0))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := r.WaitTopic(ctx, "a")
		done <- err
	}()
	for waiting := false; !waiting && ctx.Err() == nil; {
		r.mu.Lock()
		waiting = r.wake != nil
		r.mu.Unlock()
	}
	r.Publish(7)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
