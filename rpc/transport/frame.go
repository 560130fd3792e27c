package transport

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// These constants are part of the protocol and must not be changed.
const (
	// MaxFrame is the largest payload of a frame, in bytes.
	MaxFrame = 1 << 20

	headerSize = 24
	maxSmall   = 4096 // largest payload of hello, welcome and goaway

	flagMore = 1
)

// Kind is the kind of a frame.
type Kind uint8

// Kinds of frames. The package comment says what each carries.
const (
	KindHello Kind = 1 + iota
	KindWelcome
	KindRequest
	KindReply
	KindError
	KindItem
	KindEnd
	KindCredit
	KindCancel
	KindGoAway
	KindPing
	KindPong
)

func (k Kind) String() string {
	names := [...]string{"hello", "welcome", "request", "reply", "error", "item", "end", "credit", "cancel", "goaway", "ping", "pong"}
	if k < KindHello || k > KindPong {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return names[k-1]
}

// Frame is one frame.
type Frame struct {
	Kind    Kind
	More    bool   // the message continues in a later frame of the stream
	Method  uint16 // of a request
	Stream  uint64
	Payload []byte // at most MaxFrame bytes
}

// AppendFrame appends the encoding of f. It checks nothing.
func AppendFrame(dst []byte, f Frame) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	dst = append(dst, f.Payload...)
	h := header{size: len(f.Payload), kind: f.Kind, more: f.More, method: f.Method, stream: f.Stream}
	h.put(dst[start:])
	sealFrame(dst[start:])
	return dst
}

// sealFrame sets the checksum of b, which is one whole frame.
func sealFrame(b []byte) {
	binary.LittleEndian.PutUint32(b[4:], uint32(xxhash.Sum64(b[8:])))
}

// header is the header of a frame.
type header struct {
	size   int
	sum    uint32
	kind   Kind
	more   bool
	method uint16
	stream uint64
}

// put writes h, except the checksum, into the first bytes of b.
func (h *header) put(b []byte) {
	_ = b[headerSize-1]
	binary.LittleEndian.PutUint32(b, uint32(h.size))
	b[8], b[9] = byte(h.kind), 0
	if h.more {
		b[9] = flagMore
	}
	binary.LittleEndian.PutUint16(b[10:], h.method)
	binary.LittleEndian.PutUint32(b[12:], 0)
	binary.LittleEndian.PutUint64(b[16:], h.stream)
}

// parseHeader decodes a header. The checksum can be verified only once the
// payload has arrived; until then a header is merely plausible.
func parseHeader(b []byte) (header, error) {
	_ = b[headerSize-1]
	size, flags := binary.LittleEndian.Uint32(b), b[9]
	h := header{
		size:   int(min(size, MaxFrame+1)),
		sum:    binary.LittleEndian.Uint32(b[4:]),
		kind:   Kind(b[8]),
		more:   flags&flagMore != 0,
		method: binary.LittleEndian.Uint16(b[10:]),
		stream: binary.LittleEndian.Uint64(b[16:]),
	}
	switch {
	case size > MaxFrame:
		return h, protocolError("a frame of %d bytes", size)
	case h.kind < KindHello || h.kind > KindPong:
		return h, protocolError("a frame of kind %d", b[8])
	case flags&^flagMore != 0:
		return h, protocolError("a frame with flags %#x", flags)
	case binary.LittleEndian.Uint32(b[12:]) != 0:
		return h, protocolError("a frame whose reserved bytes are not zero")
	}
	return h, h.check()
}

// check verifies that the kind of the frame allows its other fields.
func (h *header) check() error {
	least, most, message, stream := 0, 0, false, true
	switch h.kind {
	case KindHello, KindWelcome:
		least, most, stream = helloSize, maxSmall, false
	case KindGoAway:
		most, stream = maxSmall, false
	case KindRequest, KindReply, KindItem:
		most, message = MaxFrame, true
	case KindError:
		least, most, stream = 4, MaxFrame, h.stream != 0 // 0: the connection itself
	case KindCredit:
		least, most = 4, 4
	}
	switch {
	case h.size < least || h.size > most:
		return protocolError("a frame of kind %v with %d bytes", h.kind, h.size)
	case h.more && (!message || h.size == 0):
		return protocolError("a frame of kind %v with %d bytes that says that more follows", h.kind, h.size)
	case h.method != 0 && h.kind != KindRequest:
		return protocolError("a frame of kind %v with a method", h.kind)
	case stream != (h.stream != 0):
		return protocolError("a frame of kind %v for stream %d", h.kind, h.stream)
	}
	return nil
}
