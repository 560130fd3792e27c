package topics

import (
	"math/bits"
	"slices"
	"unsafe"

	"github.com/pipeproc/pipeproc/vfs"
)

// A slab has slabSize bytes. Chunks of maxChunk bytes and multiples of it are carved
// from slabs.
const (
	slabSize   = 2 << 20
	slabChunks = slabSize / maxChunk
)

type slab struct {
	mem   *vfs.Memory
	used  uint8 // a bit for each chunk; all bits for a slab of more than slabSize bytes
	ready int   // bytes whose pages are populated
}

// piece is the memory of a chunk. It keeps the slab that it is carved from reachable.
type piece struct {
	buf  []byte
	slab *slab // nil if buf is on the heap
}

// carve returns a piece of n bytes or a little more, from the first slab that has
// room, so that the last slabs become free. The caller holds p.mu.
func (p *chunkPool) carve(n int) piece {
	if n > slabSize {
		s := &slab{mem: vfs.NewMemory(n), used: 0xff}
		s.mem.Populate(0, n)
		return piece{s.mem.Bytes(), s}
	}
	k := (n + maxChunk - 1) / maxChunk
	for _, s := range p.slabs {
		free := ^s.used
		for range k - 1 {
			free &= free >> 1 // leaves the first bit of each run of k free chunks
		}
		if free == 0 {
			continue
		}
		if s.used == 0 {
			p.noteTaken(slabSize)
		}
		return s.carve(bits.TrailingZeros8(free), k)
	}
	s := &slab{mem: vfs.NewMemory(slabSize)}
	p.slabs = append(p.slabs, s)
	return s.carve(0, k)
}

// carve returns k chunks from chunk at on.
func (s *slab) carve(at, k int) piece {
	s.used |= (1<<k - 1) << at
	if end := (at + k) * maxChunk; end > s.ready {
		s.mem.Populate(s.ready, end-s.ready)
		s.ready = end
	}
	return piece{s.mem.Bytes()[at*maxChunk : (at+k)*maxChunk : (at+k)*maxChunk], s}
}

// put takes back a piece and reports whether the slab is unused now.
func (s *slab) put(b []byte) bool {
	if len(b) > slabSize {
		s.used = 0
		return true
	}
	at := (uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(s.mem.Bytes())))) / maxChunk
	s.used &^= (1<<(len(b)/maxChunk) - 1) << at
	return s.used == 0
}

// discardSlab returns the memory of an unused slab to the system. The caller holds
// p.mu.
func (p *chunkPool) discardSlab(s *slab) {
	s.mem.Discard()
	p.slabs = slices.DeleteFunc(p.slabs, func(o *slab) bool { return o == s })
}
