package vfs

import (
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	// pageSize is the unit of allocation and of syncing in memory files, in
	// bytes, whatever the machine's page size.
	pageSize = 4096
	// maxMemFile is the greatest size of a memory file, in bytes.
	maxMemFile = min(1<<34, math.MaxInt)
)

var (
	errGrowMapped  = errors.New("a memory file cannot grow while it has a writable mapping")
	errStaleMapped = errors.New("a memory file cannot be mapped writable while mappings of its earlier memory are open")
)

// content is the bytes of one memory file.
type content struct {
	fs     *Mem
	id     uint64       // as in ID
	locked atomic.Bool  // by Mem.Lock
	dur    *durable     // nil unless the file system is a Crash
	failed atomic.Int32 // a writeback of which nobody was told

	mu       sync.RWMutex // guards all below, and the bytes except for mapped access
	cur      *buffer      // holds [0,size)
	stale    []*buffer    // outgrown memory with open mappings
	size     int64
	charged  int64 // bytes reserved in fs
	writable int   // open writable mappings
	links    int   // names
	users    int   // open handles and mappings
}

// buffer is a piece of memory that holds, or held, a file's bytes.
type buffer struct {
	b     []byte
	maps  int   // open mappings
	dirty int64 // bytes from the file's end up to here may not be zero
}

// zero clears those bytes of [from,to) that may not be zero.
func (b *buffer) zero(from, to int64) {
	if to = min(to, b.dirty, int64(len(b.b))); to > from {
		clear(b.b[from:to])
	}
}

// pageUp rounds n up to whole pages.
func pageUp(n int64) int64 { return (n + pageSize - 1) &^ (pageSize - 1) }

// use changes the number of handles and mappings.
func (c *content) use(n int) { c.mu.Lock(); c.users += n; c.release(); c.mu.Unlock() }

// link changes the number of names.
func (c *content) link(n int) { c.mu.Lock(); c.links += n; c.release(); c.mu.Unlock() }

// release returns the file's space to the file system once it has neither names nor
// users. The memory itself is left to the garbage collector: a Crash may still need
// it.
func (c *content) release() {
	if c.links == 0 && c.users == 0 {
		c.fs.used.Add(-c.charged)
		c.charged = 0
	}
}

func (c *content) readAt(p []byte, off int64) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if off >= c.size {
		return 0
	}
	return copy(p, c.cur.b[off:c.size])
}

func (c *content) writeAt(p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	if off > maxMemFile-int64(len(p)) {
		return syscall.EFBIG
	}
	end := off + int64(len(p))
	c.fs.world.RLock()
	defer c.fs.world.RUnlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if end > c.size {
		if err := c.grow(end, false); err != nil {
			return err
		}
	}
	c.remember(off, end)
	copy(c.cur.b[off:], p)
	for _, old := range c.stale {
		if off < int64(len(old.b)) {
			copy(old.b[off:], p)
		}
	}
	c.touch(off, end)
	return nil
}

// resize sets the size, or with atLeast only ever raises it.
func (c *content) resize(size int64, atLeast bool) error {
	c.fs.world.RLock()
	defer c.fs.world.RUnlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case size > c.size:
		return c.grow(size, true)
	case size < c.size && !atLeast:
		// The bytes stay until the file grows again: an open mapping may show
		// them, and zeroing now would race with its readers.
		c.cur.dirty = max(c.cur.dirty, c.size)
		for _, old := range c.stale {
			old.dirty = max(old.dirty, c.size)
		}
		c.touch(size, c.size)
		c.fs.used.Add(pageUp(size) - c.charged)
		c.charged = pageUp(size)
		c.size = size
	}
	return nil
}

// grow raises the size; new bytes are zero. exact says that no further growth
// is expected. c.mu is held.
func (c *content) grow(size int64, exact bool) error {
	if size > maxMemFile {
		return syscall.EFBIG
	}
	if c.writable > 0 {
		return errGrowMapped
	}
	if more := pageUp(size) - c.charged; more > 0 {
		if err := c.fs.reserve(more); err != nil {
			return err
		}
		c.charged += more
	}
	c.cur.zero(c.size, size)
	for _, old := range c.stale {
		old.zero(c.size, size)
	}
	if size > int64(len(c.cur.b)) {
		room := pageUp(size)
		if !exact {
			room = max(room, 2*int64(len(c.cur.b)))
		}
		next := &buffer{b: make([]byte, room)}
		copy(next.b, c.cur.b[:c.size])
		if c.cur.maps > 0 {
			c.stale = append(c.stale, c.cur)
		}
		c.cur = next
	}
	c.size = size
	return nil
}

// mapping returns the memory of [0,size) and counts one more mapping.
func (c *content) mapping(size int64, writable bool) (*buffer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if size < 0 || size > c.size {
		return nil, syscall.EINVAL
	}
	if writable {
		if len(c.stale) > 0 {
			return nil, errStaleMapped
		}
		c.writable++
		c.touchAll()
	}
	c.cur.maps++
	c.users++
	return c.cur, nil
}

// unmap undoes mapping.
func (c *content) unmap(b *buffer, writable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if writable {
		c.writable--
	}
	if b.maps--; b.maps == 0 {
		if i := slices.Index(c.stale, b); i >= 0 {
			c.stale = slices.Delete(c.stale, i, i+1)
		}
	}
	c.users--
	c.release()
}
