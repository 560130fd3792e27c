package vfs

import "io"

// Flag says how Open opens a file. Flags are combined with |.
type Flag int

const (
	// Read opens for reading only.
	Read Flag = 0
	// Write opens for reading and writing.
	Write Flag = 1 << iota
	// Create creates the file, with mode 0600, if it is missing. It implies
	// Write.
	Create
	// Exclusive, together with Create, makes Open fail with fs.ErrExist if the
	// file is there. Without Create it is an error.
	Exclusive
)

// writable reports whether a file opened with f may be changed.
func (f Flag) writable() bool { return f&(Write|Create) != 0 }

// FS is a file system. Names are slash-separated paths. All methods are safe
// for concurrent use. Errors wrap the operating system's error and name the
// path.
type FS interface {
	// Open opens a regular file. It fails with fs.ErrNotExist if the file is
	// missing and Create is not given. Anything that is not a regular file (a
	// directory, a symbolic link, a device) is an error.
	Open(name string, flag Flag) (File, error)

	// MkdirAll creates a directory and its missing parents with mode 0700. It
	// is no error if the directory exists.
	MkdirAll(name string) error

	// ReadDir lists a directory, sorted by name. An entry that vanishes while
	// it is being listed is left out.
	ReadDir(name string) ([]Info, error)

	// Stat describes a file or directory. A symbolic link that leads to a
	// directory is described as that directory; any other link is neither Dir
	// nor Regular.
	Stat(name string) (Info, error)

	// Remove removes a file or an empty directory. The file's open handles and
	// mappings stay usable.
	Remove(name string) error

	// Rename gives a file or directory another name. It replaces a file that
	// has that name, atomically.
	Rename(oldname, newname string) error

	// Link gives a file a second name (a hard link). It fails with fs.ErrExist
	// if newname exists.
	Link(oldname, newname string) error

	// SyncDir makes the entries of a directory durable: what was created in
	// it, removed from it, or renamed into or out of it. It says nothing of the
	// content of the files.
	// It opens the directory for that, which is one more thing that can fail:
	// for want of a descriptor, say.
	SyncDir(name string) error

	// OpenDir opens a directory, to sync it later without need of another
	// descriptor. It fails with syscall.ENOTDIR if it is no directory.
	OpenDir(name string) (Dir, error)

	// Lock takes an exclusive advisory lock on the file name, which it creates
	// if need be and never removes. It does not wait: if the lock is held, by
	// this process or another, the error is a *LockedError. Closing the result
	// gives the lock up; so does the end of the process. Where the file can
	// only be read, it is locked all the same; if it is missing and the file
	// system is read-only, nothing can be written either and the lock is a
	// dummy.
	Lock(name string) (io.Closer, error)

	// Free returns the number of bytes that this user can still allocate on the
	// file system that holds the directory name.
	Free(name string) (int64, error)
}

// Dir is an open directory. It stays the same directory whatever becomes of its
// name. Its methods are safe for concurrent use; calls after Close fail with
// fs.ErrClosed.
type Dir interface {
	// Sync makes the entries durable, as [FS] SyncDir does.
	Sync() error
	io.Closer
}

// Info describes one directory entry.
type Info struct {
	Name      string // the last element of the path
	Size      int64  // length in bytes
	Allocated int64  // bytes of disk blocks in use
	Dir       bool   // a directory
	Regular   bool   // a regular file
}

// File is an open regular file. Its methods are safe for concurrent use; calls
// after Close fail with fs.ErrClosed.
//
// ReadAt and WriteAt are as in io.ReaderAt and io.WriterAt; WriteAt beyond the
// end grows the file, and a gap reads as zeroes.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// WriteVecAt writes pieces one behind the other from off on, as WriteAt would
	// write them put together, and returns how many bytes that were.
	WriteVecAt(pieces [][]byte, off int64) (int, error)

	// Name returns the name given to Open.
	Name() string

	// Size returns the file's length in bytes.
	Size() (int64, error)

	// Truncate sets the file's length in bytes; added bytes read as zeroes and
	// need not have disk blocks.
	Truncate(size int64) error

	// Preallocate gives [0,size) real disk blocks and makes the file at least
	// size bytes long. It never shrinks the file and keeps its content; new
	// bytes read as zeroes. If it fails, the file has its earlier size (best
	// effort) and the error wraps the cause, syscall.ENOSPC for a full disk.
	// Where the file system cannot allocate without writing, only what lies
	// beyond the current size is sure to get blocks.
	Preallocate(size int64) error

	// Sync makes the content and all metadata durable.
	Sync() error

	// SyncData makes the content durable and what is needed to read it back,
	// the size included, but not, say, time stamps.
	SyncData() error

	// Map maps [0,size) of the file, shared with all other users of the file.
	// The size must not exceed the file's; it may be 0. The mapping stays valid
	// when the file is closed or removed. If the file is truncated under it,
	// access beyond the new end is a fault: see [Guard].
	Map(size int64, writable bool) (Mapping, error)
}

// Mapping is a file's content as memory. Sync and Populate may be called
// concurrently with each other and with use of the memory, Close may not.
type Mapping interface {
	// Bytes returns the memory. Stores into a mapping that is not writable
	// crash the process or go wrong in other ways. After Close it returns nil,
	// and slices got earlier must no longer be used.
	Bytes() []byte

	// Sync makes the stores into [off,off+n) durable, rounded outward to whole
	// memory pages. A range outside the mapping is an error.
	Sync(off, n int64) error

	// Populate asks the system to have the pages of [off,off+n) at hand, for
	// writing if the mapping is writable, so that first use does not fault one
	// page at a time. It is best effort, blocks while it works, and never
	// fails.
	Populate(off, n int64)

	// Close unmaps the memory. Stores stay in the file; they are not made
	// durable.
	Close() error
}
