package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

var (
	errSymlink    = fmt.Errorf("is a symbolic link, which is not followed: %w", syscall.ELOOP)
	errNotRegular = errors.New("not a regular file")
)

// pathErr is err as the error of operation op on path.
func pathErr(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// linkErr is err as the error of an operation op on two paths.
func linkErr(op, oldname, newname string, err error) error {
	return &os.LinkError{Op: op, Old: oldname, New: newname, Err: err}
}

// checkRange returns an error unless [off,off+n) lies within [0,size).
func checkRange(name string, off, n, size int64) error {
	if off < 0 || n < 0 || off > size || n > size-off {
		return pathErr("msync", name, fmt.Errorf("range %d+%d outside of mapping of %d bytes: %w", off, n, size, syscall.EINVAL))
	}
	return nil
}
