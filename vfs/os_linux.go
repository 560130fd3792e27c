package vfs

import "golang.org/x/sys/unix"

// syncData is fdatasync(2).
func syncData(f *osFile) error {
	return f.control("fdatasync", func(fd uintptr) error {
		return retry(func() error { return unix.Fdatasync(int(fd)) })
	})
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
