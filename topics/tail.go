package topics

import (
	"slices"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

// tail holds the newest bytes of one segment in memory: those that are not in its
// file yet. The WAL has them too, so nothing depends on the tail after a crash, and
// the WAL's size bounds the tail's.
//
// The commit leader appends. The checkpoint drops what it has written to the file.
// Readers take no lock: the list of chunks is replaced as a whole, and bytes within
// a chunk are read only below a published sequence.
//
// The memory of chunks is reused. So a chunk counts its references: one for the
// list, and one for each reader that has bytes of it. A reader may add a reference
// only while there is another. The last one to be released returns the memory.
type tail struct {
	chunks atomic.Pointer[[]*chunk]
	_      cacheLinePad
	cur    *chunk // the chunk being filled; leader only
	n      int    // filled bytes of cur; leader only
}

// cacheLinePad pads to a cache line, to avoid false sharing between the writer and
// tail readers.
type cacheLinePad [64]byte

// chunk is one piece of a tail. Blocks never span chunks. Only a chunk's memory is
// reused, never the chunk itself, so a reader that still refers to a dropped one
// can tell.
type chunk struct {
	off   int64        // file offset of buf[0]
	piece              // fixed for the chunk's life
	refs  atomic.Int32 // references to buf
	pool  *chunkPool
}

// hold keeps c's memory from being reused until release. It returns false if c has
// left its tail.
func (c *chunk) hold() bool {
	for {
		n := c.refs.Load()
		if n == 0 {
			return false
		}
		if mutate.SkipChunkHold || c.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release drops a reference. The last one returns c's memory to the pool.
func (c *chunk) release() {
	if c.refs.Add(-1) == 0 {
		c.pool.put(c.piece)
	}
}

// grow returns n writable bytes for file offset off, which must be the end of the
// tail.
func (t *tail) grow(pool *chunkPool, off int64, n int) []byte {
	c := t.cur
	if c == nil || len(c.buf)-t.n < n {
		size := minChunk
		if c != nil {
			size = len(c.buf)
			if size&(size-1) == 0 { // not one that was made to measure
				size *= 2
			}
		}
		c = &chunk{off: off, piece: pool.get(size, n), pool: pool}
		c.refs.Store(1)
		t.cur, t.n = c, 0
		for {
			old := t.chunks.Load()
			var list []*chunk
			if old != nil {
				list = *old
			}
			list = append(slices.Clip(list), c)
			if t.chunks.CompareAndSwap(old, &list) {
				break
			}
		}
	}
	b := c.buf[t.n : t.n+n : t.n+n]
	t.n += n
	return b
}

// find returns the chunk that contains file offset off, or nil if the tail no
// longer has it.
func (t *tail) find(off int64) *chunk {
	p := t.chunks.Load()
	if p == nil {
		return nil
	}
	list := *p
	lo, hi := 0, len(list) // the last chunk that starts at or before off
	for lo < hi {
		mid := (lo + hi) / 2
		if list[mid].off <= off {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return nil
	}
	c := list[lo-1]
	if off-c.off >= int64(len(c.buf)) {
		return nil
	}
	return c
}

// each calls fn with the tail's bytes in [from, to), in order. Both ends must be
// block boundaries. The caller is the one that may drop chunks.
func (t *tail) each(from, to int64, fn func(off int64, b []byte) error) error {
	p := t.chunks.Load()
	if p == nil {
		return nil
	}
	for i, c := range *p {
		end := to
		if i+1 < len(*p) {
			end = min(to, (*p)[i+1].off)
		}
		end = min(end, c.off+int64(len(c.buf))) // a damaged snapshot may leave a hole behind c
		start := max(from, c.off)
		if start >= end {
			continue
		}
		if err := fn(start, c.buf[start-c.off:end-c.off]); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the chunks that end at or below off, except the newest.
func (t *tail) drop(off int64) {
	for {
		old := t.chunks.Load()
		if old == nil {
			return
		}
		list := *old
		k := 0
		for k+1 < len(list) && list[k+1].off <= off {
			k++
		}
		if k == 0 {
			return
		}
		rest := slices.Clone(list[k:])
		if t.chunks.CompareAndSwap(old, &rest) {
			for _, c := range list[:k] {
				c.release()
			}
			return
		}
	}
}

// release drops all chunks, including the one being filled. The caller is the one
// that may drop chunks, nothing may append meanwhile, and nothing of the tail may
// be needed any more: it is in the file, the segment is pruned, or the node closes.
func (t *tail) release() {
	t.cur = nil
	if p := t.chunks.Swap(nil); p != nil {
		for _, c := range *p {
			c.release()
		}
	}
}
