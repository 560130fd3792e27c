package main

import "time"

func init() {
	groups = append(groups, func(params) []*workload {
		unix := []string{"pipeproc:unix"}
		limit := []string{"pipeproc:unix", "limit:socket"}
		return []*workload{
			{name: "rpc", variant: "round trip", size: 128, n: 10_000, run: pings, full: limit,
				what: "a call that does nothing, and its answer, through a unix socket"},
			{name: "rpc", variant: "one by one", size: 128, n: 10_000, batch: 1, run: appendOneTimed, quick: limit,
				what: "one record per commit, each awaited, not synced"},
			{name: "rpc", variant: "pipelined", size: 128, n: 200_000, workers: 64, run: appendShared, quick: unix,
				what: "the same from 64 goroutines over one connection"},
			{name: "rpc", variant: "batches", size: 128, n: 500_000, batch: 100, run: appendMany, full: unix,
				what: "batches of 100, each awaited"},
			{name: "rpc", variant: "range", size: 128, n: 1_000_000, fill: fill{n: 1_000_000, size: 128}, run: scanFirst, quick: unix,
				what: "all records read through the socket"},
		}
	})
}

// appendOneTimed times each call: over a socket it takes long enough.
func appendOneTimed(j *job) error {
	b := newBodies(j.w.size)
	return j.timed(func(s store) error {
		a, ok := s.(appender)
		if !ok {
			return errCannot
		}
		for range j.n {
			from := time.Now()
			if err := a.Append(b.one()); err != nil {
				return err
			}
			j.took = append(j.took, int64(time.Since(from)))
		}
		return nil
	})
}

func pings(j *job) error {
	return j.timed(func(s store) error {
		p, ok := s.(interface{ Ping() error })
		if !ok {
			return errCannot
		}
		for range j.n {
			from := time.Now()
			if err := p.Ping(); err != nil {
				return err
			}
			j.took = append(j.took, int64(time.Since(from)))
		}
		return nil
	})
}
