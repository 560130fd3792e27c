//go:build unix

package transport

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

const addressInUse = syscall.EADDRINUSE

func listenUnix(ctx context.Context, a Addr) (*Listener, error) {
	if a.Private {
		if err := privateDir(filepath.Dir(a.Path), true); err != nil {
			return nil, err
		}
	}
	lock, err := lockSocket(a.Path)
	if err != nil {
		return nil, err
	}
	l, err := bindUnix(ctx, a.Path)
	if err != nil {
		return nil, errors.Join(err, lock.unlock())
	}
	own := socketFile(a.Path)
	return &Listener{Listener: l, addr: a, clean: func() error {
		return errors.Join(removeOwn(a.Path, own), lock.unlock())
	}}, nil
}

// RemoveDead removes the files that a node that was killed has left at a unix socket. It
// does nothing if a node listens there, or another program, or if they cannot be
// removed: the next node that listens there replaces them.
func RemoveDead(a Addr) {
	if a.Scheme != SchemeUnix || a.check() != nil {
		return
	}
	if a.Private && privateDir(filepath.Dir(a.Path), false) != nil {
		return
	}
	if socketFile(a.Path) == nil && socketFile(a.Path+".lock") == nil {
		return
	}
	lock, err := lockSocket(a.Path)
	if err != nil {
		return
	}
	if there, err := socketAt(a.Path); err == nil && there && checkDead(context.Background(), a.Path) == nil {
		_ = removeSocket(a.Path)
	}
	_ = lock.unlock()
}

// bindUnix binds the socket at path, whose lock is held.
func bindUnix(ctx context.Context, path string) (net.Listener, error) {
	if there, err := socketAt(path); err != nil {
		return nil, err
	} else if there {
		if err := checkDead(ctx, path); err != nil {
			return nil, err
		}
		if err := removeSocket(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	// On Linux a socket's file gets the mode that the socket has when it is
	// bound, so nobody else can connect before the mode is set. On other
	// systems this has no effect, and the folder must protect the socket for
	// that moment.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), 0o600) })
	}}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, inUse(err, path)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it would unlink by name, whatever is there
	if err := closeToOthers(path); err != nil {
		return nil, errors.Join(err, l.Close(), removeSocket(path))
	}
	return l, nil
}

// checkDead returns nil if nothing answers at the socket at path. Holding the
// lock beside the socket is not enough: another program may listen there
// without it.
func checkDead(ctx context.Context, path string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(errInUse.With(path+" is answered by another program"), conn.Close())
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return errInUse.Wrap(err, path)
}
