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

// FS gives access to files by name. Names are slash-separated paths. All methods
// are safe for concurrent use. Errors wrap the operating system's error and name
// the path.
//
// What [OS], [NewMem], [NewCrash] and [NewFault] return takes names as the
// operating system does: from the working directory or the root on. A [Dir] takes
// only names relative to itself.
type FS interface {
	// Open opens a regular file. It fails with fs.ErrNotExist if the file is
	// missing and Create is not given. Anything that is not a regular file (a
	// directory, a symbolic link, a device) is an error.
	Open(name string, flag Flag) (File, error)

	// MkdirAll creates a directory and its missing parents with mode 0700. An
	// existing directory is not an error.
	MkdirAll(name string) error

	// ReadDir lists a directory, sorted by name. An entry that vanishes while
	// the directory is being listed is left out. A symbolic link is listed as
	// neither Dir nor Regular.
	ReadDir(name string) ([]Info, error)

	// Stat describes a file or directory. Outside of a Dir, a symbolic link that
	// leads to a directory is described as that directory, and any other link is
	// neither Dir nor Regular.
	Stat(name string) (Info, error)

	// Remove removes a file or an empty directory. Open handles of the file stay
	// usable, and so do its mappings where [MapsFreely] holds.
	Remove(name string) error

	// Rename gives a file or directory another name. It replaces a file that
	// has that name, atomically.
	Rename(oldname, newname string) error

	// Link gives a file a second name (a hard link). It fails with fs.ErrExist
	// if newname exists.
	Link(oldname, newname string) error

	// SyncDir makes the entries of a directory durable: what was created in
	// it, removed from it, or renamed into or out of it. It does not sync the
	// content of the files. It opens the directory to do so, which is one more
	// thing that can fail, for lack of a descriptor for instance.
	SyncDir(name string) error

	// OpenDir opens a directory. It fails with syscall.ENOTDIR if name is
	// something else. The directory itself may be reached through symbolic links,
	// or be one, unless it is opened through another Dir.
	OpenDir(name string) (Dir, error)

	// Lock takes an exclusive advisory lock on the file name, which it creates
	// if necessary and never removes. It does not wait: if the lock is held, by
	// this process or another, the error is a *LockedError. Closing the result
	// gives the lock up, and so does the end of the process. A file that can
	// only be read is locked all the same. If the file is missing and the file
	// system is read-only, nothing can be written either, and the lock is a
	// dummy.
	Lock(name string) (io.Closer, error)

	// Free returns the number of bytes that this user can still allocate on the
	// file system that holds the directory name.
	Free(name string) (int64, error)
}

// Dir is an open directory, and everything below it as an [FS]. It stays the same
// directory whatever happens to its name or to the working directory, and also
// once it was removed: then nothing can be created in it any more.
//
// Names are relative to the directory and cannot leave it; "." is the directory
// itself. An empty name, an absolute one, and one with ".." in it fail with
// syscall.EINVAL; Remove, Rename and Link of "." fail with syscall.EBUSY. No
// symbolic link is followed: wherever an operation meets one, in place of a
// folder or of the file itself, it fails with syscall.ELOOP and leaves the link
// as it is. Only ReadDir of the directory that holds it lists it.
//
// Files are reported by longer names than those given, for people: the name
// given to OpenDir comes first.
//
// Calls after Close fail with fs.ErrClosed. Files, locks and directories opened
// through it are not affected by Close.
type Dir interface {
	FS

	// Sync makes the entries of the directory durable, as SyncDir does, without
	// the need for another descriptor.
	Sync() error

	// LockDir takes an exclusive advisory lock on the directory itself, which it
	// keeps until the result is closed or the process ends, whatever becomes of the
	// files in it. It does not wait and writes nothing. If the lock is held, by this
	// process or another, through whichever name, the error is a *LockedError; name
	// is a file in the directory that Lock may have filled, and tells whose it is.
	// Where the system cannot lock a directory, only this process is kept out, or
	// nobody: see Platforms.
	LockDir(name string) (io.Closer, error)

	// Named reports whether the directory can still be reached by the name that it
	// was opened by. A relative name means what it meant then.
	Named() (bool, error)

	// LinkTo is Link with the new name in another directory. It fails with
	// errors.ErrUnsupported if the two cannot share a file, being of different
	// kinds for instance; the caller then copies it.
	LinkTo(oldname string, to Dir, newname string) error

	io.Closer
}

// Info describes one directory entry.
type Info struct {
	Name      string // the last element of the path
	Size      int64  // length in bytes
	Allocated int64  // bytes of disk blocks in use
	Dir       bool   // a directory
	Regular   bool   // a regular file
	Symlink   bool   // a symbolic link
	Links     uint64 // how many names it has: 0 once it was removed, if the system counts
	ID        ID     // which file or directory it is
}

// ID tells the files and directories that exist at one time apart, whatever their
// names. The zero ID is that of a file of which the system does not say which it is,
// and equals no other.
type ID struct{ dev, ino uint64 }

// Known reports whether the system says which file it is.
func (id ID) Known() bool { return id != ID{} }

// File is an open regular file. Its methods are safe for concurrent use; calls
// after Close fail with fs.ErrClosed.
//
// ReadAt and WriteAt are as in io.ReaderAt and io.WriterAt; WriteAt beyond the
// end grows the file, and a gap reads as zeroes.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// WriteVecAt writes the pieces one after the other, beginning at off, as
	// WriteAt would write their concatenation, and returns the number of bytes
	// written.
	WriteVecAt(pieces [][]byte, off int64) (int, error)

	// Name returns the name given to Open, after that of the Dir if there is
	// one. It is for messages.
	Name() string

	// Size returns the file's length in bytes.
	Size() (int64, error)

	// Stat describes the file, which may have another name by now, or none. The
	// name in it is that of Name.
	Stat() (Info, error)

	// Truncate sets the file's length in bytes; added bytes read as zeroes and
	// need not have disk blocks.
	Truncate(size int64) error

	// Preallocate gives [0,size) real disk blocks and makes the file at least
	// size bytes long. It never shrinks the file and keeps its content; new
	// bytes read as zeroes. If it fails, the file has its earlier size (best
	// effort) and the error wraps the cause; for a full disk or a used up quota
	// [NoSpace] holds of it. Blocks that the file has are not asked for again.
	// Where the system cannot allocate without writing, only what lies beyond
	// the current size is certain to get blocks. If the file is empty and the
	// system can, what is written later is written in place: see the package
	// comment.
	Preallocate(size int64) error

	// Sync makes the content and all metadata durable.
	Sync() error

	// SyncData makes the content durable, and what is needed to read it back
	// (the size, but not time stamps).
	SyncData() error

	// Map maps [0,size) of the file, shared with all other users of the file.
	// The size must not exceed the file's; it may be 0. The mapping stays valid
	// when the file is closed. Where [MapsFreely] holds it also stays valid when
	// the file is removed, renamed or truncated; access beyond the new end is
	// then a fault, see [Guard].
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

	// Populate asks the system to bring in the pages of [off,off+n), for writing
	// if the mapping is writable, so that their first use does not fault one page
	// at a time. It is best effort, blocks while it works, and never fails.
	Populate(off, n int64)

	// Close unmaps the memory. Stores stay in the file; they are not made
	// durable.
	Close() error
}
