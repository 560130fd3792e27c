package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

func init() {
	groups = append(groups, func(p params) []*workload {
		var list []*workload
		own := []string{"pipeproc"}
		sizes := []int{100_000, 1_000_000, 10_000_000}
		if p.Huge {
			sizes = append(sizes, 100_000_000)
		}
		for _, n := range sizes {
			w := &workload{name: "grow", variant: fmt.Sprint(n, " records"), size: 128, n: n, batch: 100, once: true, quick: own, run: grow,
				what: "written in batches of 100, closed, opened, scanned, and 100,000 of them read one by one; records/s are those of writing"}
			if n > 1_000_000 {
				w.quick, w.full = nil, own
			}
			list = append(list, w)
		}
		for _, n := range []int{1, 100, 10_000} {
			list = append(list, &workload{name: "topics", variant: fmt.Sprint(n), size: 128, n: 1_000_000, batch: 100, topics: n, quick: own, once: true, run: grow,
				what: "the same with each batch in the next topic; the scan is of all"})
			list = append(list, &workload{name: "append-100 over topics", variant: fmt.Sprint(n), size: 128, n: 1_000_000, batch: 100, topics: n, run: appendTopics,
				full: []string{"pipeproc", "pebble", "badger", "bbolt"}, what: "batches of 100, each to the next topic, not synced"})
		}
		return append(list,
			&workload{name: "gc", variant: "off", size: 128, n: 3_000_000, batch: 100, run: appendMany, full: own,
				what: "batches of 100, not synced, nothing is pruned"},
			&workload{name: "gc", variant: "on", size: 128, n: 3_000_000, batch: 100, run: appendPruned, full: own,
				what: "the same while all but the newest 64 MiB are pruned, looked at every 100 ms"})
	})
}

func appendTopics(j *job) error {
	return j.timed(func(s store) error {
		a, ok := s.(topicWriter)
		if !ok {
			return errCannot
		}
		return j.appendTopics(a)
	})
}

func (j *job) appendTopics(a topicWriter) error {
	i := -1
	return j.batches(func(list [][]byte) error {
		i++
		return a.AppendTo(i%max(j.w.topics, 1), list)
	})
}

// grow runs through the life of a store of a given size.
func grow(j *job) error {
	m := j.res.Extra
	s, err := openPipeproc(j.config())
	if err != nil {
		return err
	}
	j.start()
	if err := j.appendTopics(s); err != nil {
		return errors.Join(err, s.Close())
	}
	j.stop(j.n)
	m["rss_written_mb"] = memory("VmRSS")
	from := time.Now()
	if err := s.Close(); err != nil {
		return err
	}
	m["close_ms"] = float64(time.Since(from)) / 1e6
	j.res.Disk = diskUse(j.Dir)
	m["disk_bytes_per_record"] = j.res.Disk * (1 << 20) / float64(j.n)
	s = nil
	heap() // do not count the first node's memory as the second's
	from = time.Now()
	if s, err = openPipeproc(j.config()); err != nil {
		return err
	}
	m["open_ms"] = float64(time.Since(from)) / 1e6
	m["heap_mb"] = heap()
	return errors.Join(j.readAll(s), s.Close())
}

func (j *job) readAll(s *pipeprocStore) error {
	ctx := context.Background()
	from := time.Now()
	n := 0
	for _, t := range s.names {
		c, err := s.n.Cursor(ctx, t, pipeproc.RangeOptions{})
		if err != nil {
			return err
		}
		for c.Next() {
			n++
		}
		c.Close()
		if c.Err() != nil {
			return c.Err()
		}
	}
	j.res.Extra["scan_per_s"] = float64(n) / time.Since(from).Seconds()
	if n != j.n {
		return fmt.Errorf("%d records, not %d", n, j.n)
	}
	gets := min(100_000, j.n)
	each := uint64(j.n / len(s.names))
	k := uint64(1)
	from = time.Now()
	for range gets {
		k = k*6364136223846793005 + 1442695040888963407
		if _, err := s.n.Get(ctx, s.names[(k>>33)%uint64(len(s.names))], (k>>20)%each); err != nil {
			return err
		}
	}
	j.res.Extra["get_per_s"] = float64(gets) / time.Since(from).Seconds()
	return nil
}

// appendPruned appends to a node that keeps the newest segments only.
func appendPruned(j *job) error {
	n, err := pipeproc.Open(j.Dir, &pipeproc.Options{Sync: pipeproc.SyncNever, Topic: pipeproc.TopicOptions{SegmentSize: 16 << 20},
		GC: &pipeproc.GCOptions{Interval: 100 * time.Millisecond, MinAge: time.Hour}})
	if err != nil {
		return err
	}
	s := &pipeprocStore{n: n, names: []string{"topic-0"}}
	ctx := context.Background()
	if err := n.CreateTopic(ctx, s.names[0], pipeproc.TopicOptions{SegmentSize: 16 << 20}); err != nil {
		return errors.Join(err, s.Close())
	}
	if err := n.SetRetention(ctx, s.names[0], pipeproc.Retention{MaxBytes: 64 << 20}); err != nil {
		return errors.Join(err, s.Close())
	}
	j.start()
	if err := j.batches(s.AppendBatch); err != nil {
		return errors.Join(err, s.Close())
	}
	j.stop(j.n)
	return s.Close()
}
