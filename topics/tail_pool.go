package topics

import (
	"sync"
	"time"
)

// Sizes of chunks, in bytes: minChunk, and each four times the one before, up to
// maxChunk. Only a block that does not fit gets a chunk of its own size.
const (
	minChunk   = 1 << 10
	maxChunk   = 256 << 10
	chunkSizes = 5 // of which the last is cut from slabs
)

// poolIdle is how long memory lies unused before it is given back: once at
// least, twice at most.
const poolIdle = 2 * time.Second

// spares keeps the memory of chunks that tails have let go of for the next ones:
// fresh memory costs a fault a page, which is ten times the copy. What was not
// needed for a while is given back, also on a node that does nothing any more.
//
// Small chunks are on the heap; large ones are cut from slabs outside of it, whose
// pages are brought in a chunk at a time.
type chunkPool struct {
	max int64 // bytes kept at most

	mu    sync.Mutex
	free  [chunkSizes - 1][][]byte
	slabs []*slab
	bytes int64       // in free, and in slabs of which nothing is in use
	low   int64       // the least that bytes was since the last trim
	timer *time.Timer // of the next trim; nil when nothing is kept
	done  bool
}

// get returns a piece of at least n bytes: of the largest size up to the one
// wanted, which is minChunk at least, or of n bytes or a little more if that is
// more. It is not zeroed.
func (p *chunkPool) get(want, n int) piece {
	size, i := minChunk, 0
	for i+1 < chunkSizes && 4*size <= want {
		size, i = 4*size, i+1
	}
	for i+1 < chunkSizes && size < n {
		size, i = 4*size, i+1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i == chunkSizes-1 {
		return p.carve(max(size, n))
	}
	k := len(p.free[i]) - 1
	if k < 0 {
		return piece{buf: make([]byte, size)}
	}
	b := p.free[i][k]
	p.free[i][k] = nil
	p.free[i] = p.free[i][:k]
	p.noteTaken(int64(size))
	return piece{buf: b}
}

// noteTaken notes that size bytes are not kept any more.
func (p *chunkPool) noteTaken(size int64) {
	p.bytes -= size
	p.low = min(p.low, p.bytes)
}

// put takes a piece back that nobody uses any more.
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
	keep := !p.done && size <= slabSize && p.bytes+size <= p.max
	switch {
	case b.slab == nil && keep:
		i := 0
		for minChunk<<(2*i) < size {
			i++
		}
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

// trim gives back what was not needed since the last one, the large pieces
// first, and comes again as long as something is kept.
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
		size := int64(minChunk << (2 * i))
		f := p.free[i]
		k := min(p.low/size, int64(len(f)))
		// The oldest: what was used last is the most likely to be in a cache.
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

// close gives everything back, and keeps nothing from now on.
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
