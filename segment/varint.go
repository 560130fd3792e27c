package segment

import "encoding/binary"

// uvarint decodes a uvarint at the start of b and returns it with its length
// in bytes. The length is 0 when b holds no complete uvarint, or one that
// overflows 64 bits or is not in its shortest form.
func uvarint(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	if len(b) > 1 && b[1]-1 < 0x7f { // two bytes, the second from 1 to 0x7f
		return uint64(b[0]&0x7f) | uint64(b[1])<<7, 2
	}
	return longUvarint(b)
}

func longUvarint(b []byte) (v uint64, n int) {
	v, n = binary.Uvarint(b)
	if n <= 0 || b[n-1] == 0 {
		return 0, 0
	}
	return v, n
}

// prefixed splits a byte string with a uvarint length off the start of b. The
// returned string has no spare capacity, so that appending to it copies.
func prefixed(b []byte) (s, rest []byte, err error) {
	l, n := uvarint(b)
	if n == 0 {
		return nil, nil, errVarint
	}
	if l > uint64(len(b)-n) {
		return nil, nil, errRecord
	}
	end := n + int(l)
	return b[n:end:end], b[end:], nil
}
