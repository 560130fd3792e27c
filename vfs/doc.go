// Package vfs is the one file-system interface below everything that keeps
// data in files. No other package opens, renames or syncs a file by itself, so
// whatever a program does to a disk can be done to memory, cut short by a
// simulated power loss, or made to fail at any chosen step.
//
// There are four implementations of [FS]:
//
//   - [OS]: the operating system's files (see Platforms).
//   - [NewMem]: files on the heap, for in-memory use and for tests that want
//     the race detector to see every access to mapped memory.
//   - [NewCrash]: a [Mem] that knows what has been made durable, and can say
//     what a power loss or a killed process would leave.
//   - [NewFault]: a wrapper around any of them that can fail every operation.
//
// # Directories
//
// A store is one directory. A process that works on it opens the directory once, with
// OpenDir, and reaches every file by a name relative to the [Dir]:
//
//	top, err := fsys.OpenDir(dir)            // dir may be, or be reached through, a link
//	f, err := top.Open("STORE", vfs.Write)   // nothing below it may
//	segments, err := top.OpenDir("segments") // saves a step per file
//
// Neither a change of the working directory nor a rename of the directory makes
// a difference from then on. The operating system resolves no name with more than
// one element: on unix each folder is opened with openat(2), O_NOFOLLOW and
// O_DIRECTORY, and so is the file, without the latter. On Windows each folder is
// an os.Root of its own, and what was opened is compared with what has the name.
//
// The process owns the directory by a lock on the directory itself ([Dir.LockDir]), which
// holds when files in it are removed, and when the directory is reached by another name.
// [Dir.Named] says whether the name still leads to it, and Stat of "." and of a [File] whether
// it was removed: it has no Links then.
//
// # Promises
//
// All four pass one behavioural suite, as do the directories that they open. In
// particular: ReadAt, WriteAt and mappings of one file are coherent, Rename
// replaces atomically, a removed file stays usable through its open handles and
// mappings (but see [MapsFreely]), Preallocate never shrinks a file or changes
// its content, and errors carry the operating system's error number, so
// errors.Is works with fs.ErrNotExist, fs.ErrExist, fs.ErrClosed, syscall.ENOSPC
// and the like.
//
// Nothing is durable by itself. A file's bytes are durable after Sync, SyncData
// or Mapping.Sync returned nil; a name is durable after SyncDir of its directory,
// or Dir.Sync, returned nil. After a failed sync the state of what it covered is
// unknown: the kernel may have dropped the data and will not try again.
//
// # Platforms
//
//	linux    amd64            run here: all tests
//	linux    386              run here: the tests of the core and the model
//	linux    arm64, arm       compiled and vetted only
//	darwin   amd64, arm64     compiled and vetted only
//	freebsd  amd64, arm64,    compiled and vetted only
//	         386, arm
//	windows  amd64, arm64,    compiled and vetted only; the names of a Dir also run
//	         386              here, as os.Root exists everywhere
//	others                    not promised, whether they build or not
//
// "make cross" and "make test-386" do what the table says, the first for all packages
// and their tests. The core is this package, wal, segment, index, topics, engine,
// record and the state machines.
//
// Linux has fdatasync(2), fallocate(2) and pwritev(2); elsewhere a full sync,
// written zeroes and one call per piece stand in for them.
//
// A few file systems, of networks mostly, cannot lock a directory either: there
// LockDir keeps this process out only.
//
// xfs asks for room for all of a fallocate(2), even for blocks that the file has.
// So where one fails for want of space, Preallocate looks with FS_IOC_FIEMAP which
// blocks are missing and asks for those alone.
//
// On btrfs a file that is preallocated while it is empty is made without
// copy-on-write (FS_NOCOW_FL, "chattr +C"): otherwise to overwrite a byte takes new
// room, a full disk could not even be told what was removed, and a store into a
// mapping would be a fault. Such a file has no sums of btrfs, and is not mended from
// a second copy; what is kept in these files has sums of its own. A snapshot of the
// subvolume makes each block be copied once more.
//
// On darwin, Mapping.Sync is msync(2), which leaves the data in the drive's own
// cache; File.Sync empties that cache, too.
//
// On Windows files cannot be mapped freely ([MapsFreely]), so that segment files
// and the log are not mapped at all; files are opened so that they can be renamed
// and removed while they are open. The lock is on a byte beyond the end of the lock
// file, so that its text can be read. A directory cannot be locked, and [Info] has neither
// Links nor ID: who removes the lock file of a process lets a second one in, and that an
// open file was removed is not noticed. The system has no call that makes the entries
// of a directory durable, and SyncDir does nothing: NTFS keeps names in a journal,
// in order, and writes that out in its own time. After a power loss a file that was
// just created, renamed or removed may therefore have its earlier name, or none,
// although SyncDir returned nil. Backups copy where unix makes hard links.
//
// Nodes listen at tcp:// and tls:// there: addresses of unix sockets, and so
// namespaces, are refused, because only the mode of its folder protects a socket. A
// worker process and what it starts are in a job, which ends with the node. There is
// no SIGTERM: a worker that does not end when its stdin does is killed after one grace
// period.
//
// In a process of 32 bits a Map beyond the address space fails with
// syscall.EINVAL. Package segment bounds what is mapped at any time.
//
// # Limits
//
// vfs does not retry, cache, buffer or check data, and does not know about
// permissions beyond creating files 0600 and directories 0700. It has no cursor:
// all access is by offset. Mem has no symbolic links.
//
// # Sizes and concurrency
//
// All sizes and offsets are in bytes. An FS and its Files may be used by many
// goroutines at once. A Mapping's memory is plain memory: the caller orders
// loads and stores, and calls Close only when nobody uses it any more.
//
// The version of the module covers of this package only FS, what its methods name, and
// LockedError, which covered packages name in their signatures.
package vfs
