package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	scanRecords = 2_000_000
	getRecords  = 2_000_000
)

func init() {
	groups = append(groups, func(params) []*workload {
		scan := fill{n: scanRecords, size: 128}
		get := fill{n: getRecords, size: 128}
		all := []string{"tidwall", "bbolt", "badger", "nats", "raft-wal"}
		list := []*workload{
			{name: "scan", variant: "reopened", size: 128, n: scan.n, fill: scan, run: scanFirst,
				what:  "all records once, in a new process, files in the page cache, checksums verified where there are any",
				quick: []string{"pipeproc", "limit:read", "limit:mapped", "wlog", "pebble"}, full: all},
			{name: "scan", variant: "again", size: 128, n: scan.n, fill: scan, run: scanAgain,
				what:  "the same for the second time in one process",
				quick: []string{"pipeproc", "limit:read"}, full: append([]string{"limit:mapped", "wlog", "pebble"}, all...)},
			{name: "scan", variant: "cold", size: 128, n: scan.n, fill: scan, run: scanCold,
				what: "the same, with the files taken out of the page cache before",
				full: []string{"pipeproc", "limit:read", "limit:mapped", "wlog", "pebble", "tidwall", "bbolt", "badger"}},
		}
		for workers, variant := range []string{1: "1 goroutine", 2: "2 goroutines"} {
			if workers == 0 {
				continue
			}
			list = append(list, &workload{name: "get", variant: variant, size: 128, n: 300_000, workers: workers,
				fill: get, run: getRandom, what: "random records by sequence",
				quick: []string{"pipeproc", "limit:mapped", "bbolt"}, full: []string{"pebble", "badger", "raft-wal"}})
		}
		large := fill{n: 10_000_000, size: 128} // shared with reopen
		list = append(list, &workload{name: "get", variant: "10 million", size: 128, n: 300_000, workers: 1, fill: large, run: getRandom,
			what: "the same among 10 million records, one goroutine; most of their pages were never touched by this process",
			full: []string{"pipeproc", "limit:mapped", "bbolt"}})
		return append(list, &workload{name: "seek", variant: "by time", size: 128, n: 30_000, fill: fill{n: 1_000_000, size: 128, byTime: true}, run: seekTime,
			what: "the first record at or after a random time",
			full: []string{"pipeproc", "pebble", "bbolt", "badger"}})
	})
}

func (j *job) scan(s store) error {
	sc, ok := s.(scanner)
	if !ok {
		return errCannot
	}
	c := checker{size: j.w.size}
	if err := sc.Scan(c.see); err != nil {
		return err
	}
	return c.done(j.w.fill.n)
}

// reader opens the store of a job and closes it at the end.
func (j *job) reader(fn func(s store) error) error {
	from := time.Now()
	s, err := j.open()
	if err != nil {
		return err
	}
	j.res.Extra["open_ms"] = float64(time.Since(from)) / 1e6
	err = fn(s)
	if e := s.Close(); err == nil {
		err = e
	}
	return err
}

func (j *job) scanned(s store) error {
	j.start()
	err := j.scan(s)
	j.stop(j.n)
	return err
}

func scanFirst(j *job) error { return j.reader(j.scanned) }

func scanAgain(j *job) error {
	return j.reader(func(s store) error {
		if err := j.scan(s); err != nil {
			return err
		}
		return j.scanned(s)
	})
}

func scanCold(j *job) error {
	if err := dropCache(j.Dir); err != nil {
		return err
	}
	return j.reader(j.scanned)
}

func getRandom(j *job) error {
	return j.reader(func(s store) error {
		g, ok := s.(getter)
		if !ok {
			return errCannot
		}
		errs := make([]error, j.w.workers)
		took := make([][]int64, j.w.workers)
		var wg sync.WaitGroup
		j.start()
		for k := range j.w.workers {
			wg.Go(func() { errs[k] = j.gets(g, j.n/j.w.workers, uint64(k), &took[k]) })
		}
		wg.Wait()
		j.stop(j.n)
		for k := range errs {
			j.took = append(j.took, took[k]...)
			if errs[k] != nil {
				return errs[k]
			}
		}
		return nil
	})
}

// gets reads n random records.
func (j *job) gets(g getter, n int, seed uint64, took *[]int64) error {
	get := g.Getter()
	r := rand.New(rand.NewPCG(seed, 3))
	for i := range n {
		k := r.Uint64N(uint64(j.w.fill.n))
		var from time.Time
		sample := took != nil && i%8 == 0
		if sample {
			from = time.Now()
		}
		body, err := get(k)
		if err != nil {
			return err
		}
		if sample {
			*took = append(*took, int64(time.Since(from)))
		}
		if len(body) != j.w.size || number(body) != k {
			return fmt.Errorf("record %d: another one came", k)
		}
	}
	return nil
}

func seekTime(j *job) error {
	return j.reader(func(s store) error {
		k, ok := s.(seeker)
		if !ok {
			return errCannot
		}
		first, last, err := k.Times()
		if err != nil {
			return err
		}
		r := rand.New(rand.NewPCG(5, 5))
		j.start()
		for range j.n {
			from := time.Now()
			body, err := k.SeekTime(first + r.Int64N(last-first+1))
			if err != nil {
				return err
			}
			j.took = append(j.took, int64(time.Since(from)))
			if len(body) != j.w.size {
				return fmt.Errorf("a record of %d bytes", len(body))
			}
		}
		j.stop(j.n)
		return nil
	})
}
