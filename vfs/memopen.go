package vfs

import (
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
)

// memDir is an open directory in memory, or the whole of a Mem.
type memDir struct {
	m      *Mem
	node   *inode
	name   string // as given to OpenDir
	path   string // clean, from the root, as it was when it was opened
	top    bool   // the whole file system: any name is allowed
	closed atomic.Bool
}

// whole returns the file system from its root on.
func (m *Mem) whole() *memDir { return &memDir{m: m, node: m.root, path: "/", top: true} }

// place is where a name leads.
type place struct {
	dir  *inode // nil for the directory that the search began with
	base string
	node *inode // nil if there is no such entry
	path string // clean, with a leading slash
}

// find looks a name up. A missing last element is no error as long as it could be
// created. m.mu is held.
func (d *memDir) find(name string) (place, error) {
	if d.closed.Load() {
		return place{}, fs.ErrClosed
	}
	at := place{base: ".", node: d.node}
	switch {
	case d.top && (name == "" || strings.IndexByte(name, 0) >= 0):
		return at, syscall.ENOENT
	case d.top:
		at.base, at.path = "/", path.Clean("/"+name)
		name = at.path[1:]
	default:
		clean, err := local(name)
		if err != nil {
			return at, err
		}
		if name = clean; name == "." {
			name = ""
		}
		at.path = path.Join(d.path, name)
	}
	if name == "" {
		return at, nil
	}
	for _, part := range strings.Split(name, "/") {
		if at.node == nil {
			return place{}, syscall.ENOENT
		}
		if at.node.kids == nil {
			return place{}, syscall.ENOTDIR
		}
		at.dir, at.base = at.node, part
		at.node = at.dir.kids[part]
	}
	if at.node == nil && at.dir.gone {
		return at, syscall.ENOENT
	}
	return at, nil
}

// findDir looks up a name that must be a directory. m.mu is held.
func (d *memDir) findDir(name string) (place, error) {
	at, err := d.find(name)
	if err == nil && at.node == nil {
		err = syscall.ENOENT
	}
	if err == nil && at.node.kids == nil {
		err = syscall.ENOTDIR
	}
	return at, err
}

// shown is how an entry is called in errors.
func (d *memDir) shown(name string) string {
	if d.top {
		return name
	}
	return within(d.name, name)
}

// Open implements FS.
func (d *memDir) Open(name string, flag Flag) (File, error) {
	c, err := d.open(name, flag)
	if err != nil {
		return nil, pathErr("open", d.shown(name), err)
	}
	return &memFile{name: d.shown(name), c: c, writable: flag.writable()}, nil
}

// open returns the content of a file with one more user.
func (d *memDir) open(name string, flag Flag) (*content, error) {
	if flag&Exclusive != 0 && flag&Create == 0 {
		return nil, syscall.EINVAL
	}
	m := d.m
	m.world.RLock()
	defer m.world.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := d.find(name)
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
func (d *memDir) MkdirAll(name string) error {
	m := d.m
	m.world.RLock()
	defer m.world.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if name == "" && d.top {
		return pathErr("mkdir", name, syscall.ENOENT)
	}
	full := path.Clean(name)
	if !d.top {
		if _, err := local(name); err != nil {
			return pathErr("mkdir", d.shown(name), err)
		}
	}
	for i := 1; i <= len(full); i++ {
		if i < len(full) && full[i] != '/' {
			continue
		}
		at, err := d.find(full[:i])
		if err != nil {
			return pathErr("mkdir", d.shown(name), err)
		}
		if at.node == nil {
			m.enter(at, newDir(), true)
		} else if at.node.kids == nil {
			return pathErr("mkdir", d.shown(name), syscall.ENOTDIR)
		}
	}
	return nil
}

// ReadDir implements FS.
func (d *memDir) ReadDir(name string) ([]Info, error) {
	d.m.mu.RLock()
	defer d.m.mu.RUnlock()
	at, err := d.findDir(name)
	if err != nil {
		return nil, pathErr("open", d.shown(name), err)
	}
	infos := make([]Info, 0, len(at.node.kids))
	for base, node := range at.node.kids {
		infos = append(infos, node.info(base))
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

// Stat implements FS.
func (d *memDir) Stat(name string) (Info, error) {
	d.m.mu.RLock()
	defer d.m.mu.RUnlock()
	at, err := d.find(name)
	if err == nil && at.node == nil {
		err = syscall.ENOENT
	}
	if err != nil {
		return Info{}, pathErr("stat", d.shown(name), err)
	}
	return at.node.info(at.base), nil
}

// Free implements FS. Without a capacity the space is unlimited.
func (d *memDir) Free(name string) (int64, error) {
	d.m.mu.RLock()
	defer d.m.mu.RUnlock()
	if _, err := d.findDir(name); err != nil {
		return 0, pathErr("statfs", d.shown(name), err)
	}
	limit := d.m.capacity.Load()
	if limit == 0 {
		return math.MaxInt64, nil
	}
	return max(limit-d.m.used.Load(), 0), nil
}

// Lock implements FS. The lock lasts until it is closed.
func (d *memDir) Lock(name string) (io.Closer, error) {
	c, err := d.open(name, Create)
	if err != nil {
		return nil, pathErr("open", d.shown(name), err)
	}
	f := &memFile{name: d.shown(name), c: c, writable: true}
	if !c.locked.CompareAndSwap(false, true) {
		err := &LockedError{Path: f.name, PID: readPID(f)}
		f.Close()
		return nil, err
	}
	// As with real files, the lock holds whether or not the text gets in.
	_ = f.Truncate(0)
	_, _ = f.WriteAt(pidText(os.Getpid()), 0)
	return &memLock{f: f}, nil
}

// LockDir implements Dir. The lock lasts until it is closed.
func (d *memDir) LockDir(name string) (io.Closer, error) {
	if d.closed.Load() {
		return nil, pathErr("lock", d.name, fs.ErrClosed)
	}
	if !d.node.lock.CompareAndSwap(false, true) {
		return nil, &LockedError{Path: d.shown(name), PID: holder(d, name)}
	}
	return &memDirLock{node: d.node, name: d.name}, nil
}

// Named implements Dir.
func (d *memDir) Named() (bool, error) {
	if d.closed.Load() {
		return false, pathErr("stat", d.name, fs.ErrClosed)
	}
	d.m.mu.RLock()
	defer d.m.mu.RUnlock()
	at, err := d.m.whole().find(d.path)
	return err == nil && at.node == d.node, nil
}

// OpenDir implements FS.
func (d *memDir) OpenDir(name string) (Dir, error) {
	d.m.mu.RLock()
	defer d.m.mu.RUnlock()
	at, err := d.findDir(name)
	if err != nil {
		return nil, pathErr("open", d.shown(name), err)
	}
	return &memDir{m: d.m, name: d.shown(name), path: at.path, node: at.node}, nil
}

// SyncDir implements FS.
func (d *memDir) SyncDir(name string) error {
	sub, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	return sub.Sync()
}

// Sync implements Dir.
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

// Close implements Dir.
func (d *memDir) Close() error {
	if d.closed.Swap(true) {
		return pathErr("close", d.name, fs.ErrClosed)
	}
	return nil
}
