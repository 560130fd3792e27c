//go:build linux || darwin || freebsd || dragonfly

package vfs

import (
	"math"

	"golang.org/x/sys/unix"
)

// freeBytes returns the bytes that an ordinary user may still allocate on the
// file system of the open directory fd.
func freeBytes(fd int) (int64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return 0, err
	}
	// The fields' types differ from system to system. Where the number is
	// signed, it goes below zero when only the superuser can write any more.
	blocks, size := int64(st.Bavail), int64(st.Bsize)
	if blocks <= 0 || size <= 0 {
		return 0, nil
	}
	if blocks > math.MaxInt64/size {
		return math.MaxInt64, nil
	}
	return blocks * size, nil
}
