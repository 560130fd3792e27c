//go:build windows || (unix && !aix && !solaris)

package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
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

// lockedDirs has the ID of each directory that this process has locked: some file
// systems take such a lock and keep nobody out with it.
var lockedDirs sync.Map

// lockFolder is Dir.LockDir of the directory d, of which f is another
// descriptor, and shown the name of the lock file.
func lockFolder(f *os.File, shown string, id ID, d Dir, name string) (io.Closer, error) {
	held := &LockedError{Path: shown, PID: os.Getpid()}
	if _, taken := lockedDirs.LoadOrStore(id, true); taken && id.Known() {
		f.Close()
		return nil, held
	}
	var err error
	if locksFolders {
		err = (&osFile{f: f}).control("lock", lockFD)
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		held.PID = holder(d, name)
		err = held
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.EBADF), errors.Is(err, syscall.EINVAL):
		err = nil // of a network file system, say
	}
	if err != nil {
		lockedDirs.Delete(id)
		f.Close()
		return nil, err
	}
	return &dirLock{osLock{f: f}, id}, nil
}

// dirLock is a held lock of a directory.
type dirLock struct {
	osLock
	id ID
}

// Close gives the lock up.
func (l *dirLock) Close() error {
	err := l.osLock.Close()
	if !errors.Is(err, fs.ErrClosed) {
		lockedDirs.Delete(l.id)
	}
	return err
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
