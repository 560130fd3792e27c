//go:build unix

package transport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The files of unix sockets: the socket, the lock beside it, and a namespace's
// folder.

// maxSocketPath is the maximum length of a unix socket's path, in bytes.
const maxSocketPath = len(unix.RawSockaddrUnix{}.Path) - 1

// checkSocket refuses a unix socket that cannot be.
func checkSocket(a Addr) error {
	if len(a.Path) > maxSocketPath {
		return errAddress.With(a.String() + ": the path has " + strconv.Itoa(len(a.Path)) +
			" bytes, a unix socket's at most " + strconv.Itoa(maxSocketPath))
	}
	return nil
}

// privateDir checks that dir is a real directory that the user owns and nobody
// else can enter. With create, it creates dir if it is missing.
func privateDir(dir string, create bool) error {
	if create {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	refuse := func(why string) error {
		return fmt.Errorf("%s is refused as the folder of a private socket: %s", dir, why)
	}
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		return refuse("it is a symbolic link")
	case !fi.IsDir():
		return refuse("it is not a directory")
	case !ok || int(st.Uid) != os.Geteuid():
		return refuse("it belongs to another user")
	case fi.Mode().Perm()&0o077 != 0:
		return refuse(fmt.Sprintf("its mode %04o lets others in", fi.Mode().Perm()))
	}
	return nil
}

// socketLock is the lock held by a node that listens on a unix socket: a
// flock(2) on the file path.lock.
type socketLock struct{ f *os.File }

// lockSocket takes the lock of the socket at path. If another process, or
// another listener of this one, holds it, the error matches ErrAddressInUse and
// names the holder.
func lockSocket(path string) (*socketLock, error) {
	name := path + ".lock"
	for range 100 {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, err
		}
		err = flock(f, unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errInUse.With(path + " is held by " + holder(f))
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		// The holder removes the file before it unlocks. So the locked file may
		// have no name any more, and another process may lock its successor.
		held, err := f.Stat()
		named, nameErr := os.Lstat(name)
		if err == nil && nameErr == nil && os.SameFile(held, named) {
			if err := lockIsOurs(f, held); err != nil {
				f.Close()
				return nil, err
			}
			// For people and error messages; the lock holds without it.
			_ = f.Truncate(0)
			_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
			return &socketLock{f}, nil
		}
		f.Close()
	}
	return nil, errInUse.With(path + ": others take and leave it all the time")
}

// lockIsOurs refuses a file that only has the name of a lock: its content would be
// lost, and at the end the file.
func lockIsOurs(f *os.File, fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	why := ""
	switch {
	case !fi.Mode().IsRegular():
		why = "it is no regular file"
	case !ok || int(st.Uid) != os.Geteuid():
		why = "it belongs to another user"
	case st.Nlink > 1:
		why = "it has another name"
	case fi.Size() > 0 && pidIn(f) == 0:
		why = "it holds something else than the number of a process"
	default:
		return nil
	}
	return fmt.Errorf("%s is refused as the lock of a socket: %s; move it away or listen elsewhere", f.Name(), why)
}

// pidIn returns the number of the process in a lock's file, 0 if there is none, or more
// than that.
func pidIn(f *os.File) int {
	var buf [32]byte
	n, _ := f.ReadAt(buf[:], 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n]))); err == nil && pid > 0 && n < len(buf) {
		return pid
	}
	return 0
}

func holder(f *os.File) string {
	if pid := pidIn(f); pid > 0 {
		return "process " + strconv.Itoa(pid)
	}
	return "another process"
}

// unlock removes the lock's file and releases the lock.
func (l *socketLock) unlock() error {
	var err error
	held, serr := l.f.Stat()
	if serr == nil { // its folder may have another one by now
		err = removeOwn(l.f.Name(), held)
	}
	// A forked child that has not reached its exec shares the descriptor, so
	// closing it here would not release the lock.
	_ = flock(l.f, unix.LOCK_UN)
	return errors.Join(err, l.f.Close())
}

func flock(f *os.File, how int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	ctlErr := raw.Control(func(fd uintptr) {
		for {
			if err = unix.Flock(int(fd), how); err != unix.EINTR {
				return
			}
		}
	})
	if ctlErr != nil {
		return ctlErr
	}
	return err
}

// socketAt reports whether there is a socket at path. Any other file there is
// an error: it is not ours to remove.
func socketAt(path string) (bool, error) {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case fi.Mode()&fs.ModeSocket == 0:
		return false, fmt.Errorf("%s is there and is not a socket", path)
	}
	return true, nil
}

func removeSocket(path string) error { return os.Remove(path) }

// closeToOthers restricts the socket at path to its owner.
func closeToOthers(path string) error { return os.Chmod(path, 0o600) }

// socketFile identifies the file at path. It is nil if there is none.
func socketFile(path string) fs.FileInfo {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	return fi
}

// removeOwn removes the socket at path if it is still the file fi.
func removeOwn(path string, fi fs.FileInfo) error {
	if now := socketFile(path); now == nil || fi == nil || !os.SameFile(now, fi) {
		return nil
	}
	return os.Remove(path)
}
