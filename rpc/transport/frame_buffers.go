package transport

import (
	"math/bits"
	"sync"
)

// Buffer capacities are powers of two, from 1<<minClass to 1<<maxClass bytes.
// Up to preallocClass a buffer is allocated whole, since its payload is in a
// read buffer already; a larger one grows with the bytes that arrive.
const (
	minClass      = 9  // 512 bytes
	preallocClass = 16 // 64 KiB
	maxClass      = 20 // 1 MiB; larger buffers are left to the collector
)

// buffer is memory for a body, from one of the pools.
type buffer struct{ b []byte }

// buffers are pools of memory, one set per Server or Conn.
type buffers struct {
	pools [maxClass - minClass + 1]sync.Pool // pools[i] holds buffers of 2^(minClass+i) bytes up to less than twice that
}

// get returns an empty buffer for n bytes. One from a pool has less than four
// times that capacity, or 512 bytes.
func (p *buffers) get(n int) *buffer {
	class := max(bits.Len(uint(max(n, 1)-1)), minClass)
	if class > maxClass {
		return new(buffer)
	}
	if b, ok := p.pools[class-minClass].Get().(*buffer); ok {
		return b
	}
	if class > preallocClass {
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
	if class < minClass || class > maxClass {
		return
	}
	b.b = b.b[:0]
	p.pools[class-minClass].Put(b)
}

// fifo is a queue that reuses its memory.
type fifo[T any] struct {
	all  []T
	head int // all[head:] is in the queue
}

func (q *fifo[T]) len() int { return len(q.all) - q.head }

func (q *fifo[T]) push(v T) {
	if q.head > 32 && q.head > len(q.all)/2 {
		n := copy(q.all, q.all[q.head:])
		clear(q.all[n:])
		q.all, q.head = q.all[:n], 0
	}
	q.all = append(q.all, v)
}

// pop takes the oldest. There must be one.
func (q *fifo[T]) pop() T {
	var zero T
	v := q.all[q.head]
	q.all[q.head] = zero
	if q.head++; q.head == len(q.all) {
		q.all, q.head = q.all[:0], 0
	}
	return v
}
