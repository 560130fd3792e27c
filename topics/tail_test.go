package topics

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// TestTailReuse demands that the memory of a dropped chunk is reused, but not while
// a reader holds it, and that a dropped chunk cannot be held.
func TestTailReuse(t *testing.T) {
	pool := &chunkPool{max: 1 << 20}
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
	if tl.find(1000) != nil || pool.bytes != 2*minChunk {
		t.Fatalf("after release of the tail: %d bytes are spare", pool.bytes)
	}
}

// TestTailReaders lets readers read a tail that grows and is dropped, in reused
// memory: bytes that a reader holds never change.
func TestTailReaders(t *testing.T) {
	const piece, total = 64, 1 << 20
	pool := &chunkPool{max: 1 << 20}
	defer pool.close()
	var tl tail
	var start, end atomic.Int64 // offsets of the first and past the last byte
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
	p := &chunkPool{max: 2*slabSize + minChunk}
	var list []piece
	for range 3*slabChunks + 1 { // in four slabs
		list = append(list, p.get(1<<30, 1))
	}
	for _, b := range list {
		if len(b.buf) != maxChunk {
			t.Fatalf("a piece of %d bytes, want %d", len(b.buf), maxChunk)
		}
		p.put(b)
	}
	p.put(p.get(0, 1))
	if p.bytes != p.max || len(p.slabs) != 2 {
		t.Fatalf("%d bytes and %d slabs are kept, want %d", p.bytes, len(p.slabs), p.max)
	}
	for n, want := range map[int]int{5000: 8 << 10, 1: 4 << 10, maxChunk + 1: 2 * maxChunk, slabSize: slabSize, slabSize + 1: slabSize + 1} {
		b := p.get(5*minChunk, n)
		if len(b.buf) != want {
			t.Fatalf("a piece of %d bytes for %d, want %d", len(b.buf), n, want)
		}
		p.put(b)
	}
	p.trim() // all of it is new
	b := p.get(1<<30, 1)
	if p.slabs[0] != b.slab {
		t.Fatal("the piece is not of the first slab")
	}
	p.put(b)
	p.trim() // one slab and the small pieces were not needed
	if p.bytes != slabSize || p.timer == nil || len(p.slabs) != 1 {
		t.Fatalf("%d bytes in %d slabs are kept, want %d", p.bytes, len(p.slabs), slabSize)
	}
	p.trim()
	if p.bytes != 0 || p.timer != nil || len(p.slabs) != 0 {
		t.Fatalf("%d bytes are kept by an idle node", p.bytes)
	}
	b = p.get(1<<30, 1)
	p.close()
	p.put(b)
	if p.bytes != 0 || len(p.slabs) != 0 {
		t.Fatal("memory is kept after close")
	}
}

// TestSlabs demands that pieces never overlap, and that all memory is returned.
func TestSlabs(t *testing.T) {
	p := &chunkPool{max: 16 * slabSize}
	defer p.close()
	rnd := rand.New(rand.NewPCG(1, 2))
	var list []piece
	for i := range 5000 {
		if len(list) > 0 && (rnd.IntN(2) == 0 || len(list) > 60) {
			k := rnd.IntN(len(list))
			b := list[k]
			if first, last := b.buf[0], b.buf[len(b.buf)-1]; first != last {
				t.Fatalf("step %d: a piece of %d bytes begins with %d and ends with %d", i, len(b.buf), first, last)
			}
			b.buf[0]++
			p.put(b)
			list = slices.Delete(list, k, k+1)
			continue
		}
		b := p.get(maxChunk, 1+rnd.IntN(3*slabSize/2))
		b.buf[0], b.buf[len(b.buf)-1] = byte(i), byte(i)
		list = append(list, b)
	}
	for _, b := range list {
		p.put(b)
	}
	for _, s := range p.slabs {
		if s.used != 0 {
			t.Fatalf("a slab is in use: %08b", s.used)
		}
	}
	if p.bytes != int64(len(p.slabs))*slabSize {
		t.Fatalf("%d bytes in %d slabs", p.bytes, len(p.slabs))
	}
}
