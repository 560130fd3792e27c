package vfs

import (
	"io"
	"math/bits"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxIovecs is how many pieces one system call writes. Linux takes up to 1024.
const maxIovecs = 128

// vecWriter is pwritev(2) without an allocation per call.
type vecWriter struct {
	conn syscall.RawConn
	run  func(fd uintptr) // write, as a value that is made once

	mu     sync.Mutex // for what follows: a call's arguments and results
	pieces [][]byte
	off    int64
	n      int
	err    error
	iov    [maxIovecs]unix.Iovec
}

func (f *osFile) WriteVecAt(pieces [][]byte, off int64) (int, error) {
	if off < 0 {
		return 0, pathErr("pwritev", f.Name(), errNegativeOffset)
	}
	v := f.vec.Load()
	if v == nil {
		v = new(vecWriter)
		v.conn, _ = f.f.SyscallConn() // fails for a nil file only
		v.run = v.write
		if !f.vec.CompareAndSwap(nil, v) {
			v = f.vec.Load()
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pieces, v.off, v.n, v.err = pieces, off, 0, nil
	err := v.conn.Control(v.run)
	v.pieces = nil
	if err != nil {
		return 0, pathErr("pwritev", f.Name(), os.ErrClosed)
	}
	if v.err != nil {
		return v.n, pathErr("pwritev", f.Name(), v.err)
	}
	return v.n, nil
}

// write writes all pieces to fd.
func (v *vecWriter) write(fd uintptr) {
	i, skip := 0, 0 // the next piece, and how much of it is written
	for {
		n := 0
		for k := i; k < len(v.pieces) && n < maxIovecs; k++ { // empty ones do not count
			p := v.pieces[k]
			if k == i {
				p = p[skip:]
			}
			if len(p) > 0 {
				v.iov[n].Base = &p[0]
				v.iov[n].SetLen(len(p))
				n++
			}
		}
		if n == 0 {
			return // the rest is empty
		}
		at := v.off + int64(v.n)
		got, _, errno := unix.Syscall6(unix.SYS_PWRITEV, fd, uintptr(unsafe.Pointer(&v.iov)), uintptr(n),
			uintptr(at), uintptr(uint64(at)>>(bits.UintSize-1)>>1), 0)
		clear(v.iov[:n]) // they are the caller's
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			v.err = errno
			return
		case got == 0:
			v.err = io.ErrUnexpectedEOF
			return
		}
		v.n += int(got)
		for left := int(got); left > 0; {
			rest := len(v.pieces[i]) - skip
			if left < rest {
				skip += left
				break
			}
			left -= rest
			i, skip = i+1, 0
		}
	}
}
