package vfs

import (
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Mem is a file system on the heap. It starts out empty, with nothing but the
// root directory; a relative name is taken from there, so "a" and "/a" are the
// same. It is safe for concurrent use, and files do not wait for each other.
//
// Files have no holes: every byte up to the size is in memory and counts
// against the capacity, in whole pages. A file may have at most 16 GiB.
//
// A mapping is the file's own memory. When a file outgrows its memory while
// mappings of it are open, these keep the old memory and every later write goes
// there as well. What a store through a mapping changes cannot be passed on in
// this way, so growing a file that has a writable mapping is an error, as is a
// writable mapping while there are mappings of outgrown memory.
type Mem struct {
	capacity atomic.Int64 // bytes, 0 = no limit
	used     atomic.Int64 // bytes

	// world is held for reading by everything that changes or syncs content or
	// names, and exclusively while a Crash takes its picture. It is taken
	// before mu, and mu before any content.mu.
	world sync.RWMutex

	mu   sync.RWMutex // guards the tree of inodes, and pending
	root *inode

	track   bool    // keep account of what is durable (see Crash)
	pending []dirOp // directory operations not yet durable, oldest first
}

// inode is a directory or a file, without its name.
type inode struct {
	file *content          // nil for a directory
	kids map[string]*inode // a directory's entries; nil for a file

	// For Crash only: a directory's durable entries, and whether a durable
	// entry ever led here.
	kept map[string]*inode
	born bool
}

// NewMem returns an empty file system in memory.
func NewMem() *Mem { return &Mem{root: newDir()} }

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
	return &inode{kids: map[string]*inode{}, kept: map[string]*inode{}}
}

func (m *Mem) newFile() *inode {
	c := &content{fs: m, cur: &buffer{}}
	if m.track {
		c.dur = &durable{}
	}
	return &inode{file: c}
}

// place is where a path leads.
type place struct {
	dir  *inode // nil for the root
	base string
	node *inode // nil if there is no such entry
	path string // clean, with a leading slash
}

// find looks a name up; it is no error if only the last element is missing.
func (m *Mem) find(name string) (place, error) {
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		return place{}, syscall.ENOENT
	}
	at := place{node: m.root, path: path.Clean("/" + name)}
	if at.path == "/" {
		at.base = "/"
		return at, nil
	}
	for _, part := range strings.Split(at.path[1:], "/") {
		if at.node == nil {
			return place{}, syscall.ENOENT
		}
		if at.node.kids == nil {
			return place{}, syscall.ENOTDIR
		}
		at.dir, at.base = at.node, part
		at.node = at.dir.kids[part]
	}
	return at, nil
}

// Open implements FS.
func (m *Mem) Open(name string, flag Flag) (File, error) {
	c, err := m.open(name, flag)
	if err != nil {
		return nil, pathErr("open", name, err)
	}
	return &memFile{name: name, c: c, writable: flag.writable()}, nil
}

// open returns the content of a file with one more user.
func (m *Mem) open(name string, flag Flag) (*content, error) {
	if flag&Exclusive != 0 && flag&Create == 0 {
		return nil, syscall.EINVAL
	}
	m.world.RLock()
	defer m.world.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := m.find(name)
	switch {
	case err != nil:
		return nil, err
	case at.node == nil && flag&Create == 0:
		return nil, syscall.ENOENT
	case at.node == nil:
		at.node = m.newFile()
		m.enter(at, at.node, true)
	case flag&Exclusive != 0:
		return nil, syscall.EEXIST
	case at.node.file == nil:
		return nil, syscall.EISDIR
	}
	at.node.file.use(+1)
	return at.node.file, nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(name string) error {
	m.world.RLock()
	defer m.world.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if name == "" {
		return pathErr("mkdir", name, syscall.ENOENT)
	}
	full := path.Clean("/" + name)
	for i := 1; i <= len(full); i++ {
		if i < len(full) && full[i] != '/' {
			continue
		}
		at, err := m.find(full[:i])
		if err != nil {
			return pathErr("mkdir", name, err)
		}
		if at.node == nil {
			m.enter(at, newDir(), true)
		} else if at.node.kids == nil {
			return pathErr("mkdir", name, syscall.ENOTDIR)
		}
	}
	return nil
}

// ReadDir implements FS.
func (m *Mem) ReadDir(name string) ([]Info, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, err := m.findDir(name)
	if err != nil {
		return nil, pathErr("open", name, err)
	}
	infos := make([]Info, 0, len(at.node.kids))
	for base, node := range at.node.kids {
		infos = append(infos, node.info(base))
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

// findDir looks up a name that must be a directory.
func (m *Mem) findDir(name string) (place, error) {
	at, err := m.find(name)
	if err == nil && at.node == nil {
		err = syscall.ENOENT
	}
	if err == nil && at.node.kids == nil {
		err = syscall.ENOTDIR
	}
	return at, err
}

// Stat implements FS.
func (m *Mem) Stat(name string) (Info, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, err := m.find(name)
	if err == nil && at.node == nil {
		err = syscall.ENOENT
	}
	if err != nil {
		return Info{}, pathErr("stat", name, err)
	}
	return at.node.info(at.base), nil
}

func (n *inode) info(base string) Info {
	if n.file == nil {
		return Info{Name: base, Dir: true}
	}
	n.file.mu.RLock()
	defer n.file.mu.RUnlock()
	return Info{Name: base, Size: n.file.size, Allocated: n.file.charged, Regular: true}
}

// Free implements FS. Without a capacity there is no end of room.
func (m *Mem) Free(name string) (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if _, err := m.findDir(name); err != nil {
		return 0, pathErr("statfs", name, err)
	}
	limit := m.capacity.Load()
	if limit == 0 {
		return math.MaxInt64, nil
	}
	return max(limit-m.used.Load(), 0), nil
}

// Lock implements FS. The lock lasts until it is closed.
func (m *Mem) Lock(name string) (io.Closer, error) {
	c, err := m.open(name, Create)
	if err != nil {
		return nil, pathErr("open", name, err)
	}
	f := &memFile{name: name, c: c, writable: true}
	if !c.locked.CompareAndSwap(false, true) {
		err := &LockedError{Path: name, PID: readPID(f)}
		f.Close()
		return nil, err
	}
	// As with real files, the lock holds whether or not the text gets in.
	_ = f.Truncate(0)
	_, _ = f.WriteAt(pidText(os.Getpid()), 0)
	return &memLock{f: f}, nil
}

// memLock is a held lock.
type memLock struct {
	f      *memFile
	closed atomic.Bool
}

func (l *memLock) Close() error {
	if l.closed.Swap(true) {
		return pathErr("close", l.f.name, os.ErrClosed)
	}
	_ = l.f.Truncate(0)
	l.f.c.locked.Store(false)
	return l.f.Close()
}
