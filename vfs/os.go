//go:build unix && !aix && !solaris

package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	fileMode = 0o600
	dirMode  = 0o700
)

// OS returns the file system of the operating system. Relative names are
// relative to the working directory.
func OS() FS { return osFS{} }

type osFS struct{}

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

// openHow translates flag for os.OpenFile.
func openHow(flag Flag) (how int, err error) {
	how = os.O_RDONLY
	if flag.writable() {
		how = os.O_RDWR
	}
	if flag&Create != 0 {
		how |= os.O_CREATE
	}
	if flag&Exclusive != 0 {
		if flag&Create == 0 {
			return 0, syscall.EINVAL
		}
		how |= os.O_EXCL
	}
	return how, nil
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

func (osFS) ReadDir(name string) ([]Info, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	infos := make([]Info, 0, len(entries))
	for _, e := range entries {
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, osInfo(fi))
	}
	return infos, nil
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

func osInfo(fi fs.FileInfo) Info {
	info := Info{
		Name:    fi.Name(),
		Size:    fi.Size(),
		Dir:     fi.IsDir(),
		Regular: fi.Mode().IsRegular(),
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		info.Allocated = int64(st.Blocks) * 512 // st_blocks is in units of 512 bytes, whatever the block size
	}
	return info
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
	return newOSDir(f)
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
