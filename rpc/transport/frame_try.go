package transport

import (
	"net"
	"syscall"
)

// trial writes to a connection what it takes at once.
type trial struct {
	raw syscall.RawConn
	fn  func(fd uintptr) bool
	p   []byte
	n   int
	err error
}

func newTrial(conn net.Conn) *trial {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	t := &trial{raw: raw}
	t.fn = t.once
	return t
}

// write writes a part of p, maybe nothing. One goroutine at a time may call it.
func (t *trial) write(p []byte) (int, error) {
	t.p = p
	err := t.raw.Write(t.fn)
	t.p = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// once does not ask to be called again: true ends RawConn.Write.
func (t *trial) once(fd uintptr) bool {
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
