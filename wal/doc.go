// Package wal is the shared write-ahead log: one sequence of frames, each
// holding one atomic command, in numbered files that are recycled once their
// frames are no longer needed.
//
// A frame has a position: 1, 2, 3 and so on without gaps, across all files. One
// leader appends, any number of goroutines sync, and after a crash [Replay]
// delivers a prefix of the appended frames that holds at least those ever
// reported durable. Anything else is reported as damage, never delivered.
//
// All integers are little endian, all sizes and offsets are in bytes, all sums
// are 64-bit xxHash with seed 0.
//
// # Files
//
// Files are named wal-NUMBER.log, NUMBER being 16 lower-case hexadecimal
// digits, and lie in a directory of their own. Numbers start at 1, go up and
// are never used twice. A file has its final size from the start and begins
// with a header of 4096 bytes:
//
//	offset size
//	     0    8  magic "PPWALOG\x00"
//	     8    2  version, 1
//	    10    2  flags, 0
//	    12    4  size of this header, 4096
//	    16   16  store id
//	    32    8  epoch: a new one every time the store is opened
//	    40    8  file number, the same as in the name
//	    48    8  file size
//	    56    8  first: position of the first frame of this file
//	    64    8  prev: number of the file before this one, 0 = none
//	    72    8  prev end: offset in that file where its valid frames end, 0 = none
//	    80    8  prev sum: of the header of the last frame before this file, 0 = unknown
//	    88 4000  zero
//	  4088    8  sum of bytes 0 to 4087
//
// The pair (prev, prev end) chains the files and says durably where the
// previous file ends: anything beyond is void for ever. If several files name
// the same predecessor, the one with the highest number is right and the others
// are void.
//
// A file is void, and only good for recycling, if its header is not valid, has
// a number other than that in its name, or is not reached by the chain. That is
// the normal state of a spare file, and of a file whose creation a crash cut
// short.
//
// # Frames
//
// Frames follow the header back to back, each at a multiple of 8:
//
//	+--------------------+
//	| frame header    56 |
//	+--------------------+
//	| parts table  16 x n|   n x { u32 length, u32 zero, u64 sum of the part }
//	+--------------------+
//	| meta               |
//	+--------------------+
//	| part 0 bytes       |
//	| ...                |
//	| part n-1 bytes     |
//	+--------------------+
//	| zeroes to 8        |
//	+--------------------+
//
// The frame header:
//
//	offset size
//	     0    4  tag: low 32 bits of the file's seed, 1 if they are 0
//	     4    4  flags, 0
//	     8    4  length of meta
//	    12    4  n, number of parts
//	    16    8  size of the whole frame, padding included
//	    24    8  position
//	    32    8  durable: highest position known durable when this was written
//	    40    8  sum of parts table and meta
//	    48    8  sum of bytes 0 to 47, the frame's file offset (u64) and the
//	             file's seed (u64)
//
// The seed of a file is the sum of "wal", store id, epoch and file number. So
// bytes that are left from an earlier use of the file, that belong to another
// epoch, or that moved, are never taken for frames.
//
// # Where the log ends
//
// A file's frames end where its successor says, or else at the first offset
// without a valid frame. Such an offset before the end that the successor says,
// or one that is followed by bytes of this file's frames, is either the trace
// of a crash or damage. The durable fields decide: if any later frame says that
// the position expected there was durable, a frame that must be there is
// missing, and that is damage. Otherwise the rest was never acknowledged as
// durable and is cut off.
//
// The end itself has no later frame. So it has witnesses: whoever opens the log
// keeps, durably, the epoch and the number of the file with which it was last
// begun ([ReplayConfig].First), and the file mark, which nobody syncs, has the
// position that was last made durable or acknowledged (mark.go). If the log ends
// before what a witness says, that is damage. What was acknowledged without a sync
// counts only as long as the machine has not been started again. After a power cut
// the mark may be older than the log; then what it does not know of is missed only
// if later frames speak of it.
//
// The size of a file, its header and its name are believed from the moment that a
// witness, a durable field or a successor says that they were durable. Before, a
// file is a spare, and a crash may have left it in any state.
//
// # Durability
//
// Append alone survives the death of the process, not of the machine. Sync
// makes everything appended before it durable: oldest file first, then the
// directory. A file's bytes, header and name are durable before a frame in it
// is reported durable. After a failed sync the content of the disk is unknown,
// so the same Log never reports anything durable again.
//
// # Not here
//
// The log does not know what a frame means, does not compress, and does not
// decide when frames are no longer needed: the caller does, and calls Drop once
// a checkpoint that covers them is itself durable.
//
// The version of the module does not cover this package.
package wal
