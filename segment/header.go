package segment

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/internal/xxh"
)

const (
	// HeaderSize is the size of a block header in bytes.
	HeaderSize = 40
	// MaxStored bounds the stored body of a block in bytes.
	MaxStored = 1 << 30
	// MaxRaw bounds the decompressed body of a block in bytes.
	MaxRaw = 1 << 30
	// MaxTime is the latest time a block can carry, in unix milliseconds.
	MaxTime = 1<<48 - 1
)

// Codec says how a block body is compressed.
type Codec uint8

// The codecs.
const (
	None Codec = 0 // stored as it is
	Zstd Codec = 1 // one zstd frame that states its content size
)

// String returns the name of the codec.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Zstd:
		return "zstd"
	}
	return "unknown"
}

// Header is the header of a block.
type Header struct {
	Stored uint32 // bytes of the body on disk
	Raw    uint32 // bytes of the body after decompression
	Base   uint64 // sequence of the first record
	Time   int64  // unix milliseconds of all records, 0 to MaxTime
	Codec  Codec  // how the body is compressed
	Count  uint32 // records, at least 1
	Sum    uint64 // xxhash64 of the stored body
}

// Next returns the sequence after the last record of the block.
func (h *Header) Next() uint64 { return h.Base + uint64(h.Count) }

// Size returns the bytes the block occupies in its file.
func (h *Header) Size() int64 { return HeaderSize + int64(h.Stored) }

// valid reports whether all fields are within their limits.
func (h *Header) valid() bool {
	return h.Stored-1 < MaxStored && h.Raw-1 < MaxRaw &&
		h.Count-1 < h.Raw && // a record takes at least a byte; Count 0 wraps
		h.Base <= math.MaxUint64-uint64(h.Count) &&
		(h.Codec == Zstd || h.Codec == None && h.Stored == h.Raw)
}

// Put writes the header into the first HeaderSize bytes of dst, for a block at
// offset off of the segment at place p. It panics if dst is shorter. A time outside
// [0, MaxTime] is clamped.
func (h *Header) Put(dst []byte, p Place, off int64) {
	sizes := uint64(h.Stored) | uint64(h.Raw)<<32
	time := uint64(min(max(h.Time, 0), MaxTime)) | uint64(h.Codec)<<48
	sum := xxh.Sum56(sizes, h.Base, time, uint64(h.Count), h.Sum, uint64(off), uint64(p))
	b := dst[:HeaderSize]
	le := binary.LittleEndian
	le.PutUint64(b[0:], sizes)
	le.PutUint64(b[8:], h.Base)
	le.PutUint64(b[16:], time)
	le.PutUint64(b[24:], uint64(h.Count)|sum<<32)
	le.PutUint64(b[32:], h.Sum)
}

// headSum computes the head sum of the header at the start of b, and ignores the
// head sum field.
func headSum(b []byte, p Place, off int64) uint32 {
	b = b[:HeaderSize]
	le := binary.LittleEndian
	return uint32(xxh.Sum56(le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), uint64(le.Uint32(b[24:])), le.Uint64(b[32:]),
		uint64(off), uint64(p)))
}

// ParseHeader decodes the block header at the start of b, which was read at
// offset off of the segment at place p. Its errors match ErrCorrupt, carry no
// coordinates and are not allocated.
func ParseHeader(b []byte, p Place, off int64) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, errHeadShort
	}
	if headSum(b, p, off) != HeadSum(b) && !mutate.SkipBlockSum {
		return Header{}, errHeadSum
	}
	h := PeekHeader(b)
	if b[23] != 0 || !h.valid() {
		return Header{}, errHeadLimit
	}
	return h, nil
}

// PeekHeader decodes the block header at the start of b without any check. It is
// for skipping over headers that were verified before; the caller checks bounds
// itself. It panics if b is shorter than HeaderSize.
func PeekHeader(b []byte) Header {
	_ = b[HeaderSize-1]
	le := binary.LittleEndian
	t := le.Uint64(b[16:])
	return Header{
		Stored: le.Uint32(b[0:]),
		Raw:    le.Uint32(b[4:]),
		Base:   le.Uint64(b[8:]),
		Time:   int64(t & MaxTime),
		Codec:  Codec(t >> 48),
		Count:  le.Uint32(b[24:]),
		Sum:    le.Uint64(b[32:]),
	}
}

// HeadSum returns the head sum field of the encoded header at the start of b,
// for [Digest.Add]. It panics if b is shorter than HeaderSize.
func HeadSum(b []byte) uint32 { return binary.LittleEndian.Uint32(b[28:HeaderSize]) }

// Sum returns the checksum of a stored body.
func Sum(body []byte) uint64 { return xxhash.Sum64(body) }
