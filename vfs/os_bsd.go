//go:build unix && !linux && !aix && !solaris

package vfs

import "golang.org/x/sys/unix"

// vecWriter is empty: each piece is written with a call of its own.
type vecWriter struct{}

func (f *osFile) WriteVecAt(pieces [][]byte, off int64) (int, error) {
	return writePieces(f, pieces, off)
}

// syncData is a full sync: not all of these systems have fdatasync(2), and on
// darwin only the full sync empties the drive's cache.
func syncData(f *osFile) error { return f.Sync() }

// allocate fails: here space cannot be allocated without writing, which the caller
// then does.
func allocate(uintptr, int64) error { return unix.ENOTSUP }

// writeInPlace does nothing: there is no such switch.
func writeInPlace(uintptr) {}

// populate has the pages of b read ahead.
func populate(b []byte, _ bool) { _ = unix.Madvise(b, unix.MADV_WILLNEED) }
