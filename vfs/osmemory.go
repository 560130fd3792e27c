//go:build unix && !aix && !solaris

package vfs

import (
	"unsafe"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// mapMemory maps size bytes that begin at a multiple of HugePage, and returns
// them and the whole mapping, which has room for the alignment.
func mapMemory(size int) (b, whole []byte, err error) {
	// COPY makes the mapping private: shared memory rarely has huge pages.
	whole, err = mmap.MapRegion(nil, size+HugePage, mmap.COPY, mmap.ANON, 0)
	if err != nil {
		return nil, nil, err
	}
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(whole))) & (HugePage - 1))
	b = whole[skip : skip+size : skip+size]
	adviseHuge(b)
	return b, whole, nil
}

func unmapMemory(whole []byte) {
	m := mmap.MMap(whole)
	_ = m.Unmap()
}

func discardMemory(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }
