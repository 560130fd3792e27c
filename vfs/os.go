//go:build windows || (unix && !aix && !solaris)

package vfs

import (
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
	return Info{
		Name:      fi.Name(),
		Size:      fi.Size(),
		Allocated: allocated(fi),
		Dir:       fi.IsDir(),
		Regular:   fi.Mode().IsRegular(),
	}
}
