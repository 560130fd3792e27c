package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pipeproc/pipeproc/vfs"
)

// Files is a bounded cache of open segment files. It is safe for concurrent
// use.
//
// A file is used through a [Handle], which stays open while anyone holds it. The
// cache keeps idle handles up to a bound on open files, and evicts the least
// recently used ones (by the clock algorithm). If all are held, it still evicts
// one, which closes with its last Release.
//
// Acquire costs a lock and a map lookup. A reader that returns often keeps the
// *Handle without holding it and calls [Handle.Retain], which costs one atomic
// operation, and falls back on Acquire:
//
//	h := cached.Load()
//	if h == nil || !h.Retain() {
//		if h, err = files.Acquire(topic, number); err != nil { ... }
//		cached.Store(h)
//	}
//	defer h.Release()
type Files struct {
	// Elapsed returns the time since some fixed moment. If it is set, repeated scans
	// of a file use mappings, see [Handle.Rescan]. Set it before use.
	Elapsed func() time.Duration

	fs        vfs.FS
	dir       string
	maxOpen   int
	maxMapped int64
	open      atomic.Int64 // open files, including held ones that left the cache
	mapped    atomic.Int64 // likewise, mappings
	bytes     atomic.Int64 // of mappings

	maxBytes int64 // of mappings

	mu      sync.Mutex // not held while files are opened, closed or mapped
	handles map[fileKey]*Handle
	ring    []*Handle // the same handles, as the clock goes around
	hand    int
	closed  bool
}

// mapsFreely is vfs.MapsFreely; tests change it.
var mapsFreely = vfs.MapsFreely

// maxMappedBytes bounds the mappings' bytes: a quarter of what an int counts is an
// eighth of the address space, and in 64 bits no bound at all.
const maxMappedBytes int64 = math.MaxInt>>2 + 1

type fileKey struct{ topic, number uint64 }

// NewFiles returns a cache of the segment files in dir that keeps at most
// maxOpen (1 or more) files open and maxMapped (0 or more) mappings alive,
// besides what is held. Where files cannot be mapped freely ([vfs.MapsFreely]) none
// is: a file is cut when it is sealed, and removed when it is pruned, under its
// readers. In a process of 32 bits the mappings also have at most 512
// MiB together, held ones included.
func NewFiles(fsys vfs.FS, dir string, maxOpen, maxMapped int) *Files {
	if !mapsFreely {
		maxMapped = 0
	}
	return &Files{
		fs: fsys, dir: dir, maxOpen: max(maxOpen, 1), maxMapped: int64(maxMapped), maxBytes: maxMappedBytes,
		handles: make(map[fileKey]*Handle),
	}
}

// Acquire returns a held handle of a segment's file. If the file is not in the
// cache, it is opened for reading and writing or, if that is not permitted, only
// for reading. The error wraps fs.ErrNotExist if the file is missing and
// fs.ErrClosed if the cache is closed.
func (c *Files) Acquire(topic, number uint64) (*Handle, error) {
	key := fileKey{topic, number}
	c.mu.Lock()
	if h := c.handles[key]; h != nil {
		h.refs.Add(refUser) // the cache's reference keeps it from being closed
		c.mu.Unlock()
		h.markUsed()
		return h.opened()
	}
	if c.closed {
		c.mu.Unlock()
		return nil, fmt.Errorf("segment: files: %w", fs.ErrClosed)
	}
	h := c.newHandle(key)
	victims := c.insert(h)
	c.mu.Unlock()
	unrefAll(victims)

	h.file, h.openErr = c.openFile(key)
	if h.openErr != nil {
		c.remove(h)
	} else {
		c.open.Add(1)
	}
	h.isOpen.Store(true)
	close(h.ready)
	return h.opened()
}

// Add puts a newly created file into the cache, which then owns it, and returns a
// held handle. It drops an older handle of the same segment.
func (c *Files) Add(topic, number uint64, f vfs.File) *Handle {
	h := c.newHandle(fileKey{topic, number})
	h.file = f
	h.isOpen.Store(true)
	close(h.ready)
	c.open.Add(1)
	c.mu.Lock()
	if c.closed {
		h.refs.Store(refUser)
		c.mu.Unlock()
		return h
	}
	old := c.handles[h.key]
	if old != nil {
		c.removeLocked(old)
	}
	victims := c.insert(h)
	c.mu.Unlock()
	if old != nil {
		old.unref(refCache)
	}
	unrefAll(victims)
	return h
}

