package transport

import "net"

const (
	// copyLimit is the largest payload of a frame, in bytes, that is copied
	// instead of lent to the write.
	copyLimit = 16 << 10
	// writeChunk is how many bytes are written at once. A chunk must make
	// progress within the write timeout, so it is also what a slow peer must
	// accept in that time.
	writeChunk = 264 << 10
	// arenaSize is the memory that copied frames share. It is a buffer class.
	arenaSize = 64 << 10
)

// batch holds frames that wait to be written, in order.
type batch struct {
	bufs  *buffers
	arena *buffer     // copied frames, and headers of lent ones; nil until needed
	run   int         // arena.b[run:] is not in vec yet
	vec   net.Buffers // precedes arena.b[run:]
	next  int         // vec[:next] is written
	lent  []*lentFrame
	owned []*buffer // returned to the pools when written
	bytes int
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

// lendFrame adds the frame that t holds. Its payload must not change until t is
// done.
func (b *batch) lendFrame(t *lentFrame) {
	b.need(headerSize)
	b.arena.b = append(b.arena.b, t.head[:]...)
	b.endRun()
	b.vec = append(b.vec, t.pieces...)
	b.lent = append(b.lent, t)
	b.bytes += t.bytes
}

// ownFrame adds a whole frame. Its buffer goes back to a pool when it is
// written.
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

// endRun moves the bytes copied last to vec.
func (b *batch) endRun() {
	if b.arena != nil && b.run < len(b.arena.b) {
		b.vec = append(b.vec, b.arena.b[b.run:])
		b.run = len(b.arena.b)
	}
}

// single returns the bytes to write if they are contiguous, else nil.
func (b *batch) single() []byte {
	if len(b.vec) > 0 || b.arena == nil {
		return nil
	}
	return b.arena.b[b.run:]
}

// chunk appends the next bytes to write, up to writeChunk of them, to dst.
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
