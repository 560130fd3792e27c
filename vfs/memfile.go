package vfs

import (
	"errors"
	"io"
	"io/fs"
	"sync/atomic"
	"syscall"
)

var errNegativeOffset = errors.New("negative offset")

// memFile is an open memory file.
type memFile struct {
	name     string
	c        *content
	writable bool
	closed   atomic.Bool
}

// check returns why op cannot be done: f is closed, a number is negative, or f
// is read-only, for which readonly is the error (nil = that is no obstacle).
func (f *memFile) check(op string, n int64, negative, readonly error) error {
	switch {
	case f.closed.Load():
		return pathErr(op, f.name, fs.ErrClosed)
	case n < 0:
		return pathErr(op, f.name, negative)
	case !f.writable && readonly != nil:
		return pathErr(op, f.name, readonly)
	}
	return nil
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.check("readat", off, errNegativeOffset, nil); err != nil {
		return 0, err
	}
	n := f.c.readAt(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.check("writeat", off, errNegativeOffset, syscall.EBADF); err != nil {
		return 0, err
	}
	if err := f.c.writeAt(p, off); err != nil {
		return 0, pathErr("write", f.name, err)
	}
	return len(p), nil
}

func (f *memFile) WriteVecAt(pieces [][]byte, off int64) (int, error) {
	return writePieces(f, pieces, off)
}

// writePieces is File.WriteVecAt with a call for each piece.
func writePieces(f io.WriterAt, pieces [][]byte, off int64) (n int, err error) {
	for _, p := range pieces {
		k, err := f.WriteAt(p, off+int64(n))
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (f *memFile) Stat() (Info, error) {
	if err := f.check("stat", 0, nil, nil); err != nil {
		return Info{}, err
	}
	return f.c.info(f.name), nil
}

func (f *memFile) Size() (int64, error) {
	if err := f.check("stat", 0, nil, nil); err != nil {
		return 0, err
	}
	f.c.mu.RLock()
	defer f.c.mu.RUnlock()
	return f.c.size, nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.check("truncate", size, syscall.EINVAL, syscall.EINVAL); err != nil {
		return err
	}
	if err := f.c.resize(size, false); err != nil {
		return pathErr("truncate", f.name, err)
	}
	return nil
}

func (f *memFile) Preallocate(size int64) error {
	if err := f.check("preallocate", size, syscall.EINVAL, syscall.EBADF); err != nil {
		return err
	}
	if err := f.c.resize(size, true); err != nil {
		return pathErr("preallocate", f.name, err)
	}
	return nil
}

func (f *memFile) Sync() error {
	if err := f.check("sync", 0, nil, nil); err != nil {
		return err
	}
	f.c.sync()
	return f.reported("sync", writebackFailed)
}

func (f *memFile) SyncData() error {
	if err := f.check("sync", 0, nil, nil); err != nil {
		return err
	}
	f.c.syncData()
	return f.reported("sync", writebackFailed)
}

// reported returns the error of an earlier writeback that is to be reported now.
func (f *memFile) reported(op string, least int32) error {
	if err := report(&f.c.failed, least); err != nil {
		return pathErr(op, f.name, err)
	}
	return nil
}

func (f *memFile) Map(size int64, writable bool) (Mapping, error) {
	var readonly error
	if writable {
		readonly = syscall.EACCES
	}
	if err := f.check("mmap", size, syscall.EINVAL, readonly); err != nil {
		return nil, err
	}
	buf, err := f.c.mapping(size, writable)
	if err != nil {
		return nil, pathErr("mmap", f.name, err)
	}
	return &memMapping{name: f.name, c: f.c, buf: buf, mem: buf.b[:size:size], writable: writable}, nil
}

func (f *memFile) Close() error {
	if f.closed.Swap(true) {
		return pathErr("close", f.name, fs.ErrClosed)
	}
	f.c.use(-1)
	if f.writable {
		return f.reported("close", writebackFailedClose)
	}
	return nil
}

// memMapping is a mapping of a memory file.
type memMapping struct {
	name     string
	c        *content
	buf      *buffer // nil after Close
	mem      []byte
	writable bool
}

func (m *memMapping) Bytes() []byte         { return m.mem }
func (m *memMapping) Populate(off, n int64) {}

func (m *memMapping) Sync(off, n int64) error {
	if m.buf == nil {
		return pathErr("msync", m.name, fs.ErrClosed)
	}
	if err := checkRange(m.name, off, n, int64(len(m.mem))); err != nil {
		return err
	}
	m.c.syncRange(off, off+n)
	if err := report(&m.c.failed, writebackFailed); err != nil {
		return pathErr("msync", m.name, err)
	}
	return nil
}

func (m *memMapping) Close() error {
	if m.buf == nil {
		return pathErr("munmap", m.name, fs.ErrClosed)
	}
	m.c.unmap(m.buf, m.writable)
	m.buf, m.mem = nil, nil
	return nil
}
