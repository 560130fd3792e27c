package segment

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Place identifies a segment among all segments of all stores. It goes into
// the checksums of blocks and footers, so that bytes that ended up in another file
// are not valid there.
type Place uint64

// NewPlace returns the place of segment number of a topic of a store.
func NewPlace(store [16]byte, topic, number uint64) Place {
	const tag = "segment"
	var b [len(tag) + 32]byte
	copy(b[:], tag)
	copy(b[len(tag):], store[:])
	binary.LittleEndian.PutUint64(b[len(tag)+16:], topic)
	binary.LittleEndian.PutUint64(b[len(tag)+24:], number)
	return Place(xxhash.Sum64(b[:]))
}

// Digest chains the head sums of a segment's blocks in order. The zero value
// is the digest of no blocks. It is a plain number and may be stored and
// converted back at any time.
//
//	digest' = xxhash64(u64 digest || u32 head sum)
type Digest uint64

// Add appends the head sum of the next block.
func (d *Digest) Add(headSum uint32) {
	var b [12]byte
	binary.LittleEndian.PutUint64(b[:], uint64(*d))
	binary.LittleEndian.PutUint32(b[8:], headSum)
	*d = Digest(xxhash.Sum64(b[:]))
}

// Sum returns the digest of the blocks added so far.
func (d Digest) Sum() uint64 { return uint64(d) }
