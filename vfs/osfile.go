//go:build windows || (unix && !aix && !solaris)

package vfs

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/edsrzf/mmap-go"
)

// zeroStep is how much is written at a time where writing is the only way to
// allocate blocks, in bytes.
const zeroStep = 1 << 20

// osFile is a File of the operating system.
type osFile struct {
	f   *os.File
	vec atomic.Pointer[vecWriter] // nil until it is needed
}

func (f *osFile) Name() string                            { return f.f.Name() }
func (f *osFile) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }
func (f *osFile) Truncate(size int64) error               { return sysError(f.f.Truncate(size)) }
func (f *osFile) Sync() error                             { return syncFile(f.f) }
func (f *osFile) SyncData() error                         { return syncData(f) }
func (f *osFile) Close() error                            { return f.f.Close() }

func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.f.WriteAt(p, off)
	return n, sysError(err)
}

func (f *osFile) Stat() (Info, error) { return statFile(f) }

func (f *osFile) Size() (int64, error) {
	info, err := statFile(f)
	return info.Size, err
}

func (f *osFile) Preallocate(size int64) error {
	if size < 0 {
		return pathErr("preallocate", f.Name(), syscall.EINVAL)
	}
	before, err := f.Size()
	if err != nil || size == 0 {
		return err
	}
	err = f.control("preallocate", func(fd uintptr) error {
		if before == 0 {
			writeInPlace(fd)
		}
		return allocate(fd, size)
	})
	if errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EOPNOTSUPP) ||
		errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS) {
		err = f.writeZeroes(before, size)
	}
	if err != nil {
		// A file that grew part of the way would look like one that grew.
		if now, serr := f.Size(); serr == nil && now > before {
			_ = f.f.Truncate(before)
		}
	}
	return err
}

// writeZeroes writes zeroes to [from,to).
func (f *osFile) writeZeroes(from, to int64) error {
	if from >= to {
		return nil
	}
	zeroes := make([]byte, min(zeroStep, to-from))
	for from < to {
		n, err := f.WriteAt(zeroes[:min(zeroStep, to-from)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

func (f *osFile) Map(size int64, writable bool) (Mapping, error) {
	now, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size < 0 || size > now || size != int64(int(size)) {
		return nil, pathErr("mmap", f.Name(), fmt.Errorf("%d bytes of a file of %d: %w", size, now, syscall.EINVAL))
	}
	m := &osMapping{name: f.Name(), writable: writable}
	if size == 0 {
		return m, nil // the system call refuses an empty mapping
	}
	prot := mmap.RDONLY
	if writable {
		prot = mmap.RDWR
	}
	err = f.control("mmap", func(fd uintptr) (err error) {
		if m.mem, err = mmap.MapRegion(f.f, int(size), prot, 0, 0); err == nil {
			if err = m.keep(fd); err != nil {
				_ = m.mem.Unmap()
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// control runs op with the file descriptor, which stays open meanwhile even if
// another goroutine calls Close.
func (f *osFile) control(what string, op func(fd uintptr) error) error {
	conn, err := f.f.SyscallConn()
	if err != nil {
		return pathErr(what, f.Name(), os.ErrClosed)
	}
	var operr error
	if err := conn.Control(func(fd uintptr) { operr = op(fd) }); err != nil {
		return pathErr(what, f.Name(), os.ErrClosed)
	}
	if operr != nil {
		return pathErr(what, f.Name(), operr)
	}
	return nil
}
