package rpc

import "sync"

// buffer is memory for a body, from one of the pools.
type buffer struct{ b []byte }

// A body of up to a class's size gets memory of that class. Larger ones share
// the last pool, whose buffers are as large as what was in them before, up to
// maxPooled.
var classes = [...]int{512, 4 << 10, 16 << 10, 64 << 10}

const maxPooled = 2 << 20

// buffers are pools of memory. They are a part of a Server or a Conn.
type buffers struct{ pools [len(classes) + 1]sync.Pool }

func classOf(n int) int {
	for i, size := range classes {
		if n <= size {
			return i
		}
	}
	return len(classes)
}

// get returns an empty buffer for n bytes, which have not arrived yet: beyond
// the last class nothing is allocated for them.
func (p *buffers) get(n int) *buffer {
	i := classOf(n)
	if b, ok := p.pools[i].Get().(*buffer); ok {
		return b
	}
	if i == len(classes) {
		return new(buffer)
	}
	return &buffer{make([]byte, 0, classes[i])}
}

// put takes a buffer back.
func (p *buffers) put(b *buffer) {
	if b == nil || cap(b.b) > maxPooled {
		return // no buffer, or one for the collector
	}
	n := cap(b.b)
	b.b = b.b[:0]
	if n > classes[len(classes)-1] {
		p.pools[len(classes)].Put(b)
		return
	}
	for i := len(classes) - 1; i >= 0; i-- {
		if n >= classes[i] {
			p.pools[i].Put(b)
			return
		}
	}
}
