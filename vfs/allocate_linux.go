package vfs

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

// fallocate is fallocate(2), and extents is nextExtent; tests change them.
var (
	fallocate = func(fd uintptr, off, n int64) error {
		return retry(func() error { return unix.Fallocate(int(fd), 0, off, n) })
	}
	extents = nextExtent
)

// allocate gives [0,size) blocks and makes the file at least size bytes long.
func allocate(fd uintptr, size int64) error {
	err := fallocate(fd, 0, size)
	if !NoSpace(err) || mutate.SkipGaps {
		return err
	}
	if gaps := fillGaps(fd, size); !errors.Is(gaps, errNoExtents) {
		return gaps
	}
	return err
}

// errNoExtents means that the file system does not tell which blocks a file has.
var errNoExtents = errors.New("extents are not known")

// fillGaps does what allocate does, and asks only for what the file lacks. Blocks
// past the file's end count: the file system may have allocated them in advance.
func fillGaps(fd uintptr, size int64) error {
	for off := int64(0); off < size; {
		from, to, err := extents(fd, off, size)
		if err != nil {
			return err
		}
		if from > off {
			if err := fallocate(fd, off, from-off); err != nil {
				return err
			}
		}
		off = to
	}
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(int(fd), &st) }); err != nil {
		return err
	}
	if st.Size >= size {
		return nil
	}
	return retry(func() error { return unix.Ftruncate(int(fd), size) })
}

// fiemap is struct fiemap of linux/fiemap.h with room for one extent.
type fiemap struct {
	start, length uint64
	flags         uint32
	mapped        uint32
	count         uint32
	_             uint32

	logical, physical, bytes uint64
	_                        [2]uint64
	what                     uint32
	_                        [3]uint32
}

// fsIocFiemap is FS_IOC_FIEMAP where ioctl numbers are the usual ones.
const fsIocFiemap = 0xc020660b

// nextExtent returns the first range of [off,size) that has blocks, or will have
// them as there is room reserved. Without one it is empty and begins at size.
func nextExtent(fd uintptr, off, size int64) (from, to int64, err error) {
	m := fiemap{start: uint64(off), length: uint64(size - off), count: 1}
	err = retry(func() error {
		if _, _, no := unix.Syscall(unix.SYS_IOCTL, fd, fsIocFiemap, uintptr(unsafe.Pointer(&m))); no != 0 {
			return no
		}
		return nil
	})
	if err != nil {
		return 0, 0, errors.Join(errNoExtents, err)
	}
	end := m.logical + m.bytes
	if m.mapped == 0 || m.logical >= uint64(size) || end <= uint64(off) {
		return size, size, nil
	}
	return max(int64(m.logical), off), int64(min(end, uint64(size))), nil
}

// fsNoCow is FS_NOCOW_FL.
const fsNoCow = 0x00800000

// writeInPlace has btrfs overwrite the blocks of a file that is still empty instead
// of writing them elsewhere, which fails on a full disk. Best effort.
func writeInPlace(fd uintptr) {
	var st unix.Statfs_t
	if unix.Fstatfs(int(fd), &st) != nil || uint32(st.Type) != unix.BTRFS_SUPER_MAGIC {
		return
	}
	if flags, err := unix.IoctlGetUint32(int(fd), unix.FS_IOC_GETFLAGS); err == nil {
		_ = unix.IoctlSetPointerInt(int(fd), unix.FS_IOC_SETFLAGS, int(int32(flags|fsNoCow)))
	}
}