// Forget drops a file from the cache, for example because it is unlinked or will
// be mapped anew. The file is closed when its last user releases it.
func (c *Files) Forget(topic, number uint64) {
	c.mu.Lock()
	h := c.handles[fileKey{topic, number}]
	if h != nil {
		c.removeLocked(h)
	}
	c.mu.Unlock()
	if h != nil {
		h.unref(refCache)
	}
}

// Stats returns the numbers of open files and of mappings.
func (c *Files) Stats() (open, mapped int) {
	return int(c.open.Load()), int(c.mapped.Load())
}

// Close empties the cache and refuses further use. Held files stay open until they
// are released; errors from closing those are lost.
func (c *Files) Close() error {
	c.mu.Lock()
	all := c.ring
	c.ring, c.closed = nil, true
	clear(c.handles)
	c.mu.Unlock()
	var errs []error
	for _, h := range all {
		errs = append(errs, h.unref(refCache))
	}
	return errors.Join(errs...)
}

// reserve counts one more mapping, of n bytes, unless it is one too many.
func (c *Files) reserve(n int64) bool {
	if c.mapped.Add(1) > c.maxMapped {
		c.mapped.Add(-1)
		return false
	}
	if c.bytes.Add(n) > c.maxBytes {
		c.unreserve(n)
		return false
	}
	return true
}

// unreserve is for a mapping of n bytes that is no more, or was not made.
func (c *Files) unreserve(n int64) {
	c.mapped.Add(-1)
	c.bytes.Add(-n)
}

func (c *Files) openFile(key fileKey) (vfs.File, error) {
	name := path.Join(c.dir, FileName(key.topic, key.number))
	f, err := c.fs.Open(name, vfs.Write)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		// It may still be readable. If not, the first error is the better one.
		if r, rerr := c.fs.Open(name, vfs.Read); rerr == nil {
			return r, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("segment: open: %w", err)
	}
	return f, nil
}

// insert adds h, and removes and returns the handles that exceed the bound. c.mu is
// held.
func (c *Files) insert(h *Handle) (victims []*Handle) {
	c.handles[h.key] = h
	h.slot = len(c.ring)
	c.ring = append(c.ring, h)
	for len(c.ring) > c.maxOpen {
		v := c.victim(h)
		c.removeLocked(v)
		victims = append(victims, v)
	}
	return victims
}

// victim chooses a handle other than keep, preferably an idle one. The ring holds
// keep and at least one more. c.mu is held.
func (c *Files) victim(keep *Handle) *Handle {
	var held *Handle
	for range 2 * len(c.ring) { // once around to clear the marks, once to find one
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		h := c.ring[c.hand]
		c.hand++
		switch {
		case h == keep:
		case h.refs.Load() >= refUser:
			held = h
		case h.used.Load():
			h.used.Store(false)
		default:
			return h
		}
	}
	if held == nil { // every mark was set again meanwhile
		held = c.ring[0]
		if held == keep {
			held = c.ring[1]
		}
	}
	return held
}

// removeLocked removes h, which must be in the cache. c.mu is held. The caller drops
// the cache's reference once it has released c.mu.
func (c *Files) removeLocked(h *Handle) {
	delete(c.handles, h.key)
	last := len(c.ring) - 1
	c.ring[h.slot] = c.ring[last]
	c.ring[h.slot].slot = h.slot
	c.ring[last] = nil
	c.ring = c.ring[:last]
}

// remove removes h from the cache if it is still there.
func (c *Files) remove(h *Handle) {
	c.mu.Lock()
	in := c.handles[h.key] == h
	if in {
		c.removeLocked(h)
	}
	c.mu.Unlock()
	if in {
		h.unref(refCache)
	}
}

// unrefAll drops the cache's references to hs.
func unrefAll(hs []*Handle) {
	for _, h := range hs {
		h.unref(refCache)
	}
}
