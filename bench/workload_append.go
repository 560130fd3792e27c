package main

import (
	"fmt"
	"sync"
	"time"
)

func init() {
	groups = append(groups, func(params) []*workload {
		var list []*workload
		for _, size := range []int{128, 1024} {
			one := &workload{name: "append-1", size: size, n: 1_000_000, batch: 1, run: appendOne,
				what:  "one record per call, one goroutine, not synced",
				quick: []string{"pipeproc", "limit:mmap", "pebble", "wlog"},
				full:  []string{"limit:mmap-prefaulted", "raft-wal", "tidwall", "badger", "nats", "bbolt"}}
			many := &workload{name: "append-100", size: size, n: 2_000_000, batch: 100, run: appendMany,
				what:  "batches of 100, one goroutine, not synced",
				quick: []string{"pipeproc", "limit:write", "pebble", "wlog"},
				full:  []string{"limit:mmap", "raft-wal", "tidwall", "badger", "nats", "bbolt"}}
			if size > 128 {
				one.n, many.n = 300_000, 400_000
				one.full, one.quick = append(one.quick, one.full...), nil
			}
			list = append(list, one, many)
		}
		return append(list,
			&workload{name: "durable", variant: "1 goroutine", size: 128, n: 2000, batch: 1, durable: true, run: appendOne, reps: 5,
				what:  "one record per call, on disk when the call returns",
				quick: []string{"pipeproc", "limit:fdatasync", "pebble", "raft-wal"},
				full:  []string{"limit:fdatasync-zeroed", "wlog", "tidwall", "badger", "nats", "bbolt"}},
			&workload{name: "durable", variant: "64 goroutines", size: 128, n: 60_000, workers: 64, durable: true, run: appendShared,
				what:  "the same from 64 goroutines",
				quick: []string{"pipeproc", "limit:group", "pebble"},
				full:  []string{"bbolt", "wlog", "raft-wal", "tidwall", "badger", "nats"}},
			// Enough records for several checkpoints, and for several memory tables in a
			// peer that has them: its first 64 MiB measure only memory.
			&workload{name: "atomic", size: 128, n: 2_000_000, batch: 100, topics: 10, run: appendAtomic,
				what:  "atomic batches of 10 records to each of 10 topics, not synced",
				quick: []string{"pipeproc", "pebble"},
				full:  []string{"bbolt", "badger", "nats"}},
			&workload{name: "atomic", variant: "durable", size: 128, n: 200_000, batch: 100, topics: 10, durable: true, run: appendAtomic,
				what:  "the same, on disk when the call returns",
				quick: []string{"pipeproc", "pebble"},
				full:  []string{"bbolt", "badger", "nats"}},
		)
	})
}

// timed runs fn on an open store and closes it after the measured time.
func (j *job) timed(fn func(s store) error) error {
	s, err := j.open()
	if err != nil {
		return err
	}
	j.start()
	err = fn(s)
	j.stop(j.n)
	if e := j.observe(s); err == nil {
		err = e
	}
	if e := s.Close(); err == nil {
		err = e
	}
	return err
}

// observe adds an open store's own figures.
func (j *job) observe(s store) error {
	o, ok := s.(interface {
		Observe(map[string]float64) error
	})
	if !ok {
		return nil
	}
	return o.Observe(j.res.Extra)
}

func appendOne(j *job) error {
	b := newBodies(j.w.size)
	every := sampleEvery
	if j.w.durable {
		every = 1
	}
	return j.timed(func(s store) error {
		a, ok := s.(appender)
		if !ok {
			return errCannot
		}
		for i := range j.n {
			if i%every != 0 {
				if err := a.Append(b.one()); err != nil {
					return err
				}
				continue
			}
			from := time.Now()
			if err := a.Append(b.one()); err != nil {
				return err
			}
			j.took = append(j.took, int64(time.Since(from)))
		}
		return nil
	})
}

// batches calls fn with the bodies of each batch, and times it.
func (j *job) batches(fn func(list [][]byte) error) error {
	b := newBodies(j.w.size)
	list := make([][]byte, j.w.batch)
	for range j.n / j.w.batch {
		b.fill(list)
		from := time.Now()
		if err := fn(list); err != nil {
			return err
		}
		j.took = append(j.took, int64(time.Since(from)))
	}
	return nil
}

func appendMany(j *job) error {
	return j.timed(func(s store) error {
		a, ok := s.(batcher)
		if !ok {
			return errCannot
		}
		return j.batches(a.AppendBatch)
	})
}

func appendAtomic(j *job) error {
	return j.timed(func(s store) error {
		a, ok := s.(atomicWriter)
		if !ok {
			return errCannot
		}
		return j.batches(func(list [][]byte) error { return a.AppendAtomic(j.w.topics, list) })
	})
}

// appendShared shares the records among goroutines.
func appendShared(j *job) error {
	return j.timed(func(s store) error {
		sh, ok := s.(sharer)
		if !ok {
			return errCannot
		}
		var wg sync.WaitGroup
		errs := make([]error, j.w.workers)
		took := make([][]int64, j.w.workers)
		for k := range j.w.workers {
			wg.Go(func() {
				a := sh.Writer()
				b := someBodies(j.w.size, 16, uint64(k))
				for i := k; i < j.n; i += j.w.workers {
					from := time.Now()
					if errs[k] = a.Append(b.one()); errs[k] != nil {
						return
					}
					took[k] = append(took[k], int64(time.Since(from)))
				}
			})
		}
		wg.Wait()
		for k := range took {
			j.took = append(j.took, took[k]...)
			if errs[k] != nil {
				return errs[k]
			}
		}
		return nil
	})
}

var errCannot = fmt.Errorf("the system cannot do this")
