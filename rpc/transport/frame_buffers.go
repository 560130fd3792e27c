package transport

import (
	"math/bits"
	"sync"
)

// Buffers have sizes of a power of two, from leastClass to greatestClass bits.
// Up to readyClass they are made for what is to come, which is in a read buffer
// already; larger ones grow with what arrives.
const (
	leastClass    = 9  // 512 bytes
	readyClass    = 16 // 64 KiB
	greatestClass = 20 // 1 MiB; larger buffers are left to the collector
)

// buffer is memory for a body, from one of the pools.
type buffer struct{ b []byte }

// buffers are pools of memory. They are a part of a Server or a Conn.
type buffers struct {
	pools [greatestClass - leastClass + 1]sync.Pool // pools[i] has buffers of at least 2^(leastClass+i) bytes, and less than twice that
}

// get returns an empty buffer for n bytes. One from a pool is less than four
// times as large, or has 512 bytes.
func (p *buffers) get(n int) *buffer {
	class := max(bits.Len(uint(max(n, 1)-1)), leastClass)
	if class > greatestClass {
		return new(buffer)
	}
	if b, ok := p.pools[class-leastClass].Get().(*buffer); ok {
		return b
	}
	if class > readyClass {
		return new(buffer)
	}
	return &buffer{make([]byte, 0, 1<<class)}
}

// put takes a buffer back.
func (p *buffers) put(b *buffer) {
	if b == nil {
		return
	}
	class := bits.Len(uint(cap(b.b))) - 1
	if class < leastClass || class > greatestClass {
		return
	}
	b.b = b.b[:0]
	p.pools[class-leastClass].Put(b)
}
