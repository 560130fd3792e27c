package vfs

import (
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// Mem is a file system on the heap. It starts out empty, with nothing but the
// root directory; relative names start there, so "a" and "/a" are the same. It is
// safe for concurrent use, and files do not wait for each other.
//
// Files have no holes: every byte up to the size is in memory and counts
// against the capacity, in whole pages. A file may have at most 16 GiB.
//
// A mapping is the file's own memory. When a file outgrows its memory while
// mappings of it are open, these keep the old memory and every later write goes
// there as well. Stores through a mapping cannot be passed on in this way, so
// growing a file that has a writable mapping is an error, and so is a writable
// mapping while there are mappings of outgrown memory.
type Mem struct {
	capacity atomic.Int64 // bytes, 0 = no limit
	used     atomic.Int64 // bytes

	// world is held for reading by everything that changes or syncs content or
	// names, and exclusively while a Crash takes its picture. It is taken
	// before mu, and mu before any content.mu.
	world sync.RWMutex

	mu   sync.RWMutex // guards the tree of inodes, and pending
	root *inode

	boot string // of BootID

	track    bool    // record what is durable (see Crash)
	versions int     // of a page, between what is durable and what is newest (see Crash)
	pending  []dirOp // directory operations not yet durable, oldest first
}

// inode is a directory or a file, without its name.
type inode struct {
	id   uint64            // as in ID
	file *content          // nil for a directory
	kids map[string]*inode // a directory's entries; nil for a file
	gone bool              // a directory that was removed
	lock atomic.Bool       // a directory that was locked

	// For Crash only: a directory's durable entries, and whether a durable
	// entry ever led here.
	kept map[string]*inode
	born bool
}

// NewMem returns an empty file system in memory.
func NewMem() *Mem { return &Mem{root: newDir(), boot: "1"} }

// SetCapacity limits the sum of all files' allocated bytes. Growth beyond it
// fails as a whole, with an error that wraps syscall.ENOSPC. What is allocated
// already stays. 0 or less removes the limit.
func (m *Mem) SetCapacity(bytes int64) { m.capacity.Store(max(bytes, 0)) }

// reserve counts n more bytes as used, or fails and counts nothing.
func (m *Mem) reserve(n int64) error {
	for {
		used, limit := m.used.Load(), m.capacity.Load()
		if limit > 0 && n > limit-used {
			return syscall.ENOSPC
		}
		if m.used.CompareAndSwap(used, used+n) {
			return nil
		}
	}
}

func newDir() *inode {
	return &inode{id: lastInode.Add(1), kids: map[string]*inode{}, kept: map[string]*inode{}}
}

// lastInode counts the files and directories in memory, of all file systems.
var lastInode atomic.Uint64

// memDevice is ID.dev of all of them.
const memDevice = math.MaxUint64

func (m *Mem) newFile() *inode {
	c := &content{fs: m, id: lastInode.Add(1), cur: &buffer{}}
	if m.track {
		c.dur = &durable{}
	}
	return &inode{id: c.id, file: c}
}

// Open implements FS.
func (m *Mem) Open(name string, flag Flag) (File, error) { return m.whole().Open(name, flag) }

// MkdirAll implements FS.
func (m *Mem) MkdirAll(name string) error { return m.whole().MkdirAll(name) }

// ReadDir implements FS.
func (m *Mem) ReadDir(name string) ([]Info, error) { return m.whole().ReadDir(name) }

// Stat implements FS.
func (m *Mem) Stat(name string) (Info, error) { return m.whole().Stat(name) }

// Remove implements FS.
func (m *Mem) Remove(name string) error { return m.whole().Remove(name) }

// Rename implements FS.
func (m *Mem) Rename(oldname, newname string) error { return m.whole().Rename(oldname, newname) }

// Link implements FS. Only files can have a second name.
func (m *Mem) Link(oldname, newname string) error { return m.whole().Link(oldname, newname) }

// SyncDir implements FS.
func (m *Mem) SyncDir(name string) error { return m.whole().SyncDir(name) }

// OpenDir implements FS.
func (m *Mem) OpenDir(name string) (Dir, error) { return m.whole().OpenDir(name) }

// Lock implements FS. The lock lasts until it is closed.
func (m *Mem) Lock(name string) (io.Closer, error) { return m.whole().Lock(name) }

// Free implements FS. Without a capacity the space is unlimited.
func (m *Mem) Free(name string) (int64, error) { return m.whole().Free(name) }

func (n *inode) info(base string) Info {
	if n.file != nil {
		return n.file.info(base)
	}
	info := Info{Name: base, Dir: true, Links: 1, ID: ID{memDevice, n.id}}
	if n.gone {
		info.Links = 0
	}
	return info
}

func (c *content) info(base string) Info {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return Info{Name: base, Size: c.size, Allocated: c.charged, Regular: true, Links: uint64(c.links), ID: ID{memDevice, c.id}}
}

// memLock is a held lock.
type memLock struct {
	f      *memFile
	closed atomic.Bool
}

// memDirLock is a held lock of a directory.
type memDirLock struct {
	node   *inode
	name   string
	closed atomic.Bool
}

func (l *memDirLock) Close() error {
	if l.closed.Swap(true) {
		return pathErr("close", l.name, os.ErrClosed)
	}
	l.node.lock.Store(false)
	return nil
}

func (l *memLock) Close() error {
	if l.closed.Swap(true) {
		return pathErr("close", l.f.name, os.ErrClosed)
	}
	_ = l.f.Truncate(0)
	l.f.c.locked.Store(false)
	return l.f.Close()
}
