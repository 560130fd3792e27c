//go:build unix && !aix && !solaris

package vfs

import (
	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

func mapMemory(size int) ([]byte, error) {
	return mmap.MapRegion(nil, size, mmap.COPY, mmap.ANON, 0) // COPY makes it private
}

func unmapMemory(b []byte) {
	m := mmap.MMap(b)
	_ = m.Unmap()
}

func populateMemory(b []byte) { populate(b, true) }

func discardMemory(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }
