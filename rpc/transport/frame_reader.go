package transport

import (
	"encoding/binary"
	"io"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
)

const readBuffer = 64 << 10

// FrameReader reads frames. It allocates one buffer of 64 KiB; beyond that, it
// allocates nothing before the bytes that need it have arrived. It is not safe
// for concurrent use.
type FrameReader struct {
	src    io.Reader
	buf    []byte
	lo, hi int // buf[lo:hi] was read and not consumed

	h       header
	inside  bool // a header was consumed, its payload was not
	scratch []byte

	heard *atomic.Bool // set when bytes have come; may be nil

	// watch runs while bytes of a frame, or frames of a message, are awaited.
	watch      *watchdog
	expectMore bool // further frames of a message must come
}

// NewFrameReader returns a reader of src's frames.
func NewFrameReader(src io.Reader) *FrameReader {
	return &FrameReader{src: src, buf: make([]byte, readBuffer)}
}

// Next returns the next frame. Its payload is valid until the next call. The
// error is io.EOF if src ended between frames, io.ErrUnexpectedEOF if it ended
// within one, and matches ErrProtocol if the bytes are not a frame or the
// checksum is wrong. Errors are final.
func (r *FrameReader) Next() (Frame, error) {
	h, err := r.head()
	if err != nil {
		return Frame{}, err
	}
	f := Frame{Kind: h.kind, More: h.more, Method: h.method, Stream: h.stream}
	f.Payload, err = r.payload(r.scratch[:0])
	r.scratch = f.Payload
	return f, err
}

// head returns the next header. payload or smallPayload must follow.
func (r *FrameReader) head() (*header, error) {
	if err := r.fill(headerSize); err != nil {
		return nil, err
	}
	h, err := parseHeader(r.buf[r.lo:])
	if err != nil {
		return nil, err
	}
	r.h, r.inside = h, true
	return &r.h, nil
}

// smallPayload returns the payload as a slice of the buffer, valid until the
// next call of the reader. It is for kinds of frames that must be small.
func (r *FrameReader) smallPayload() ([]byte, error) {
	n := headerSize + r.h.size
	if n > len(r.buf) {
		return nil, protocolError("a frame of kind %v with %d bytes", r.h.kind, r.h.size)
	}
	if err := r.fill(n); err != nil {
		return nil, err
	}
	frame := r.buf[r.lo : r.lo+n]
	if uint32(xxhash.Sum64(frame[8:])) != r.h.sum {
		return nil, r.badSum()
	}
	r.lo += n
	r.inside = false
	return frame[headerSize:], nil
}

// whole reports whether the next frame is in the buffer.
func (r *FrameReader) whole() bool {
	n := r.hi - r.lo
	return n >= headerSize && uint64(n) >= headerSize+uint64(binary.LittleEndian.Uint32(r.buf[r.lo:]))
}

// skip passes over the payload.
func (r *FrameReader) skip() error {
	if headerSize+r.h.size <= len(r.buf) {
		_, err := r.smallPayload()
		return err
	}
	var sum xxhash.Digest
	sum.Reset()
	_, _ = sum.Write(r.buf[r.lo+8 : r.lo+headerSize])
	r.lo += headerSize
	for left := r.h.size; left > 0; {
		if r.lo == r.hi {
			r.lo, r.hi = 0, 0
			n, err := r.read(r.buf)
			r.hi = n
			if n == 0 && err != nil {
				return err
			}
		}
		n := min(left, r.hi-r.lo)
		_, _ = sum.Write(r.buf[r.lo : r.lo+n])
		r.lo += n
		left -= n
	}
	if uint32(sum.Sum64()) != r.h.sum {
		return r.badSum()
	}
	r.inside = false
	return nil
}

// payload appends the payload to dst.
func (r *FrameReader) payload(dst []byte) ([]byte, error) {
	if headerSize+r.h.size <= len(r.buf) {
		b, err := r.smallPayload()
		if err != nil {
			return dst, err
		}
		return append(dst, b...), nil
	}
	var sum xxhash.Digest
	sum.Reset()
	_, _ = sum.Write(r.buf[r.lo+8 : r.lo+headerSize])
	r.lo += headerSize
	left := r.h.size
	if n := min(left, r.hi-r.lo); n > 0 {
		_, _ = sum.Write(r.buf[r.lo : r.lo+n])
		dst = append(grow(dst, n), r.buf[r.lo:r.lo+n]...)
		r.lo += n
		left -= n
	}
	for left > 0 {
		if len(dst) == cap(dst) {
			dst = grow(dst, 1)
		}
		n, err := r.read(dst[len(dst):min(cap(dst), len(dst)+left)])
		_, _ = sum.Write(dst[len(dst) : len(dst)+n])
		dst = dst[:len(dst)+n]
		if left -= n; err != nil && left > 0 {
			return dst, err
		}
	}
	if uint32(sum.Sum64()) != r.h.sum {
		return dst, r.badSum()
	}
	r.inside = false
	return dst, nil
}

// grow makes room for n bytes that have arrived. Capacities are powers of two,
// as the pools expect, and at most twice what is needed or 4 KiB.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	size := 1 << bits.Len(uint(len(b)+n-1))
	return append(make([]byte, 0, max(size, 4<<10)), b...)
}

func (r *FrameReader) badSum() error {
	return protocolError("a frame of kind %v with %d bytes whose checksum is wrong", r.h.kind, r.h.size)
}

// fill reads until the buffer holds n bytes.
func (r *FrameReader) fill(n int) error {
	if r.hi-r.lo >= n {
		return nil
	}
	if r.lo+n > len(r.buf) || r.lo == r.hi {
		r.hi = copy(r.buf, r.buf[r.lo:r.hi])
		r.lo = 0
	}
	for r.hi-r.lo < n {
		k, err := r.read(r.buf[r.hi:])
		r.hi += k
		if err != nil && r.hi-r.lo < n {
			return err
		}
	}
	return nil
}

// read reads at least one byte. It returns io.ErrUnexpectedEOF if the source
// ends within a frame.
func (r *FrameReader) read(p []byte) (int, error) {
	amid := r.inside || r.hi > r.lo
	if amid || r.expectMore {
		r.watch.start()
		defer r.watch.stop()
	}
	for range 100 {
		n, err := r.src.Read(p)
		if err == io.EOF && amid && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if n > 0 && r.heard != nil {
			r.heard.Store(true)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// watchdog calls a function when the watched operation takes longer than limit.
// It belongs to one goroutine; a nil one does nothing.
type watchdog struct {
	limit time.Duration
	timer *time.Timer
}

func newWatchdog(limit time.Duration, expired func()) *watchdog {
	w := &watchdog{limit: limit, timer: time.AfterFunc(limit, expired)}
	w.timer.Stop()
	return w
}

func (w *watchdog) start() {
	if w != nil {
		w.timer.Reset(w.limit)
	}
}

func (w *watchdog) stop() {
	if w != nil {
		w.timer.Stop()
	}
}

// possibleHello reports whether b can be the beginning of a hello's frame, so
// that a peer that speaks another protocol is detected by its first bytes.
func possibleHello(b []byte) bool {
	var want header
	want.kind = KindHello
	var p [headerSize + len(helloMagic)]byte
	want.put(p[:])
	copy(p[headerSize:], helloMagic)
	if len(b) >= 4 {
		if n := binary.LittleEndian.Uint32(b); n < helloSize || n > maxSmall {
			return false
		}
	}
	if len(b) <= 8 {
		return true
	}
	n := min(len(b), len(p))
	return string(b[8:n]) == string(p[8:n])
}
