package segment

import (
	"encoding/binary"

	"github.com/pipeproc/pipeproc/internal/xxh"
)

// headSum returns the head sum of the header at the start of b, whatever its head sum
// field holds.
func headSum(b []byte, p Place, off int64) uint32 {
	b = b[:HeaderSize]
	le := binary.LittleEndian
	return uint32(xxh.Sum56(le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), uint64(le.Uint32(b[24:])), le.Uint64(b[32:]),
		uint64(off), uint64(p)))
}
