package segment

import (
	"encoding/binary"
	"math/bits"
)

// The primes of xxhash64.
const (
	prime1 uint64 = 11400714785074694791
	prime2 uint64 = 14029467366897019727
	prime3 uint64 = 1609587929392839161
	prime4 uint64 = 9650029242287828579
)

// headSum returns the head sum of the header at the start of b, whatever its
// head sum field holds. It is the low half of xxhash64 over 56 bytes, written
// out for this length: every block read pays for it, and going through a copy
// of the header in memory takes twice as long.
func headSum(b []byte, p Place, off int64) uint32 {
	b = b[:HeaderSize]
	le := binary.LittleEndian
	lane1 := uint64(0)
	lane1 += prime1
	lane1 += prime2 // wraps around, which constants must not
	lane4 := uint64(0)
	lane4 -= prime1

	lane1 = round(lane1, le.Uint64(b[0:]))
	lane2 := round(prime2, le.Uint64(b[8:]))
	lane3 := round(0, le.Uint64(b[16:]))
	lane4 = round(lane4, uint64(le.Uint32(b[24:]))) // the head sum itself counts as zero

	h := bits.RotateLeft64(lane1, 1) + bits.RotateLeft64(lane2, 7) +
		bits.RotateLeft64(lane3, 12) + bits.RotateLeft64(lane4, 18)
	h = (h^round(0, lane1))*prime1 + prime4
	h = (h^round(0, lane2))*prime1 + prime4
	h = (h^round(0, lane3))*prime1 + prime4
	h = (h^round(0, lane4))*prime1 + prime4
	h += HeaderSize + 16

	h = bits.RotateLeft64(h^round(0, le.Uint64(b[32:])), 27)*prime1 + prime4
	h = bits.RotateLeft64(h^round(0, uint64(off)), 27)*prime1 + prime4
	h = bits.RotateLeft64(h^round(0, uint64(p)), 27)*prime1 + prime4

	h ^= h >> 33
	h *= prime2
	h ^= h >> 29
	h *= prime3
	h ^= h >> 32
	return uint32(h)
}

func round(acc, input uint64) uint64 {
	return bits.RotateLeft64(acc+input*prime2, 31) * prime1
}
