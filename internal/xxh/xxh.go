// Package xxh computes xxHash64, seed 0, of inputs of a few fixed lengths that
// are given as words. Every block and every frame has a header with such a sum.
// Storing the words and hashing the memory is slower than hashing them in
// registers: an eight-byte load must wait for the smaller stores that it spans.
//
// The algorithm is https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md;
// the tests compare with github.com/cespare/xxhash/v2. A word is eight bytes of the
// input, little endian.
package xxh

import "math/bits"

const (
	prime1 uint64 = 11400714785074694791
	prime2 uint64 = 14029467366897019727
	prime3 uint64 = 1609587929392839161
	prime4 uint64 = 9650029242287828579

	lane1 uint64 = 0x60ea27eeadc0b5d6 // prime1 + prime2, which wraps around
	lane2        = prime2
	lane4        = ^prime1 + 1 // minus prime1
)

// Sum32 returns the sum of four words.
func Sum32(w0, w1, w2, w3 uint64) uint64 {
	l1, l2, l3, l4 := round(lane1, w0), round(lane2, w1), round(0, w2), round(lane4, w3)
	h := merge(bits.RotateLeft64(l1, 1)+bits.RotateLeft64(l2, 7)+bits.RotateLeft64(l3, 12)+bits.RotateLeft64(l4, 18), l1)
	h = merge(merge(merge(h, l2), l3), l4) + 32
	return finish(h)
}

// Sum56 returns the sum of seven words.
func Sum56(w0, w1, w2, w3, w4, w5, w6 uint64) uint64 {
	l1, l2, l3, l4 := round(lane1, w0), round(lane2, w1), round(0, w2), round(lane4, w3)
	h := merge(bits.RotateLeft64(l1, 1)+bits.RotateLeft64(l2, 7)+bits.RotateLeft64(l3, 12)+bits.RotateLeft64(l4, 18), l1)
	h = merge(merge(merge(h, l2), l3), l4) + 56
	return finish(word(word(word(h, w4), w5), w6))
}

// Sum64 returns the sum of eight words.
func Sum64(w0, w1, w2, w3, w4, w5, w6, w7 uint64) uint64 {
	l1, l2, l3, l4 := round(lane1, w0), round(lane2, w1), round(0, w2), round(lane4, w3)
	l1, l2, l3, l4 = round(l1, w4), round(l2, w5), round(l3, w6), round(l4, w7)
	h := merge(bits.RotateLeft64(l1, 1)+bits.RotateLeft64(l2, 7)+bits.RotateLeft64(l3, 12)+bits.RotateLeft64(l4, 18), l1)
	h = merge(merge(merge(h, l2), l3), l4) + 64
	return finish(h)
}

func round(acc, w uint64) uint64 { return bits.RotateLeft64(acc+w*prime2, 31) * prime1 }

func word(h, w uint64) uint64 { return bits.RotateLeft64(h^round(0, w), 27)*prime1 + prime4 }

func merge(h, lane uint64) uint64 { return (h^round(0, lane))*prime1 + prime4 }

func finish(h uint64) uint64 {
	h ^= h >> 33
	h *= prime2
	h ^= h >> 29
	h *= prime3
	return h ^ h>>32
}
