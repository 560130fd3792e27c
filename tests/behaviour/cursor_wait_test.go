package behaviour_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/pipeproc/pipeproc"
)

// TestCursorWait follows a writer through tails, files and several segments, from the
// start and from the middle.
func TestCursorWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := pipeproc.OpenMemory(&pipeproc.Options{Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		ctx := t.Context()
		const count, from = 3000, 7
		body := make([]byte, 100)
		commit := func(i int) {
			binary.BigEndian.PutUint64(body, uint64(i))
			if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: body}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 2 * from {
			commit(i)
		}
		seen := make(chan int, 2)
		follow := func(o pipeproc.RangeOptions, next int) {
			c, err := n.Cursor(ctx, "t", o)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for err == nil && next < count {
				for c.Next() {
					if got := binary.BigEndian.Uint64(c.Body()); got != uint64(next) || c.ID().Seq != got || len(c.Body()) != len(body) {
						t.Errorf("record %d is %d, of id %v", next, got, c.ID())
						return
					}
					next++
				}
				if err = c.Err(); err == nil && next < count {
					err = c.Wait(ctx)
				}
			}
			if err != nil {
				t.Error(err)
			}
			seen <- next
		}
		go follow(pipeproc.RangeOptions{}, 0)
		go follow(pipeproc.RangeOptions{Start: pipeproc.AtSeq(7)}, from)
		for i := 2 * from; i < count; i++ {
			if i%11 == 0 {
				synctest.Wait() // both have caught up
			}
			if i == count/2 {
				if err := n.Checkpoint(ctx); err != nil {
					t.Fatal(err)
				}
			}
			commit(i)
		}
		for range 2 {
			if got := <-seen; got != count {
				t.Errorf("%d records were seen, want %d", got, count)
			}
		}
	})
}

// TestCursorWaitEnds checks everything that ends a wait, and that a cursor with an
// end cannot wait.
func TestCursorWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := pipeproc.OpenMemory(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		ctx := t.Context()
		for _, topic := range []string{"t", "gone"} {
			if _, err := n.Commit(ctx, pipeproc.Record{Topic: topic, Body: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		open := func(topic string, o pipeproc.RangeOptions) *pipeproc.Cursor {
			t.Helper()
			c, err := n.Cursor(ctx, topic, o)
			if err != nil {
				t.Fatal(err)
			}
			for c.Next() {
			}
			return c
		}
		rev, err := n.Cursor(ctx, "t", pipeproc.RangeOptions{Reverse: true})
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]*pipeproc.Cursor{
			"end":     open("t", pipeproc.RangeOptions{End: pipeproc.AtSeq(0)}),
			"limit":   open("t", pipeproc.RangeOptions{Limit: 9}),
			"reverse": rev,
		} {
			if err := c.Wait(ctx); !errors.Is(err, pipeproc.ErrInvalidOptions) {
				t.Errorf("%s: %v", name, err)
			}
			c.Close()
		}

		wait := func(ctx context.Context, c *pipeproc.Cursor) chan error {
			ended := make(chan error, 1)
			go func() {
				defer c.Close()
				ended <- c.Wait(ctx)
			}()
			synctest.Wait()
			select {
			case err := <-ended:
				t.Errorf("Wait did not wait: %v", err)
			default:
			}
			return ended
		}
		why := errors.New("enough")
		short, cancel := context.WithCancelCause(ctx)
		ended := wait(short, open("t", pipeproc.RangeOptions{}))
		cancel(why)
		if err := <-ended; err != why {
			t.Errorf("the context's end: %v", err)
		}
		ended = wait(ctx, open("gone", pipeproc.RangeOptions{}))
		if err := n.DeleteTopic(ctx, "gone"); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, pipeproc.ErrInvalidTopic) {
			t.Errorf("the topic's end: %v", err)
		}
		ended = wait(ctx, open("t", pipeproc.RangeOptions{}))
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, pipeproc.ErrClosed) {
			t.Errorf("the node's end: %v", err)
		}
	})
}
