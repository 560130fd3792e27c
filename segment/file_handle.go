package segment

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/vfs"
)

// ErrNoMapping reports that a file is not mapped, because there are too many
// mappings or the system refuses. The caller uses ReadAt instead.
var ErrNoMapping = errors.New("segment: file is not mapped")

// A handle's references: one for the cache, and one for each user.
const (
	refCache = 1
	refUser  = 2
)

// footerShare: a footer is usually at most 1/footerShare of its file. That part is
// populated, because the whole footer is read at once.
const footerShare = 64

// Handle is an open segment file, and its mapping if there is one. It is safe for
// concurrent use by its holders.
type Handle struct {
	cache *Files
	key   fileKey
	slot  int // index in cache.ring, guarded by cache.mu

	refs atomic.Int64 // 0 once closed, or about to be
	used atomic.Bool  // since the clock's hand last passed

	isOpen  atomic.Bool   // opening has finished
	ready   chan struct{} // closed when it has
	file    vfs.File      // nil if it failed
	openErr error

	current atomic.Pointer[Mapping]
	footer  atomic.Pointer[Footer]
	garbage atomic.Bool // retired is not empty
	refused atomic.Bool // the system does not map this file
	reads   atomic.Int32
	scanned atomic.Int64 // bytes that scans have read with ReadAt

	mu         sync.Mutex
	retired    []*Mapping // replaced, perhaps in use
	footerOver *Mapping   // what the footer aliases
}

// newHandle returns a handle that is not open yet, with references of the cache and
// of one user.
func (c *Files) newHandle(key fileKey) *Handle {
	h := &Handle{cache: c, key: key, ready: make(chan struct{})}
	h.refs.Store(refCache + refUser)
	h.used.Store(true)
	return h
}

// opened waits until h is open and returns it, or releases it and returns why
// it could not be opened.
func (h *Handle) opened() (*Handle, error) {
	if !h.isOpen.Load() {
		<-h.ready
	}
	if err := h.openErr; err != nil {
		h.Release()
		return nil, err
	}
	return h, nil
}

func (h *Handle) markUsed() {
	if !h.used.Load() { // usually set: do not write to the cache line
		h.used.Store(true)
	}
}

// Retain holds a handle again that the caller has had before. It returns false if
// the file was closed meanwhile.
func (h *Handle) Retain() bool {
	for {
		n := h.refs.Load()
		if n == 0 {
			return false
		}
		if h.refs.CompareAndSwap(n, n+refUser) {
			h.markUsed()
			return true
		}
	}
}

// Release ends one hold. The caller must no longer use the file, mappings and
// footers of the handle, unless it holds the handle once more.
func (h *Handle) Release() {
	switch n := h.refs.Add(-refUser); {
	case n == 0:
		_ = h.close()
	case n < 0:
		panic("segment: handle released more often than acquired")
	case n < refUser && h.garbage.Load():
		h.reap()
	}
}

// unref drops a reference and returns the error from closing, if it was the
// last one.
func (h *Handle) unref(ref int64) error {
	if h.refs.Add(-ref) == 0 {
		return h.close()
	}
	return nil
}

// close closes everything. h has no references left, but a reap may still be
// running.
func (h *Handle) close() error {
	if h.file == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	errs := []error{h.file.Close()}
	if m := h.current.Load(); m != nil {
		h.retired = append(h.retired, m)
	}
	for _, m := range h.retired {
		errs = append(errs, m.Close())
		h.cache.unreserve(m.size)
	}
	// Users may keep a closed handle, which must not keep these reachable.
	h.current.Store(nil)
	h.footer.Store(nil)
	h.footerOver = nil
	h.cache.open.Add(-1)
	return errors.Join(errs...)
}

// reap closes the mappings that were replaced, if h is not held.
func (h *Handle) reap() {
	h.mu.Lock()
	defer h.mu.Unlock()
	// A new user sees the current mapping, because mappings are replaced under
	// h.mu. An earlier one is counted in refs, and reaps when it releases h.
	if h.refs.Load() != refCache {
		return
	}
	keep := h.retired[:0]
	for _, m := range h.retired {
		if m == h.footerOver {
			keep = append(keep, m)
			continue
		}
		_ = m.Close() // read-only: there is nothing to lose
		h.cache.unreserve(m.size)
	}
	clear(h.retired[len(keep):])
	h.retired = keep
	h.garbage.Store(false)
}

// File returns the open file. It must not be closed.
func (h *Handle) File() vfs.File { return h.file }

