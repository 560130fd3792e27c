//go:build unix && !aix && !solaris

package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func (osFS) Open(name string, flag Flag) (File, error) {
	how, err := openHow(flag)
	if err != nil {
		return nil, pathErr("open", name, err)
	}
	f, err := openRegular(name, how)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

// openRegular opens a file that must be a regular one. O_NONBLOCK means nothing
// to a regular file; it is there so that a FIFO in its place is refused rather
// than waited for.
func openRegular(name string, how int) (*os.File, error) {
	f, err := os.OpenFile(name, how|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, fileMode)
	if err != nil {
		// The error number for a refused link differs from system to system.
		if fi, lerr := os.Lstat(name); lerr == nil && fi.Mode()&fs.ModeSymlink != 0 && !errors.Is(err, fs.ErrExist) {
			err = pathErr("open", name, errSymlink)
		}
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = pathErr("open", name, errNotRegular)
		if fi.IsDir() {
			err = pathErr("open", name, syscall.EISDIR)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
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
	if fi.Mode()&fs.ModeSymlink != 0 {
		// Data directories are often links to another disk.
		if to, err := os.Stat(name); err == nil && to.IsDir() {
			fi = to
		}
	}
	info := osInfo(fi)
	info.Name = filepath.Base(name)
	return info, nil
}

func (osFS) Remove(name string) error             { return os.Remove(name) }
func (osFS) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }
func (osFS) Link(oldname, newname string) error   { return os.Link(oldname, newname) }

func (f osFS) SyncDir(name string) error {
	d, err := f.OpenDir(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (osFS) OpenDir(name string) (Dir, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return newOSDir(f, absolute(name))
}

func (osFS) Lock(name string) (io.Closer, error) {
	return lockFile(name, func(how int) (*os.File, error) { return openRegular(name, how) })
}

func (f osFS) Free(name string) (int64, error) {
	d, err := f.OpenDir(name)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	return d.Free(".")
}

// retry calls f until it is not interrupted by a signal.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// identify adds to info what only the system's own description has.
func identify(info *Info, fi fs.FileInfo) {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		info.Allocated = int64(st.Blocks) * 512 // st_blocks is in units of 512 bytes, whatever the block size
		info.Links = uint64(st.Nlink)
		info.ID = ID{uint64(st.Dev), uint64(st.Ino)}
	}
}

// statFile describes an open file.
func statFile(f *osFile) (info Info, err error) {
	err = f.control("stat", func(fd uintptr) error {
		info, err = fstat(int(fd), f.Name())
		return err
	})
	return info, err
}

// fstatTimes is fstat(2), which asks for a file's times as well.
func fstatTimes(fd int, name string) (Info, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return Info{}, err
	}
	return statInfo(name, &st), nil
}

// absolute returns a name from the root on, or "" if that cannot be told. (filepath.Abs
// would link as much again as the rest of this file.)
func absolute(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	wd, err := unix.Getwd()
	if err != nil {
		return ""
	}
	return within(wd, name)
}

// locksFolders says that a directory can be locked.
const locksFolders = true

// syncFolder makes the entries of an open directory durable.
func syncFolder(d *os.File) error {
	err := d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		// Some file systems (network and FUSE ones) cannot sync a directory;
		// nothing more can be done there, and failing would make them useless.
		return nil
	}
	return err
}

func syncFile(f *os.File) error { return f.Sync() }

// sysError translates an error of the system. Here there is nothing to translate.
func sysError(err error) error { return err }

// lockFD is flock(2).
func lockFD(fd uintptr) error {
	return retry(func() error { return unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) })
}

func unlockFD(fd uintptr) error { return unix.Flock(int(fd), unix.LOCK_UN) }

// mapped is what a mapping needs besides its memory: nothing.
type mapped struct{}

func (mapped) keep(uintptr) error { return nil }
func (mapped) drop()              {}

// flush makes the pages of part durable.
func (mapped) flush(part []byte) error {
	return retry(func() error { return unix.Msync(part, unix.MS_SYNC) })
}

// freeOn is freeBytes of an open directory.
func freeOn(d *os.File) (n int64, err error) {
	conn, err := d.SyscallConn()
	if err == nil {
		cerr := conn.Control(func(fd uintptr) { n, err = freeBytes(int(fd)) })
		err = first(err, cerr)
	}
	return n, err
}
