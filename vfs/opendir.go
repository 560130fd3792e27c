package vfs

import (
	"io/fs"
	"sync/atomic"
)

// memDir is an open directory in memory.
type memDir struct {
	m      *Mem
	name   string
	node   *inode
	closed atomic.Bool
}

// OpenDir implements FS.
func (m *Mem) OpenDir(name string) (Dir, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, err := m.findDir(name)
	if err != nil {
		return nil, pathErr("open", name, err)
	}
	return &memDir{m: m, name: name, node: at.node}, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(name string) error {
	d, err := m.OpenDir(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (d *memDir) Sync() error {
	if d.closed.Load() {
		return pathErr("sync", d.name, fs.ErrClosed)
	}
	d.m.world.RLock()
	defer d.m.world.RUnlock()
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	d.m.commit(d.node)
	return nil
}

func (d *memDir) Close() error {
	if d.closed.Swap(true) {
		return pathErr("close", d.name, fs.ErrClosed)
	}
	return nil
}
