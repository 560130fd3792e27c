package main

import (
	"errors"
	"fmt"
	"os"
)

func init() {
	groups = append(groups, func(params) []*workload {
		// wlog compresses each record by itself, which does nothing for short ones.
		return []*workload{
			{name: "zstd", variant: "write", size: 128, n: 700_000, batch: 100, compress: true, run: compressWrite,
				what:  "batches of 100 pieces of Go source, compressed; ratio is the bytes written by those on the disk, without what an empty store takes",
				quick: []string{"pipeproc", "wlog"}, full: []string{"pebble", "badger"}},
			{name: "zstd", variant: "scan", size: 128, n: 700_000, compress: true, fill: fill{n: 700_000, size: 128, text: true}, run: compressScan,
				what:  "the scan of that in a new process",
				quick: []string{"pipeproc", "wlog"}, full: []string{"pebble", "badger"}},
		}
	})
}

func compressWrite(j *job) error {
	pieces, err := text(j.w.size, j.n)
	if err != nil {
		return err
	}
	err = j.timed(func(s store) error {
		a, ok := s.(batcher)
		if !ok {
			return errCannot
		}
		return writeText(a, pieces, j.n)
	})
	if err != nil {
		return err
	}
	j.res.Disk = diskUse(j.Dir)
	empty, err := j.emptyDisk(pieces[0])
	if err != nil {
		return err
	}
	j.res.Extra["empty_mb"] = empty
	if used := j.res.Disk - empty; used > 0 { // a few records may fit what was preallocated
		j.res.Extra["ratio"] = float64(j.n*j.w.size) / (used * (1 << 20))
	}
	return nil
}

// emptyDisk returns the disk use of a store with one record: preallocated files
// say nothing about compression.
func (j *job) emptyDisk(body []byte) (float64, error) {
	dir, err := os.MkdirTemp(j.Dir, "empty-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	c := j.config()
	c.dir = dir
	s, err := j.sys.open(c)
	if err != nil {
		return 0, err
	}
	err = errors.Join(s.(batcher).AppendBatch([][]byte{body}), s.Close())
	return diskUse(dir), err
}

// writeText appends n pieces, starting over when they run out.
func writeText(a batcher, pieces [][]byte, n int) error {
	list := make([][]byte, 100)
	for i := 0; i < n; i += len(list) {
		list = list[:min(100, n-i)]
		for k := range list {
			list[k] = pieces[(i+k)%len(pieces)]
		}
		if err := a.AppendBatch(list); err != nil {
			return err
		}
	}
	return nil
}

func compressScan(j *job) error {
	return j.reader(func(s store) error {
		sc, ok := s.(scanner)
		if !ok {
			return errCannot
		}
		n, bytes := 0, 0
		j.start()
		err := sc.Scan(func(b []byte) { n++; bytes += len(b) })
		j.stop(j.n)
		if err == nil && (n != j.n || bytes != j.n*j.w.size) {
			err = fmt.Errorf("%d records of %d bytes", n, bytes)
		}
		return err
	})
}
