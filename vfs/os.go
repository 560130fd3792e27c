//go:build windows || (unix && !aix && !solaris)

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const (
	fileMode = 0o600
	dirMode  = 0o700
)

// OS returns the file system of the operating system. Relative names are
// relative to the working directory; see [FS] OpenDir for names that do not
// depend on it.
func OS() FS { return osFS{} }

type osFS struct{}

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

func osInfo(fi fs.FileInfo) Info {
	info := Info{
		Name:      fi.Name(),
		Size:      fi.Size(),
		Allocated: fi.Size(),
		Dir:       fi.IsDir(),
		Regular:   fi.Mode().IsRegular(),
		Symlink:   fi.Mode()&fs.ModeSymlink != 0,
		Links:     1,
	}
	identify(&info, fi)
	return info
}

// named is Dir.Named for a directory that was opened as abs.
func named(abs string, same func(fs.FileInfo) bool) (bool, error) {
	if abs == "" {
		return false, errors.ErrUnsupported
	}
	fi, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return false, nil
	case err != nil:
		return false, err
	}
	return same(fi), nil
}