// Mapping returns a read-only mapping of at least the first size bytes of the
// file. It is shared, must not be closed and is valid while the handle is held. A
// file that has grown is mapped anew. The mapping may extend past the end of a file
// that was truncated since: the caller may touch only bytes that it knows to exist,
// and those under [vfs.Guard].
//
// The error wraps ErrNoMapping if no mapping is available, and ErrCorrupt if the
// file is shorter than size.
func (h *Handle) Mapping(size int64) (*Mapping, error) {
	if m := h.current.Load(); m != nil && m.size >= size {
		return m, nil
	}
	if h.refused.Load() || h.cache.mapped.Load() >= h.cache.maxMapped || h.cache.bytes.Load() > h.cache.maxBytes-size {
		return nil, ErrNoMapping
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.remap(size)
}

// Often counts a read of a few records, and reports whether there were enough of
// them for a mapping to pay: creating and removing one costs several reads.
func (h *Handle) Often() bool {
	return h.current.Load() != nil || h.reads.Add(1) > minFileReads
}

// Scanned notes that a scan has read n bytes of the file with ReadAt.
func (h *Handle) Scanned(n int) { h.scanned.Add(int64(n)) }

// Rescan returns a mapping of the first size bytes for a scan. It returns nil if
// scans have not read as much of the file before, if Files.Elapsed is not set, or if
// no mapping is available.
func (h *Handle) Rescan(size int64) *Mapping {
	if h.cache.Elapsed == nil || h.scanned.Load() < size-FileHeaderSize {
		return nil
	}
	m, err := h.Mapping(size)
	if err != nil {
		return nil
	}
	return m
}

// remap does what Mapping does. h.mu is held.
func (h *Handle) remap(size int64) (*Mapping, error) {
	old := h.current.Load()
	if old != nil && old.size >= size {
		return old, nil
	}
	n, err := h.file.Size()
	if err != nil {
		return nil, fmt.Errorf("segment: map: %w", err)
	}
	if n < size {
		return nil, h.corrupt(n, errDataEnd)
	}
	if h.refused.Load() {
		return nil, ErrNoMapping
	}
	if !h.cache.reserve(n) {
		return nil, ErrNoMapping
	}
	vm, err := h.file.Map(n, false)
	if err != nil {
		h.cache.unreserve(n)
		h.refused.Store(true)
		return nil, fmt.Errorf("%w: %w", ErrNoMapping, err)
	}
	m := newMapping(vm, n, h.cache.Elapsed)
	h.current.Store(m)
	if old != nil {
		h.retired = append(h.retired, old)
		h.garbage.Store(true)
	}
	return m, nil
}

// Footer returns the footer of the sealed segment at place p. It is verified once
// and then kept. It aliases the mapping if there is one (see [Footer]), and is valid
// while the handle is held.
func (h *Handle) Footer(p Place) (Footer, error) {
	f, _, err := h.Sealed(p)
	if err != nil {
		return Footer{}, err
	}
	return *f, nil
}

// Sealed returns the footer as Footer does, and the mapping of the whole file that
// it aliases, or nil if there is none.
func (h *Handle) Sealed(p Place) (*Footer, *Mapping, error) {
	if f := h.footer.Load(); f != nil {
		return f, h.footerOver, nil // set before the footer was published
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.footer.Load(); f != nil {
		return f, h.footerOver, nil
	}
	f, err := h.loadFooter(p)
	return f, h.footerOver, err
}

// loadFooter reads and verifies the footer. h.mu is held.
func (h *Handle) loadFooter(p Place) (*Footer, error) {
	size, err := h.file.Size()
	if err != nil {
		return nil, fmt.Errorf("segment: footer: %w", err)
	}
	var f Footer
	m, err := h.remap(size)
	if err == nil {
		m.Populate(size-size/footerShare, size/footerShare)
		var bad error
		if err = vfs.Guard(m, func() { f, bad = ParseFooter(m.Bytes()[:size], size, p) }); err == nil {
			err = bad
		}
	} else {
		f, err = readFooter(h.file, size, p)
	}
	if errors.Is(err, ErrCorrupt) {
		return nil, h.corrupt(max(size-TrailerSize, 0), err)
	}
	if err != nil {
		return nil, fmt.Errorf("segment: footer: %w", err)
	}
	h.footerOver = m // nil without a mapping
	h.footer.Store(&f)
	return &f, nil
}

// Near looks up [Footer.Near] in the footer of the sealed segment at place p,
// guarded against faults of the mapping.
func (h *Handle) Near(p Place, seq uint64) (from, to int64, ok bool, err error) {
	f, _, err := h.Sealed(p)
	if err != nil {
		return 0, 0, false, err
	}
	err = h.guard(func() { from, to, ok = f.Near(seq) })
	return from, to, ok, err
}

// Before looks up [Footer.Before] as Near does.
func (h *Handle) Before(p Place, ms int64) (e Entry, ok bool, err error) {
	f, _, err := h.Sealed(p)
	if err != nil {
		return e, false, err
	}
	err = h.guard(func() { e, ok = f.Before(ms) })
	return e, ok, err
}

// guard runs fn, which uses the footer.
func (h *Handle) guard(fn func()) error {
	m := h.footerOver // set before the footer was published
	if m == nil {
		fn()
		return nil
	}
	if err := vfs.Guard(m.Mapping, fn); err != nil {
		return h.corrupt(-1, err)
	}
	return nil
}

// corrupt adds coordinates to a damage error.
func (h *Handle) corrupt(off int64, err error) error {
	return &CorruptError{
		File:    FileName(h.key.topic, h.key.number),
		Segment: h.key.number,
		Offset:  off,
		What:    err.Error(),
	}
}
