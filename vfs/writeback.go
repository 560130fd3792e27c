package vfs

import (
	"sync/atomic"
	"syscall"
)

// FailSync does to a file or directory what a failing sync of it does on Linux and
// others: what it would have made durable counts as clean, so that nothing ever makes
// it durable until it is changed again. What can be read is as before. Of a file that
// concerns the pages, not its size or name; of a directory the entries that changed. It
// is for a fault hook that fails a sync.
func (c *Crash) FailSync(name string) {
	c.world.RLock()
	c.mu.Lock()
	at, err := c.whole().find(name)
	if err == nil && at.node != nil && at.node.file == nil {
		c.unsynced(at.node)
	}
	c.mu.Unlock()
	c.world.RUnlock()
	if err == nil && at.node != nil && at.node.file != nil {
		at.node.file.loseSync()
	}
}

// FailWriteback has the system fail to write the changed pages of a file by itself, as
// it may at any time: they are lost as by FailSync, and the next sync through any handle
// or mapping returns EIO, once. If atClose is set, so does a Close of a writable handle
// that comes first, and then no sync reports it.
func (c *Crash) FailWriteback(name string, atClose bool) {
	c.mu.RLock()
	at, err := c.whole().find(name)
	c.mu.RUnlock()
	if err != nil || at.node == nil || at.node.file == nil {
		return
	}
	if f := at.node.file; f.loseSync() > 0 {
		f.failed.Store(writebackFailed)
		if atClose {
			f.failed.Store(writebackFailedClose)
		}
	}
}

const (
	writebackFailed      = 1 // a sync says so
	writebackFailedClose = 2 // a sync or a close does
)

// report returns the error of a failed writeback that nobody has been told of. least is
// writebackFailed for a sync.
func report(failed *atomic.Int32, least int32) error {
	for {
		was := failed.Load()
		if was == 0 || was < least {
			return nil
		}
		if failed.CompareAndSwap(was, 0) {
			return syscall.EIO
		}
	}
}
