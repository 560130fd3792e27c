package main

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"time"
)

func init() {
	groups = append(groups, func(params) []*workload {
		return []*workload{
			{name: "tail", variant: "paced", size: 128, n: 9000, run: tail,
				what:  "from before the append to the reader that follows, 9,000 records/s, in one process",
				quick: []string{"pipeproc", "limit:tail"}, full: []string{"pebble", "wlog", "nats", "bbolt", "pipeproc:unix"}},
			{name: "tail", variant: "at rest", size: 128, n: 400, run: tail,
				what:  "the same with 2 ms of sleep before each append",
				quick: []string{"pipeproc", "limit:tail"}, full: []string{"pebble", "wlog", "nats", "bbolt", "pipeproc:unix"}},
			{name: "tail", variant: "flat out", size: 128, n: 1_000_000, run: tail,
				what:  "one writer and one reader as fast as they can; latencies are those of the queue between them",
				quick: []string{"pipeproc", "limit:tail"}, full: []string{"pebble", "wlog", "nats"}},
			{name: "tail", variant: "flat out, few", size: 128, n: 50_000, run: tail,
				what: "the same with fewer records, for those that are slower",
				full: []string{"pipeproc", "pipeproc:unix", "bbolt"}},
		}
	})
}

// stampAt is the offset of the time in a body.
const stampAt = 8

// tail has one goroutine append and another one follow.
func tail(j *job) error {
	s, err := j.open()
	if err != nil {
		return err
	}
	defer s.Close()
	a, ok := s.(appender)
	if !ok {
		return errCannot
	}
	t, ok := s.(tailer)
	if !ok {
		return errCannot
	}
	clock := time.Now()
	c := checker{size: j.w.size}
	every := 1
	if j.n >= 100_000 {
		every = 16
	}
	var seen atomic.Int64
	j.took = make([]int64, 0, j.n/every+1)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- t.Tail(ctx, func(body []byte) {
			if int(c.next)%every == 0 {
				sent := time.Duration(binary.LittleEndian.Uint64(body[stampAt:]))
				j.took = append(j.took, int64(time.Since(clock)-sent))
			}
			c.see(body)
			if seen.Store(int64(c.next)); int(c.next) == j.n {
				cancel()
			}
		})
	}()
	b := newBodies(j.w.size)
	j.start()
	for i := range j.n {
		switch j.w.variant {
		case "paced": // without a sleep, which would be later than the pace
			for due := time.Duration(i) * time.Second / 9000; time.Since(j.began) < due; {
				runtime.Gosched()
			}
		case "at rest":
			time.Sleep(2 * time.Millisecond)
		}
		body := b.one()
		if i%every == 0 {
			binary.LittleEndian.PutUint64(body[stampAt:], uint64(time.Since(clock)))
		}
		if err := a.Append(body); err != nil {
			cancel()
			<-ended
			return err
		}
	}
	err = <-ended
	j.stop(j.n)
	if int(seen.Load()) == j.n {
		err = nil // it ended because everything had arrived
	}
	if err != nil {
		return err
	}
	return c.done(j.n)
}
