package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// in runs op with the directory that holds name, and the last element of name. All
// files are opened through a Root: only then does the system let others remove and
// rename them while they are open.
func (osFS) in(name string, op func(d *rootDir, base string) error) error {
	if name == "" {
		return pathErr("open", name, syscall.ENOENT)
	}
	clean := filepath.Clean(filepath.FromSlash(name))
	dir, base := filepath.Split(clean)
	if base == "" || base == ".." || base == "." {
		dir, base = clean, "."
	}
	if dir == "" {
		dir = "."
	}
	d, err := openRootDir(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return op(d, base)
}

func (o osFS) Open(name string, flag Flag) (f File, err error) {
	err = o.in(name, func(d *rootDir, base string) (err error) { f, err = d.Open(base, flag); return err })
	return f, err
}

func (osFS) MkdirAll(name string) error { return os.MkdirAll(name, dirMode) }

func (o osFS) ReadDir(name string) ([]Info, error) {
	d, err := o.OpenDir(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.ReadDir(".")
}

func (osFS) Stat(name string) (Info, error) {
	fi, err := os.Lstat(name)
	if err != nil {
		return Info{}, err
	}
	if to, err := os.Stat(name); err == nil && to.IsDir() {
		fi = to // data directories are often links to another disk
	}
	info := osInfo(fi)
	info.Name = filepath.Base(name)
	return info, nil
}

func (osFS) Remove(name string) error             { return os.Remove(name) }
func (osFS) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }
func (osFS) Link(oldname, newname string) error   { return os.Link(oldname, newname) }

func (o osFS) SyncDir(name string) error {
	d, err := o.OpenDir(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (osFS) OpenDir(name string) (Dir, error) {
	d, err := openRootDir(name)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (o osFS) Lock(name string) (l io.Closer, err error) {
	err = o.in(name, func(d *rootDir, base string) (err error) { l, err = d.Lock(base); return err })
	return l, err
}

func (o osFS) Free(name string) (int64, error) {
	d, err := o.OpenDir(name)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	return d.Free(".")
}

// identify adds nothing: the allocation, the number of names and which file it is would
// take other calls.
func identify(*Info, fs.FileInfo) {}

// statFile describes an open file.
func statFile(f *osFile) (Info, error) {
	fi, err := f.f.Stat()
	if err != nil {
		return Info{}, err
	}
	info := osInfo(fi)
	info.Name = f.Name()
	return info, nil
}

// absolute returns a name from the root on, or "" if that cannot be told.
func absolute(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil {
		return ""
	}
	return abs
}

// locksFolders says that a directory cannot be locked.
const locksFolders = false

// syncFolder does nothing: there is no call for a directory. See the package
// comment for what that means.
func syncFolder(*os.File) error { return nil }

// sysError adds the number that unix has to errors that callers look for.
func sysError(err error) error {
	if errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) {
		return fmt.Errorf("%w (%w)", err, syscall.ENOSPC)
	}
	if errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED) {
		return fmt.Errorf("%w (%w)", err, syscall.EDQUOT)
	}
	return err
}

// syncData is a full sync.
func syncData(f *osFile) error { return f.Sync() }

// allocate fails: here space cannot be allocated without writing, which the caller
// then does.
func allocate(uintptr, int64) error { return syscall.ENOTSUP }

// writeInPlace does nothing: files are.
func writeInPlace(uintptr) {}

// vecWriter is empty: each piece is written with a call of its own.
type vecWriter struct{}

func (f *osFile) WriteVecAt(pieces [][]byte, off int64) (int, error) {
	return writePieces(f, pieces, off)
}

// lockByte is where the lock is: locked bytes cannot be read by others, so it lies
// beyond whatever a lock file may contain.
func lockByte() *windows.Overlapped { return &windows.Overlapped{OffsetHigh: math.MaxInt32} }

func lockFD(fd uintptr) error {
	const how = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(fd), how, 0, 1, 0, lockByte())
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		err = syscall.EWOULDBLOCK
	}
	return err
}

func unlockFD(fd uintptr) error {
	return windows.UnlockFileEx(windows.Handle(fd), 0, 1, 0, lockByte())
}

// mapped is what a mapping needs besides its memory: a handle of the file, to write
// the disk's cache. The file itself may be closed before the mapping is.
type mapped struct{ file windows.Handle }

func (m *mapped) keep(fd uintptr) error {
	self := windows.CurrentProcess()
	return windows.DuplicateHandle(self, windows.Handle(fd), self, &m.file, 0, false, windows.DUPLICATE_SAME_ACCESS)
}

func (m *mapped) drop() { _ = windows.CloseHandle(m.file) }

// flush makes the pages of part durable.
func (m *mapped) flush(part []byte) error {
	err := windows.FlushViewOfFile(uintptr(unsafe.Pointer(unsafe.SliceData(part))), uintptr(len(part)))
	runtime.KeepAlive(part)
	if err != nil {
		return err
	}
	return unlessReading(windows.FlushFileBuffers(m.file))
}

func syncFile(f *os.File) error { return unlessReading(f.Sync()) }

// unlessReading drops the error of syncing a file that was opened for reading only:
// nothing can have been written through it.
func unlessReading(err error) error {
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return nil
	}
	return err
}

// populate does nothing: pages come in as they are touched.
func populate([]byte, bool) {}

// freeOn returns the bytes that this user may still allocate on the volume of an
// open directory.
func freeOn(d *os.File) (int64, error) {
	conn, err := d.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n uint64
	cerr := conn.Control(func(fd uintptr) {
		var buf [windows.MAX_LONG_PATH]uint16
		if _, err = windows.GetFinalPathNameByHandle(windows.Handle(fd), &buf[0], uint32(len(buf)), 0); err == nil {
			err = windows.GetDiskFreeSpaceEx(&buf[0], &n, nil, nil)
		}
	})
	return int64(min(n, math.MaxInt64)), first(err, cerr)
}
