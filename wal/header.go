package wal

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

const (
	headerSize = 4096 // size of a file header, and the unit of file sizes
	headerUsed = 88
	magic      = "PPWALOG\x00"
	version    = 1

	namePrefix = "wal-"
	nameSuffix = ".log"
)

var le = binary.LittleEndian

// fileName returns the name of file number.
func fileName(number uint64) string {
	return fmt.Sprintf("%s%016x%s", namePrefix, number, nameSuffix)
}

// parseName is the inverse of fileName; ok is false for any other name.
func parseName(name string) (number uint64, ok bool) {
	if len(name) != len(namePrefix)+16+len(nameSuffix) {
		return 0, false
	}
	number, err := strconv.ParseUint(name[len(namePrefix):len(namePrefix)+16], 16, 64)
	if err != nil || number == 0 || fileName(number) != name {
		return 0, false
	}
	return number, true
}

// fileHeader is the content of a file header; doc.go has the layout.
type fileHeader struct {
	store  [16]byte
	epoch  uint64
	number uint64
	size   int64
	first  uint64
	prev   Tail
}

// put encodes h into b, which is headerSize long.
func (h *fileHeader) put(b []byte) {
	clear(b[headerUsed : headerSize-8])
	copy(b, magic)
	le.PutUint16(b[8:], version)
	le.PutUint16(b[10:], 0)
	le.PutUint32(b[12:], headerSize)
	copy(b[16:32], h.store[:])
	le.PutUint64(b[32:], h.epoch)
	le.PutUint64(b[40:], h.number)
	le.PutUint64(b[48:], uint64(h.size))
	le.PutUint64(b[56:], h.first)
	le.PutUint64(b[64:], h.prev.Number)
	le.PutUint64(b[72:], uint64(h.prev.End))
	le.PutUint64(b[80:], h.prev.Sum)
	le.PutUint64(b[headerSize-8:], xxhash.Sum64(b[:headerSize-8]))
}

// headerEpoch returns the epoch in a header, which need not be valid.
func headerEpoch(b []byte) uint64 { return le.Uint64(b[32:]) }

// parseHeader decodes the headerSize bytes b. If they are not a valid header,
// what says why. An intact header that this version does not understand gives
// an error that wraps ErrVersion.
func parseHeader(b []byte) (h fileHeader, what string, err error) {
	if string(b[:8]) != magic {
		return h, "no header", nil
	}
	if xxhash.Sum64(b[:headerSize-8]) != le.Uint64(b[headerSize-8:]) {
		return h, "header sum does not match", nil
	}
	if v, flags := le.Uint16(b[8:]), le.Uint16(b[10:]); v != version || flags != 0 {
		return h, "", fmt.Errorf("%w: version %d, flags %#x", ErrVersion, v, flags)
	}
	h = fileHeader{
		epoch:  le.Uint64(b[32:]),
		number: le.Uint64(b[40:]),
		first:  le.Uint64(b[56:]),
	}
	copy(h.store[:], b[16:32])
	size, prev, end := le.Uint64(b[48:]), le.Uint64(b[64:]), le.Uint64(b[72:])
	h.size, h.prev = int64(size), Tail{Number: prev, End: int64(end), Sum: le.Uint64(b[80:])}
	switch {
	case le.Uint32(b[12:]) != headerSize:
		return h, "header size is not 4096", nil
	case size < headerSize || size > math.MaxInt64:
		return h, "file size cannot be", nil
	case h.number == 0 || prev >= h.number:
		return h, "file number cannot be", nil
	case h.first == 0:
		return h, "first position cannot be", nil
	case prev == 0 && end != 0,
		prev != 0 && (end < headerSize || end > math.MaxInt64 || end%frameAlign != 0):
		return h, "end of the previous file cannot be", nil
	}
	return h, "", nil
}

// key ties frames to one file: it is the seed of their sums, and their tag.
type key struct {
	seed uint64
	tag  uint32
}

// newKey returns the key of file number in the given epoch of a store.
func newKey(store [16]byte, epoch, number uint64) key {
	var b [3 + 16 + 8 + 8]byte
	copy(b[:], "wal")
	if !mutate.SkipSeed {
		copy(b[3:], store[:])
		le.PutUint64(b[19:], epoch)
		le.PutUint64(b[27:], number)
	}
	k := key{seed: xxhash.Sum64(b[:])}
	if k.tag = uint32(k.seed); k.tag == 0 {
		k.tag = 1
	}
	return k
}

// key returns the key of the frames in the file with header h.
func (h *fileHeader) key() key { return newKey(h.store, h.epoch, h.number) }
