package wal

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// crowd is a group whose tickets are numbers, and the goroutines that submit them.
type crowd struct {
	*Group[int]
	wg      sync.WaitGroup
	batches [][]int
	running chan struct{} // receives when a batch is being served
	release chan struct{} // one for each batch
}

func newCrowd(max int, yield func()) *crowd {
	c := &crowd{running: make(chan struct{}, 100), release: make(chan struct{}, 100)}
	c.Group = NewGroup(max, true, func(batch []*Ticket[int]) {
		var list []int
		for _, t := range batch {
			list = append(list, t.Value)
		}
		c.batches = append(c.batches, list)
		c.running <- struct{}{}
		<-c.release
	})
	c.yield = yield
	return c
}

func (c *crowd) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

// submit has a goroutine submit value, which must find somebody at work, and
// returns when it is queued.
func (c *crowd) submit(value int) {
	n := c.waiting()
	c.start(context.Background(), value, nil)
	for c.waiting() == n {
		runtime.Gosched()
	}
}

func (c *crowd) start(ctx context.Context, value int, err *error) {
	c.wg.Go(func() {
		t := Ticket[int]{Value: value}
		if e := c.Do(ctx, &t); err != nil {
			*err = e
		}
	})
}

// wait lets n batches through and checks what they held.
func (c *crowd) wait(t *testing.T, want ...[]int) {
	t.Helper()
	for range want {
		c.release <- struct{}{}
	}
	c.wg.Wait()
	if !slices.EqualFunc(c.batches, want, slices.Equal) {
		t.Errorf("batches %v, want %v", c.batches, want)
	}
	if c.state.Load() != idle || len(c.queue) != 0 {
		t.Error("the group is not idle")
	}
	c.batches = nil
	for len(c.running) > 0 {
		<-c.running
	}
}

// All who wait while one is at work are one batch, in order, as far as it may be
// that large.
func TestGroupTakesAllWhoWait(t *testing.T) {
	c := newCrowd(6, func() {})
	c.start(context.Background(), 0, nil)
	<-c.running
	for i := 1; i < 10; i++ {
		c.submit(i)
	}
	c.wait(t, []int{0}, []int{1, 2, 3, 4, 5, 6}, []int{7, 8, 9})
}

// A leader lets others run as long as more come, and no more than four times.
func TestGroupYields(t *testing.T) {
	for come, want := range map[int]int{0: 1, 1: 2, 3: 4, 4: 4, 100: 4} {
		var c *crowd
		yields, next := 0, 2
		c = newCrowd(1000, func() {
			if yields++; next < 2+come {
				c.submit(next)
				next++
			}
		})
		c.start(context.Background(), 0, nil)
		<-c.running
		if yields != 0 {
			t.Errorf("one who is alone yields %d times", yields)
		}
		c.submit(1)
		c.release <- struct{}{}
		<-c.running // 1 leads
		if yields != want {
			t.Errorf("%d come, one with each yield: %d yields, want %d", come, yields, want)
		}
		list := []int{1}
		for i := range min(come, maxYields) {
			list = append(list, 2+i)
		}
		if !slices.Equal(c.batches[1], list) {
			t.Errorf("batch %v, want %v", c.batches[1], list)
		}
		c.release <- struct{}{}
		c.wg.Wait()
	}
}

// The leader after a batch of several yields, so that they can submit again;
// after a batch of one, it does not.
func TestGroupYieldsAfterABatch(t *testing.T) {
	yields := 0
	c := newCrowd(10, func() { yields++ })
	c.start(context.Background(), 0, nil)
	<-c.running
	c.submit(1)
	c.submit(2)
	c.wait(t, []int{0}, []int{1, 2})
	for i, want := range []int{1, 0, 0} {
		yields = 0
		c.start(context.Background(), i, nil)
		c.wait(t, []int{i})
		if yields != want {
			t.Errorf("commit %d: %d yields, want %d", i, yields, want)
		}
	}
}

// A ticket is withdrawn while it is queued, and not once it is taken.
func TestGroupWithdraws(t *testing.T) {
	c := newCrowd(10, func() {})
	c.start(context.Background(), 0, nil)
	<-c.running
	cause := errors.New("enough")
	var errs [2]error
	queued, withdraw := context.WithCancelCause(context.Background())
	taken, late := context.WithCancelCause(context.Background())
	c.submit(1)
	c.start(queued, 2, &errs[0])
	for c.waiting() != 2 {
		runtime.Gosched()
	}
	c.start(taken, 3, &errs[1])
	for c.waiting() != 3 {
		runtime.Gosched()
	}
	withdraw(cause)
	for c.waiting() != 2 {
		runtime.Gosched()
	}
	c.release <- struct{}{}
	<-c.running
	late(cause)
	c.wait(t, []int{0}, []int{1, 3})
	if errs[0] != cause || errs[1] != nil {
		t.Error(errs)
	}
}

// TestGroupPanics: a group whose work panics, or ends the goroutine, is not busy
// afterwards, and who waits for it goes on.
func TestGroupPanics(t *testing.T) {
	for _, end := range []func(){func() { panic("boom") }, runtime.Goexit} {
		running, release := make(chan struct{}), make(chan struct{})
		first := true
		g := NewGroup(8, false, func([]*Ticket[int]) {
			if first {
				first = false
				close(running)
				<-release
				end()
			}
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() { _ = recover() }()
			_ = g.Do(context.Background(), new(Ticket[int]))
		})
		<-running
		for range 3 {
			wg.Go(func() { _ = g.Do(context.Background(), new(Ticket[int])) })
		}
		for {
			g.mu.Lock()
			n := len(g.queue)
			g.mu.Unlock()
			if n == 3 {
				break
			}
			runtime.Gosched()
		}
		close(release)
		wg.Wait()
		_ = g.Do(context.Background(), new(Ticket[int]))
	}
}
