//go:build windows || (unix && !aix && !solaris)

package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// lockFile is FS.Lock for the file that open opens.
func lockFile(name string, open func(how int) (*os.File, error)) (io.Closer, error) {
	f, err := open(os.O_RDWR | os.O_CREATE)
	writable := err == nil
	if errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		first := err
		f, err = open(os.O_RDONLY)
		if errors.Is(err, fs.ErrNotExist) {
			if errors.Is(first, syscall.EROFS) {
				return &osLock{name: name}, nil
			}
			err = first
		}
	}
	if err != nil {
		return nil, err
	}
	err = (&osFile{f: f}).control("lock", lockFD)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = &LockedError{Path: name, PID: readPID(f)}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	l := &osLock{name: name, f: f, writable: writable}
	if writable {
		// The text is for people and error messages; the lock holds without
		// it, for instance on a full disk.
		_ = f.Truncate(0)
		_, _ = f.WriteAt(pidText(os.Getpid()), 0)
	}
	return l, nil
}

// osLock is a held lock, or a dummy if f is nil.
type osLock struct {
	name     string
	f        *os.File
	writable bool
}

// Close gives the lock up. The pid is wiped first, so that it does not name a
// process that is long gone.
func (l *osLock) Close() error {
	if l.f == nil {
		return nil
	}
	if l.writable {
		_ = l.f.Truncate(0)
	}
	// A child that was forked and has not reached its exec has a copy of the
	// descriptor: closing ours alone would leave the lock with it.
	_ = (&osFile{f: l.f}).control("unlock", unlockFD)
	return l.f.Close()
}
