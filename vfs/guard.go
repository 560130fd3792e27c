package vfs

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"unsafe"
)

// ErrMapFault is wrapped by the error of Guard. It means that mapped memory
// could not be read or written: the file was truncated under the mapping, the
// disk failed, or there was no room for a page of a sparse file.
var ErrMapFault = errors.New("fault in a mapped file")

// Guard runs fn and turns a fault in the memory of m into an error that wraps
// ErrMapFault. Every other panic, including a fault at any other address,
// continues with its value unchanged. Without a fault Guard does not allocate.
//
// A fault ends fn at that point: its deferred calls run, nothing else does, and
// half-done work stays half done. Guard covers the calling goroutine only,
// not goroutines started by fn. A system call that is handed faulty memory
// returns EFAULT to its caller instead of faulting. m may be nil, which guards
// nothing.
func Guard(m Mapping, fn func()) error { return GuardBoth(m, nil, fn) }

// GuardBoth is Guard for fn that touches two mappings, at the cost of one.
func GuardBoth(m, m2 Mapping, fn func()) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			off, ok := faultOffset(m, r)
			if !ok {
				off, ok = faultOffset(m2, r)
			}
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%w at offset %d", ErrMapFault, off)
		}
	}()
	fn()
	return nil
}

// faultOffset returns where in m the fault lies that caused the panic value r. ok is
// false if r is not a fault or lies elsewhere. The bounds are taken now, not before
// fn ran: the use of a mapping after its Close must remain a panic, since it is a
// mistake of the program and not of the disk.
func faultOffset(m Mapping, r any) (off uintptr, ok bool) {
	fault, ok := r.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok || m == nil {
		return 0, false
	}
	b := m.Bytes()
	off = fault.Addr() - uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return off, off < uintptr(len(b)) // an address below the start wraps around
}
