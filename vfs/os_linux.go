package vfs

import "golang.org/x/sys/unix"

// syncData is fdatasync(2).
func syncData(f *osFile) error {
	return f.control("fdatasync", func(fd uintptr) error {
		return retry(func() error { return unix.Fdatasync(int(fd)) })
	})
}

// allocate gives [0,size) blocks and makes the file at least size bytes long.
func allocate(fd uintptr, size int64) error {
	return retry(func() error { return unix.Fallocate(int(fd), 0, 0, size) })
}

// populate faults the pages of b in. Kernels before 5.14 cannot, and are asked to
// read ahead instead.
func populate(b []byte, writable bool) {
	advice := unix.MADV_POPULATE_READ
	if writable {
		advice = unix.MADV_POPULATE_WRITE
	}
	if unix.Madvise(b, advice) == unix.EINVAL {
		_ = unix.Madvise(b, unix.MADV_WILLNEED)
	}
}
