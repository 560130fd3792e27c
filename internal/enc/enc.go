// Package enc reads the length-prefixed little-endian encodings that commands,
// snapshots and the store file use. The bytes are hostile: every length is
// checked against what is left before it is used, and the first fault sticks.
package enc

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed reports bytes that are not what the format says.
var ErrMalformed = errors.New("malformed encoding")

// Reader takes values off the front of B. After a fault Err is set and every
// value is zero.
type Reader struct {
	B   []byte
	Err error
}

func (r *Reader) fail() { r.B, r.Err = nil, ErrMalformed }

// Uvarint takes an unsigned varint.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.B)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.B = r.B[n:]
	return v
}

// Varint takes a zigzag varint.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.B)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.B = r.B[n:]
	return v
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if len(r.B) < 1 {
		r.fail()
		return 0
	}
	b := r.B[0]
	r.B = r.B[1:]
	return b
}

// U64 takes 8 bytes.
func (r *Reader) U64() uint64 {
	if len(r.B) < 8 {
		r.fail()
		return 0
	}
	v := binary.LittleEndian.Uint64(r.B)
	r.B = r.B[8:]
	return v
}

// Bytes takes a length and that many bytes, which alias B.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if n > uint64(len(r.B)) {
		r.fail()
		return nil
	}
	b := r.B[:n:n]
	r.B = r.B[n:]
	return b
}

// Count takes a number of items that need at least size bytes each, so that a
// caller may allocate for them.
func (r *Reader) Count(size int) int {
	n := r.Uvarint()
	if n > uint64(len(r.B)/max(size, 1)) {
		r.fail()
		return 0
	}
	return int(n)
}

// AppendUvarints appends several uvarints. It, AppendVarints and AppendStrings are for
// what is written rarely, definitions and snapshots: inlined there, they would be most
// of the code.
//
//go:noinline
func AppendUvarints(dst []byte, list ...uint64) []byte {
	for _, v := range list {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}

// AppendVarints appends several zigzag varints.
//
//go:noinline
func AppendVarints(dst []byte, list ...int64) []byte {
	for _, v := range list {
		dst = binary.AppendVarint(dst, v)
	}
	return dst
}

// AppendStrings appends a length and the string for each of list.
//
//go:noinline
func AppendStrings(dst []byte, list ...string) []byte {
	for _, s := range list {
		dst = AppendString(dst, s)
	}
	return dst
}

// AppendBytes appends a length and b.
func AppendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// AppendString appends a length and s.
func AppendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
