package topics

import (
	"sync"
	"time"
)

// Sizes of chunks, in bytes: from minChunk to maxChunk, each twice the previous one, so
// that the tails of many small topics waste little. Only a block that does not fit gets a
// chunk of its own size.
const (
	minChunk   = 1 << 10
	maxChunk   = 256 << 10
	chunkSizes = 9 // how many there are; the last is carved from slabs
)

// poolIdle is the interval of trims. Memory that is given back was unused for at
// least this time, and at most twice as long.
const poolIdle = 2 * time.Second

// chunkPool keeps the memory of chunks that tails have released, for the next
// chunks: fresh memory costs a fault per page, ten times as much as the copy.
// Memory that was not needed for a while is given back, even by an idle node.
//
// Small chunks are on the heap. Large ones are carved from slabs outside the heap,
// whose pages are populated one chunk at a time.
type chunkPool struct {
	max int64 // bound on bytes

	mu    sync.Mutex
	free  [chunkSizes - 1][][]byte
	slabs []*slab
	bytes int64       // in free and in unused slabs
	low   int64       // the minimum of bytes since the last trim
	timer *time.Timer // of the next trim; nil if nothing is kept
	done  bool
}

// get returns a piece of at least n bytes that is not zeroed. It has the largest
// chunk size up to want, but at least minChunk, or the next one that holds n bytes;
// above maxChunk it has n bytes or a little more. The first chunk of a tail that needs
// more than minChunk has n bytes, if none is kept; its memory is not kept either.
func (p *chunkPool) get(want, n int) piece {
	size, i := minChunk, 0
	for i+1 < chunkSizes && 2*size <= want {
		size, i = 2*size, i+1
	}
	for i+1 < chunkSizes && size < n {
		size, i = 2*size, i+1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i == chunkSizes-1 {
		return p.carve(max(size, n))
	}
	k := len(p.free[i]) - 1
	if k < 0 {
		if want <= minChunk && size > minChunk { // a store may have very many topics of one record
			size = n
		}
		return piece{buf: make([]byte, size)}
	}
	b := p.free[i][k]
	p.free[i][k] = nil
	p.free[i] = p.free[i][:k]
	p.noteTaken(int64(size))
	return piece{buf: b}
}

// noteTaken subtracts size bytes that are no longer kept.
func (p *chunkPool) noteTaken(size int64) {
	p.bytes -= size
	p.low = min(p.low, p.bytes)
}

// put takes back an unused piece.
func (p *chunkPool) put(b piece) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := int64(len(b.buf))
	if b.slab != nil {
		if !b.slab.put(b.buf) {
			return
		}
		size = max(size, slabSize)
	}
	i := 0
	for minChunk<<i < size {
		i++
	}
	keep := !p.done && size <= slabSize && p.bytes+size <= p.max && (b.slab != nil || size == minChunk<<i)
	switch {
	case b.slab == nil && keep:
		p.free[i] = append(p.free[i], b.buf)
	case b.slab != nil && !keep:
		p.discardSlab(b.slab)
	}
	if !keep {
		return
	}
	p.bytes += size
	if p.timer == nil {
		p.low = 0
		p.timer = time.AfterFunc(poolIdle, p.trim)
	}
}

// trim gives back the memory that was not needed since the last trim, slabs first.
// It is repeated as long as any memory is kept.
func (p *chunkPool) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.slabs) - 1; i >= 0 && p.low >= slabSize; i-- {
		if s := p.slabs[i]; s.used == 0 {
			p.discardSlab(s)
			p.bytes -= slabSize
			p.low -= slabSize
		}
	}
	for i := len(p.free) - 1; i >= 0; i-- {
		size := int64(minChunk << i)
		f := p.free[i]
		k := min(p.low/size, int64(len(f)))
		// The oldest: the last one used is the most likely to be in a cache.
		rest := append(f[:0], f[k:]...)
		clear(f[len(rest):])
		p.free[i] = rest
		p.low -= k * size
		p.bytes -= k * size
	}
	p.low = p.bytes
	switch {
	case p.done:
	case p.bytes == 0:
		p.timer = nil
		p.free = [chunkSizes - 1][][]byte{}
	default:
		p.timer.Reset(poolIdle)
	}
}

// close gives all unused memory back and keeps none from now on.
func (p *chunkPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	for i := len(p.slabs) - 1; i >= 0; i-- {
		if s := p.slabs[i]; s.used == 0 {
			p.discardSlab(s)
		}
	}
	p.free, p.bytes, p.low = [chunkSizes - 1][][]byte{}, 0, 0
	if p.timer != nil {
		p.timer.Stop()
	}
}
