// Package segment defines the format of segment files: how records become blocks,
// how a file is made of blocks, and how a finished file is sealed. It reads such
// files back, checks them and shows them.
//
// A topic is a list of segment files. A segment file is a list of blocks. A
// block holds the records that one command appended to one topic. Every byte
// read from disk is treated as hostile: lengths are bounded before anything is
// sliced or allocated by them, and nothing here panics on damaged input.
//
// # Segment file
//
// All integers are little endian. Offsets and sizes are in bytes.
//
//	0            512                      DataEnd                     size
//	+-------------+-------+-------+-- --+--+---------+-- --+---------+
//	| file header | block | block | ...    | entry   | ... | trailer |
//	| 512         |       |       |        | 24 each |     | 96      |
//	+-------------+-------+-------+-- --+--+---------+-- --+---------+
//	                                       |<------- footer -------->|
//
// Blocks are adjacent, from offset 512 on. A growing file has no footer: it is
// preallocated, and everything past the end that the engine's checkpoint records
// is garbage, to be ignored. A sealed file ends exactly with its footer. The blocks
// of a segment are contiguous in sequence, the first one starting at the base
// sequence of the file header, and their times never decrease.
//
// # File header, 512 bytes
//
//	off   0        8     10    12         16                       32
//	    +--------+-----+-----+----------+------------------------+
//	    | magic  | ver |flags| hdr size | store id               |
//	    |PPSEGMNT| u16 | u16 | u32 =512 | 16 bytes               |
//	    +--------+-----+-----+----------+------------------------+
//	off  32       40       48       56       64    65
//	    +--------+--------+--------+--------+-----+-------------+
//	    | topic  | number | base   | epoch  | len | name        |
//	    | u64    | u64    | u64    | u64    | u8  | len bytes   |
//	    +--------+--------+--------+--------+-----+-------------+
//	off  65+len                               504             512
//	    +------------------------------------+---------------+
//	    | zero padding                       | sum u64       |
//	    +------------------------------------+---------------+
//
//	version  1
//	flags    0; an unknown flag is refused like an unknown version
//	topic    id of the topic; number is the segment's number within it
//	base     sequence of the first record of the first block
//	epoch    epoch of the engine that created the file
//	name     topic name, 0 to 255 bytes
//	sum      xxhash64 of bytes [0,504)
//
// Magic, version, header size and the place of sum stay as they are in all
// versions, so that a newer file can be told from a damaged one.
//
// # Place
//
// The place of a segment is the number
//
//	place = xxhash64("segment" || store id || u64 topic || u64 number)
//
// Block headers and footers carry it in their checksums: a block is valid only
// in its own file and at its own offset, a footer only in its own file.
//
// # Block = header, 40 bytes, and body
//
//	off  0          4          8                    16
//	    +----------+----------+--------------------+
//	    | stored   | raw      | base               |
//	    | u32      | u32      | u64                |
//	    +----------+----------+--------------------+
//	off 16              22    23    24         28         32                40
//	    +---------------+-----+-----+----------+----------+----------------+
//	    | time          |codec| 0   | count    | head sum | sum            |
//	    | u48           | u8  | u8  | u32      | u32      | u64            |
//	    +---------------+-----+-----+----------+----------+----------------+
//	off 40                                                 40+stored
//	    +-------------------------------------------------+
//	    | body                                            |
//	    +-------------------------------------------------+
//
//	stored    bytes of the body on disk, 1 to 1<<30
//	raw       bytes of the body after decompression, 1 to 1<<30; equal to
//	          stored with codec 0
//	base      sequence of the first record; base+count does not overflow
//	time      unix milliseconds, one for all records of the block
//	codec     0 none, 1 zstd (frames that state their content size)
//	byte 23   reserved, 0
//	count     records, at least 1 and at most raw
//	head sum  low 32 bits of xxhash64(header with head sum 0 || u64 offset of
//	          the block in its file || u64 place)
//	sum       xxhash64 of the stored body
//
// # Raw body
//
// The raw body is count records and nothing else:
//
//	+-----------------------+ +-----------------------------------+ +------+
//	| uvarint body len << 1 | | if ext: uvarint key len, key,     | | body |
//	|                 | ext | |   uvarint headers len, headers    | |      |
//	+-----------------------+ +-----------------------------------+ +------+
//
// The headers section is a repetition of
//
//	+------------------+------+-------------------+-------+
//	| uvarint name len | name | uvarint value len | value |
//	+------------------+------+-------------------+-------+
//
// Bodies, keys, header lists, names and values may be empty. A uvarint is in
// base 128 with the low group first, as in encoding/binary, in its shortest form.
//
// # Footer
//
// Entries, ascending by sequence, time and offset. The first entry is the first
// block. Each further entry is a block that begins at least 2 KiB after the
// previously listed one. Writers may choose another distance: readers scan from the
// last listed block that is not after their target.
//
//	off  0        8        16      24
//	    +--------+--------+--------+
//	    | seq    | time   | offset |   base, time and offset of a block
//	    | u64    | i64    | i64    |
//	    +--------+--------+--------+
//
// Trailer, 96 bytes at the end of the file:
//
//	off  0        8         12   16        24        32
//	    +--------+---------+----+---------+---------+
//	    | magic  | entries | 0  | first   | next    |
//	    |PPSEGEND| u32     | u32| u64     | u64     |
//	    +--------+---------+----+---------+---------+
//	off 32           40          48         56       64
//	    +------------+-----------+----------+--------+
//	    | first time | last time | data end | blocks |
//	    | i64        | i64       | i64      | u64    |
//	    +------------+-----------+----------+--------+
//	off 64        72       80       88      96
//	    +---------+--------+--------+-------+
//	    | records | digest | 0      | sum   |
//	    | u64     | u64    | u64    | u64   |
//	    +---------+--------+--------+-------+
//
//	first     sequence of the first record
//	next      sequence after the last record
//	data end  offset past the last block, where the entries begin
//	digest    see [Digest]: it chains the head sums of all blocks in order
//	sum       xxhash64(entries || trailer [0,88) || u64 place)
//
// A sealed segment without blocks has no entries and first = next.
//
// The version of the module does not cover this package.
package segment
