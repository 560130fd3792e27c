package rpc

import (
	"encoding/binary"
	"net"

	"github.com/cespare/xxhash/v2"
)

const (
	// copyLimit is up to which size a frame's payload is copied, in place of
	// being lent to the write.
	copyLimit = 16 << 10
	// writeChunk is how much is written at once. A chunk must get on within the
	// write timeout, so it is also what a slow peer must take in that time.
	writeChunk = 264 << 10
	// arenaSize is the memory that copied frames share. It is a buffer class.
	arenaSize = 64 << 10
)

// batch is frames that wait to be written, in order.
type batch struct {
	bufs  *buffers
	arena *buffer     // copied frames, and headers of lent ones; nil until needed
	run   int         // arena.b[run:] is not in vec yet
	vec   net.Buffers // what comes before arena.b[run:]
	next  int         // vec[:next] is written
	lent  []*ticket
	owned []*buffer // given back when written
	bytes int
}

// ticket is a frame whose payload was lent, and tells its owner when it is
// written.
type ticket struct {
	head   [headerSize]byte
	pieces [][]byte
	bytes  int
	done   chan struct{} // of capacity 1
	err    error         // set before done
}

// fill makes t a frame with the next n bytes of m, which is no request.
func (t *ticket) fill(m *message, n int) {
	h := m.head(n)
	h.put(t.head[:])
	var sum xxhash.Digest
	sum.Reset()
	_, _ = sum.Write(t.head[8:])
	t.pieces = t.pieces[:0]
	m.take(n, func(p []byte) {
		_, _ = sum.Write(p)
		t.pieces = append(t.pieces, p)
	})
	binary.LittleEndian.PutUint32(t.head[4:], uint32(sum.Sum64()))
	t.bytes = headerSize + n
	t.err = nil
	if t.done == nil {
		t.done = make(chan struct{}, 1)
	}
}

// message is a message to send, or the rest of one.
type message struct {
	kind    Kind
	method  uint16
	stream  uint64
	timeout uint32 // of a request: its first bytes
	size    int    // of what is left
	begun   bool   // the timeout is in a frame
	sent    bool   // a frame was handed over
	parts   [][]byte
	// off of parts[next] comes next. Positions, because storing a slice of parts
	// in here would move every caller's parts to the heap.
	next, off int
}

// control returns the message of a frame with payload b.
func control(kind Kind, stream uint64, b []byte) *message {
	return &message{kind: kind, stream: stream, size: len(b), parts: [][]byte{b}}
}

// length returns what parts come to.
func length(parts [][]byte) int {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	return n
}

// head returns the header of a frame with the next n bytes.
func (m *message) head(n int) header {
	return header{size: n, kind: m.kind, more: n < m.size, method: m.method, stream: m.stream}
}

// take calls fn for the next n bytes of the parts.
func (m *message) take(n int, fn func(b []byte)) {
	m.size -= n
	for n > 0 {
		p := m.parts[m.next][m.off:]
		k := min(n, len(p))
		if k > 0 {
			fn(p[:k])
		}
		n -= k
		if m.off += k; k == len(p) {
			m.next, m.off = m.next+1, 0
		}
	}
}

// copyFrame adds a frame with the next n bytes of m, copied. n is at most
// copyLimit.
func (b *batch) copyFrame(m *message, n int) {
	b.need(headerSize + n)
	start := len(b.arena.b)
	b.arena.b = appendCopy(b.arena.b, m, n)
	sealFrame(b.arena.b[start:])
	b.bytes += headerSize + n
}

// appendCopy appends a frame with the next n bytes of m, without its checksum.
func appendCopy(dst []byte, m *message, n int) []byte {
	var head [headerSize]byte
	h := m.head(n)
	h.put(head[:])
	dst = append(dst, head[:]...)
	if m.kind == KindRequest && !m.begun {
		m.begun = true
		dst = binary.LittleEndian.AppendUint32(dst, m.timeout)
		m.size -= timeoutSize
		n -= timeoutSize
	}
	m.take(n, func(p []byte) { dst = append(dst, p...) })
	return dst
}

// lendFrame adds the frame that t holds, which must not change until t is done.
func (b *batch) lendFrame(t *ticket) {
	b.need(headerSize)
	b.arena.b = append(b.arena.b, t.head[:]...)
	b.endRun()
	b.vec = append(b.vec, t.pieces...)
	b.lent = append(b.lent, t)
	b.bytes += t.bytes
}

// ownFrame adds a whole frame, which goes back to a pool when it is written.
func (b *batch) ownFrame(f *buffer) {
	b.endRun()
	b.vec = append(b.vec, f.b)
	b.owned = append(b.owned, f)
	b.bytes += len(f.b)
}

// need makes room for n bytes in the arena, which never moves: vec refers to it.
func (b *batch) need(n int) {
	if b.arena != nil && len(b.arena.b)+n <= cap(b.arena.b) {
		return
	}
	b.endRun()
	if b.arena != nil {
		b.owned = append(b.owned, b.arena)
	}
	b.arena, b.run = b.bufs.get(arenaSize), 0
}

// endRun moves what was copied last to vec.
func (b *batch) endRun() {
	if b.arena != nil && b.run < len(b.arena.b) {
		b.vec = append(b.vec, b.arena.b[b.run:])
		b.run = len(b.arena.b)
	}
}

// single returns what is to be written, if it is in one piece.
func (b *batch) single() []byte {
	if len(b.vec) > 0 || b.arena == nil {
		return nil
	}
	return b.arena.b[b.run:]
}

// chunk moves up to writeChunk bytes that are to be written to dst.
func (b *batch) chunk(dst net.Buffers) net.Buffers {
	for n := 0; b.next < len(b.vec) && n < writeChunk; {
		p := b.vec[b.next]
		if room := writeChunk - n; len(p) > room {
			dst = append(dst, p[:room])
			b.vec[b.next] = p[room:]
			return dst
		}
		dst = append(dst, p)
		n += len(p)
		b.next++
	}
	return dst
}

// reset makes b empty and gives back its memory.
func (b *batch) reset() {
	b.bufs.put(b.arena)
	for _, f := range b.owned {
		b.bufs.put(f)
	}
	clear(b.vec)
	clear(b.lent)
	clear(b.owned)
	*b = batch{bufs: b.bufs, vec: b.vec[:0], lent: b.lent[:0], owned: b.owned[:0]}
}
