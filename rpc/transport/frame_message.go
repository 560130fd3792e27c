package transport

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// message is a message to send, or what remains of one.
type message struct {
	kind    Kind
	method  uint16
	stream  uint64
	timeout uint32 // of a request, in milliseconds: its first bytes
	size    int    // of what remains
	begun   bool   // the timeout is in a frame
	sent    bool   // a frame was handed to the writer
	parts   [][]byte
	queued  func() // called once, when the first frame is in the writer's queue; may be nil
	// The next byte is parts[next][off]. These are positions because storing a
	// slice of parts here would move every caller's parts to the heap.
	next, off int
}

// isQueued notes that a frame is in the queue.
func (m *message) isQueued() {
	if m.queued != nil {
		m.queued()
		m.queued = nil
	}
}

// control returns the message for a frame with payload b.
func control(kind Kind, stream uint64, b []byte) *message {
	return &message{kind: kind, stream: stream, size: len(b), parts: [][]byte{b}}
}

// length returns the total length of parts.
func length(parts [][]byte) int {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	return n
}

// head returns the header of a frame that carries the next n bytes.
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

// lentFrame is a frame whose payload is lent to the writer, which signals done
// when it is written.
type lentFrame struct {
	head   [headerSize]byte
	pieces [][]byte
	bytes  int
	done   chan struct{} // of capacity 1
	err    error         // set before done is signaled
}

// fill makes t a frame with the next n bytes of m, which must not be a request.
func (t *lentFrame) fill(m *message, n int) {
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
