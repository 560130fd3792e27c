//go:build windows || (unix && !aix && !solaris)

package vfs

import (
	"os"

	"github.com/edsrzf/mmap-go"
)

// osMapping is a Mapping made by mmap(2) or its like. mem is nil for an empty mapping and
// after Close.
type osMapping struct {
	mapped
	name     string
	mem      mmap.MMap
	writable bool
	closed   bool
}

func (m *osMapping) Bytes() []byte { return m.mem }

func (m *osMapping) Sync(off, n int64) error {
	if m.closed {
		return pathErr("msync", m.name, os.ErrClosed)
	}
	if err := checkRange(m.name, off, n, int64(len(m.mem))); err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	part := m.pages(off, n)
	if err := m.flush(part); err != nil {
		return pathErr("msync", m.name, err)
	}
	return nil
}

func (m *osMapping) Populate(off, n int64) {
	if checkRange(m.name, off, n, int64(len(m.mem))) == nil && n > 0 {
		populate(m.pages(off, n), m.writable)
	}
}

// pages returns [off,off+n), which must lie in the mapping, rounded outward to
// whole memory pages; the last one ends with the mapping.
func (m *osMapping) pages(off, n int64) []byte {
	page := int64(os.Getpagesize())
	end := min((off+n+page-1)&^(page-1), int64(len(m.mem)))
	return m.mem[off&^(page-1) : end]
}

func (m *osMapping) Close() error {
	if m.closed {
		return pathErr("munmap", m.name, os.ErrClosed)
	}
	m.closed = true
	if m.mem == nil {
		return nil
	}
	defer m.drop()
	if err := m.mem.Unmap(); err != nil {
		return pathErr("munmap", m.name, err)
	}
	return nil
}
