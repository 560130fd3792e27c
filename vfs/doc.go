// Package vfs is the one file-system interface below everything that keeps
// data in files. No other package opens, renames or syncs a file by itself, so
// whatever a program does to a disk can be done to memory, cut short by a
// simulated power loss, or made to fail at any chosen step.
//
// There are four implementations of [FS]:
//
//   - [OS]: the operating system's files (unix systems).
//   - [NewMem]: files on the heap, for in-memory use and for tests that want
//     the race detector to see every access to mapped memory.
//   - [NewCrash]: a [Mem] that knows what has been made durable, and can say
//     what a power loss or a killed process would leave behind.
//   - [NewFault]: a wrapper around any of them that can fail every operation.
//
// # Promises
//
// All four pass one behavioural suite. In particular: ReadAt, WriteAt and
// mappings of one file are coherent, Rename replaces atomically, a removed file
// stays usable through its open handles and mappings, Preallocate never
// shrinks a file or changes its content, and errors carry the operating
// system's error number, so errors.Is works with fs.ErrNotExist, fs.ErrExist,
// fs.ErrClosed, syscall.ENOSPC and the like.
//
// Nothing is durable by itself. A file's bytes are durable after Sync,
// SyncData or Mapping.Sync returned nil; a name is durable after SyncDir of its
// directory, or Dir.Sync, returned nil. After a failed sync the state of what it covered is
// unknown: the kernel may have dropped the data and will not try again.
//
// # Limits
//
// vfs does not retry, cache, buffer or check data, does not know about
// permissions beyond creating files 0600 and directories 0700, and does not
// follow symbolic links in place of data files. It has no cursor: all access is
// by offset. On darwin, Mapping.Sync is msync(2), which leaves the data in the
// drive's own cache; File.Sync there empties that cache too.
//
// # Sizes and concurrency
//
// All sizes and offsets are in bytes. An FS and its Files may be used by many
// goroutines at once. A Mapping's memory is plain memory: the caller orders
// loads and stores, and calls Close only when nobody uses it any more.
package vfs
