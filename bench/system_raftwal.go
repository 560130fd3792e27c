package main

import (
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

func init() {
	register(system{name: "raft-wal", module: "github.com/hashicorp/raft-wal",
		durable: "one write and fsync per StoreLogs; goroutines take turns",
		relaxed: "it has no such mode: a file system that drops Sync is put under it",
		open:    openRaftWAL})
}

type raftStore struct {
	w    *raftwal.WAL
	logs []*raft.Log
	n    uint64 // index of the next record; they count from 1
	one  [1][]byte
	mu   sync.Mutex
}

func openRaftWAL(c config) (store, error) {
	var vfs types.VFS = fs.New()
	if !c.durable {
		vfs = noSync{vfs}
	}
	w, err := raftwal.Open(c.dir, raftwal.WithSegmentFiler(segment.NewFiler(c.dir, vfs)), raftwal.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		return nil, err
	}
	last, err := w.LastIndex()
	return &raftStore{w: w, n: last + 1}, err
}

// noSync is a file system whose files do not sync.
type noSync struct{ types.VFS }

func (v noSync) Create(dir, name string, size uint64) (types.WritableFile, error) {
	f, err := v.VFS.Create(dir, name, size)
	return unsynced{f}, err
}

func (v noSync) OpenWriter(dir, name string) (types.WritableFile, error) {
	f, err := v.VFS.OpenWriter(dir, name)
	return unsynced{f}, err
}

type unsynced struct{ types.WritableFile }

func (unsynced) Sync() error { return nil }

func (s *raftStore) Close() error { return s.w.Close() }

func (s *raftStore) Append(body []byte) error {
	s.one[0] = body
	return s.AppendBatch(s.one[:])
}

func (s *raftStore) AppendBatch(list [][]byte) error {
	for len(s.logs) < len(list) {
		s.logs = append(s.logs, new(raft.Log))
	}
	for i, b := range list {
		*s.logs[i] = raft.Log{Index: s.n, Data: b}
		s.n++
	}
	return s.w.StoreLogs(s.logs[:len(list)])
}

func (s *raftStore) Writer() appender { return locked{&s.mu, s} }

func (s *raftStore) Scan(fn func([]byte)) error {
	var l raft.Log
	for i := uint64(1); i < s.n; i++ {
		if err := s.w.GetLog(i, &l); err != nil {
			return err
		}
		fn(l.Data)
	}
	return nil
}

func (s *raftStore) Getter() func(uint64) ([]byte, error) {
	var l raft.Log
	return func(i uint64) ([]byte, error) {
		err := s.w.GetLog(i+1, &l)
		return l.Data, err
	}
}
