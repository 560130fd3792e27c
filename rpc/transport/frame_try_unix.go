//go:build unix

package transport

import (
	"net"
	"syscall"
)

// tryWriter writes as much to a connection as it accepts without blocking.
type tryWriter struct {
	raw syscall.RawConn
	fn  func(fd uintptr) bool
	p   []byte
	n   int
	err error
}

func newTryWriter(conn net.Conn) *tryWriter {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	t := &tryWriter{raw: raw}
	t.fn = t.writeOnce
	return t
}

// write writes part of p, maybe nothing, and never blocks. It is not safe for
// concurrent use.
func (t *tryWriter) write(p []byte) (int, error) {
	t.p = p
	err := t.raw.Write(t.fn)
	t.p = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// writeOnce always returns true, which ends RawConn.Write.
func (t *tryWriter) writeOnce(fd uintptr) bool {
	for {
		t.n, t.err = syscall.Write(int(fd), t.p)
		switch t.err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			t.n, t.err = 0, nil
		case nil:
		default:
			t.n = 0
		}
		return true
	}
}
