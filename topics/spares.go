package topics

import (
	"sync"
	"time"
)

// Sizes of chunks, in bytes: minChunk, and each four times the one before, up to
// maxChunk. Only a block that does not fit gets a chunk of its own size.
const (
	minChunk = 1 << 10
	maxChunk = 256 << 10
	sizes    = 5
)

// spareIdle is how long memory lies unused before it is given back: once at
// least, twice at most.
const spareIdle = 2 * time.Second

// spares keeps the memory of chunks that tails have let go of for the next ones:
// fresh memory costs a fault a page, which is ten times the copy. What was not
// needed for a while is given back, also on a node that does nothing any more.
type spares struct {
	max int64 // bytes kept at most

	mu    sync.Mutex
	free  [sizes][][]byte
	bytes int64       // in free
	low   int64       // the least that bytes was since the last trim
	timer *time.Timer // of the next trim; nil when nothing is kept
	done  bool
}

// get returns a piece of at least n bytes: of the largest size up to the one
// wanted, which is minChunk at least, or of n bytes if that is more. It is not
// zeroed.
func (p *spares) get(want, n int) []byte {
	size, i := minChunk, 0
	for i+1 < sizes && 4*size <= want {
		size, i = 4*size, i+1
	}
	if n > size {
		return make([]byte, n)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k := len(p.free[i]) - 1
	if k < 0 {
		return make([]byte, size)
	}
	b := p.free[i][k]
	p.free[i][k] = nil
	p.free[i] = p.free[i][:k]
	p.bytes -= int64(size)
	p.low = min(p.low, p.bytes)
	return b
}

// put takes a piece back that nobody uses any more.
func (p *spares) put(b []byte) {
	size, i := minChunk, 0
	for i+1 < sizes && size < len(b) {
		size, i = 4*size, i+1
	}
	if size != len(b) {
		return // of a block that did not fit
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || p.bytes+int64(size) > p.max {
		return
	}
	p.free[i] = append(p.free[i], b)
	p.bytes += int64(size)
	if p.timer == nil {
		p.low = 0
		p.timer = time.AfterFunc(spareIdle, p.trim)
	}
}

// trim gives back what was not needed since the last one, the large pieces
// first, and comes again as long as something is kept.
func (p *spares) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, size := sizes-1, int64(maxChunk); i >= 0; i, size = i-1, size/4 {
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
		p.free = [sizes][][]byte{}
	default:
		p.timer.Reset(spareIdle)
	}
}

// close gives everything back, and keeps nothing from now on.
func (p *spares) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	p.free, p.bytes, p.low = [sizes][][]byte{}, 0, 0
	if p.timer != nil {
		p.timer.Stop()
	}
}
