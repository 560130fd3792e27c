package topics

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// TestTailReuse demands that the memory of a dropped chunk is used again, but not
// while a reader holds it, and that nobody can take hold of a dropped chunk.
func TestTailReuse(t *testing.T) {
	pool := &spares{max: 1 << 20}
	defer pool.close()
	var tl tail
	first := tl.grow(pool, 0, 1000)
	tl.grow(pool, 1000, 1000) // in another chunk
	c := tl.find(0)
	if !c.hold() {
		t.Fatal("a chunk of the tail cannot be held")
	}
	tl.drop(1000)
	if tl.find(0) != nil || tl.find(1000) == nil {
		t.Fatal("drop took the wrong chunks")
	}
	var other tail
	if b := other.grow(pool, 0, 1000); &b[0] == &first[0] {
		t.Fatal("memory that a reader holds is used again")
	}
	c.release()
	if c.hold() {
		t.Fatal("a chunk that left its tail can be held")
	}
	var third tail
	if b := third.grow(pool, 0, 1000); &b[0] != &first[0] {
		t.Fatal("memory that nobody holds is not used again")
	}
	tl.release()
	if tl.find(1000) != nil || pool.bytes != 4*minChunk {
		t.Fatalf("after release of the tail: %d bytes are spare", pool.bytes)
	}
}

// TestTailReaders lets readers look at a tail that grows and is dropped, in
// memory that goes round: what a reader holds never changes.
func TestTailReaders(t *testing.T) {
	const piece, total = 64, 1 << 20
	pool := &spares{max: 1 << 20}
	defer pool.close()
	var tl tail
	var start, end atomic.Int64 // what is dropped, and what is there
	var wg sync.WaitGroup
	var held atomic.Int64
	for range 3 {
		wg.Go(func() {
			for off := int64(0); off < total; {
				e := end.Load()
				if e == 0 { // nothing is published, though it may be in the tail
					runtime.Gosched()
					continue
				}
				if off >= e {
					off = max(0, e-piece)
				}
				c := tl.find(off)
				if c == nil || !c.hold() {
					if off >= start.Load() && off < e { // it was there before the search
						t.Errorf("offset %d is not dropped and cannot be held", off)
						return
					}
					off = max(off+piece, start.Load())
					continue
				}
				held.Add(1)
				for range 3 {
					if got := binary.LittleEndian.Uint64(c.buf[off-c.off:]); got != uint64(off) {
						t.Errorf("offset %d holds %d", off, got)
						c.release()
						return
					}
				}
				c.release()
				off += piece
			}
		})
	}
	for off := int64(0); off < total; off += piece {
		binary.LittleEndian.PutUint64(tl.grow(pool, off, piece), uint64(off))
		end.Store(off + piece)
		if off%(8<<10) == 0 {
			start.Store(off) // first, as flush does
			tl.drop(off)
		}
	}
	end.Store(total + piece) // lets the readers end
	wg.Wait()
	if held.Load() == 0 {
		t.Log("no reader ever held a chunk")
	}
}

// TestSpares demands that memory is kept within its bound, and given back when
// it was not needed between two trims.
func TestSpares(t *testing.T) {
	p := &spares{max: 2*maxChunk + minChunk}
	for range 4 {
		p.put(make([]byte, maxChunk))
	}
	p.put(make([]byte, 5000)) // not of a size
	p.put(make([]byte, minChunk))
	if p.bytes != p.max {
		t.Fatalf("%d bytes are kept, want %d", p.bytes, p.max)
	}
	if b := p.get(minChunk, 5000); len(b) != 5000 {
		t.Fatalf("a piece of %d bytes, want 5000", len(b))
	}
	if b := p.get(5*minChunk, 10); len(b) != 4*minChunk {
		t.Fatalf("a piece of %d bytes, want %d", len(b), 4*minChunk)
	}
	p.trim() // all of it is new
	b := p.get(1<<30, 1)
	if len(b) != maxChunk || p.bytes != maxChunk+minChunk {
		t.Fatalf("a piece of %d bytes, and %d kept", len(b), p.bytes)
	}
	p.put(b)
	p.trim() // one large piece and the small one were not needed
	if p.bytes != maxChunk || p.timer == nil {
		t.Fatalf("%d bytes are kept, want %d", p.bytes, maxChunk)
	}
	p.trim()
	if p.bytes != 0 || p.timer != nil {
		t.Fatalf("%d bytes are kept by an idle node", p.bytes)
	}
	p.put(b)
	p.close()
	p.put(b)
	if p.bytes != 0 {
		t.Fatal("memory is kept after close")
	}
}
