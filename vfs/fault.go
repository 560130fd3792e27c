package vfs

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// OpKind names a kind of operation.
type OpKind string

// The kinds of operations that a Fault knows.
const (
	OpOpen        OpKind = "open"   // Open without Create
	OpCreate      OpKind = "create" // Open with Create
	OpMkdir       OpKind = "mkdir"
	OpReadDir     OpKind = "readdir"
	OpStat        OpKind = "stat"
	OpRemove      OpKind = "remove"
	OpRename      OpKind = "rename"
	OpLink        OpKind = "link"
	OpOpenDir     OpKind = "opendir"
	OpSyncDir     OpKind = "syncdir"
	OpLock        OpKind = "lock"
	OpFree        OpKind = "free"
	OpReadAt      OpKind = "readat"
	OpWriteAt     OpKind = "writeat"
	OpSize        OpKind = "size"
	OpTruncate    OpKind = "truncate"
	OpPreallocate OpKind = "preallocate"
	OpSync        OpKind = "sync"
	OpSyncData    OpKind = "syncdata"
	OpMap         OpKind = "map"
	OpMapSync     OpKind = "mapsync"
	OpUnmap       OpKind = "unmap" // Mapping.Close
	OpClose       OpKind = "close" // of a file, a directory or a lock
)

// Op is an operation about to be done.
type Op struct {
	Kind OpKind
	Name string // the path, after that of the Dir if there is one; the old one for rename and link
	To   string // the new path for rename and link
	Off  int64  // offset in bytes, where there is one
	Len  int64  // number of bytes: of a buffer or range, or a size to set or map
	N    int64  // the running number of the operation, from 1
}

// ShortWrite, returned by a hook for a writeat, has the first N bytes written
// before the operation fails with Err. For other operations it is an error like
// any other.
type ShortWrite struct {
	N   int
	Err error
}

// Error says how much was written and why not more.
func (e ShortWrite) Error() string {
	return fmt.Sprintf("short write of %d bytes: %v", e.N, e.Err)
}

// Unwrap returns Err.
func (e ShortWrite) Unwrap() error { return e.Err }

// ErrLostWrite is for a hook to return for a writeat. It has the write report success although
// nothing is written, as a disk with a defect may. For other operations it is an error
// like any other.
var ErrLostWrite = errors.New("a write that is lost in silence")

// MisdirectedWrite is for a hook to return for a writeat. It has the bytes written to Off, in
// the same file, and the write report success. For other operations it is an error like
// any other.
type MisdirectedWrite struct{ Off int64 }

// Error says where the write went.
func (e MisdirectedWrite) Error() string { return fmt.Sprintf("a write that goes to offset %d", e.Off) }

// Fault is an FS that can make each operation on another one fail. It is safe
// for concurrent use if the inner one and the hook are.
type Fault struct {
	faultFS
	hook atomic.Pointer[func(Op) error]
	n    atomic.Int64
}

// NewFault wraps inner. Before each operation on it and on its files, mappings and
// locks, hook is called, and if it returns an error, that is what the operation
// returns, without being done. Only a Close is done all the same, because close(2)
// releases its descriptor even if it fails. Populate, Bytes and Name are not
// operations, nor is Stat of a File or of a Dir itself: they ask about what is open.
// What is done through a Dir is reported under the name that it has without the Dir. A
// nil hook lets everything through.
func NewFault(inner FS, hook func(Op) error) *Fault {
	f := new(Fault)
	f.faultFS = faultFS{inner: inner, fault: f}
	f.SetHook(hook)
	return f
}

// SetHook replaces the hook, at any time. The numbering goes on.
func (f *Fault) SetHook(hook func(Op) error) { f.hook.Store(&hook) }

// Count returns the number of operations so far.
func (f *Fault) Count() int64 { return f.n.Load() }

// check numbers the operation and asks the hook.
func (f *Fault) check(op Op) error {
	op.N = f.n.Add(1)
	if hook := *f.hook.Load(); hook != nil {
		return hook(op)
	}
	return nil
}

// FailNth is a hook that fails the operation number n, and no other.
func FailNth(n int64, err error) func(Op) error {
	return func(op Op) error {
		if op.N == n {
			return err
		}
		return nil
	}
}

// FailKind is a hook that fails each operation of a kind on a path that ends in
// pathSuffix. For rename and link it may be either path.
func FailKind(kind OpKind, pathSuffix string, err error) func(Op) error {
	return func(op Op) error {
		if op.Kind == kind && (strings.HasSuffix(op.Name, pathSuffix) ||
			op.To != "" && strings.HasSuffix(op.To, pathSuffix)) {
			return err
		}
		return nil
	}
}
