package main

import (
	"sync"

	"github.com/tidwall/wal"
)

func init() {
	register(system{name: "tidwall", module: "github.com/tidwall/wal",
		durable: "one write and fsync per call; goroutines take turns",
		relaxed: "NoSync: one write per call, and an fsync every 20 MB all the same; no checksums",
		open:    openTidwall})
}

type tidwallStore struct {
	l     *wal.Log
	batch wal.Batch
	n     uint64 // index of the next record; they count from 1
	mu    sync.Mutex
}

func openTidwall(c config) (store, error) {
	l, err := wal.Open(c.dir, &wal.Options{NoSync: !c.durable, SegmentSize: 20 << 20, SegmentCacheSize: 2, NoCopy: true})
	if err != nil {
		return nil, err
	}
	last, err := l.LastIndex()
	return &tidwallStore{l: l, n: last + 1}, err
}

func (s *tidwallStore) Close() error { return s.l.Close() }

func (s *tidwallStore) Append(body []byte) error {
	err := s.l.Write(s.n, body)
	s.n++
	return err
}

func (s *tidwallStore) AppendBatch(list [][]byte) error {
	for _, b := range list {
		s.batch.Write(s.n, b)
		s.n++
	}
	return s.l.WriteBatch(&s.batch)
}

func (s *tidwallStore) Writer() appender { return locked{&s.mu, s} }

func (s *tidwallStore) Scan(fn func([]byte)) error {
	for i := uint64(1); i < s.n; i++ {
		b, err := s.l.Read(i)
		if err != nil {
			return err
		}
		fn(b)
	}
	return nil
}
