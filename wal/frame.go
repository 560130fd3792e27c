package wal

import (
	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/internal/xxh"
)

const (
	frameHead  = 56 // size of a frame header
	partEntry  = 16 // size of an entry of the parts table
	frameAlign = 8
)

// FrameSize returns the size of a frame in a file, in bytes: with metaLen bytes
// of meta and parts that are partBytes long in total.
func FrameSize(metaLen, parts int, partBytes int64) int64 {
	return roundUp(frameHead+partEntry*int64(parts)+int64(metaLen)+partBytes, frameAlign)
}

// size returns the size of f in a file, in bytes.
func (f *Frame) size() int64 {
	var n int64
	for i := range f.Parts {
		n += int64(len(f.Parts[i].Bytes))
	}
	return FrameSize(len(f.Meta), len(f.Parts), n)
}

// top returns the size of header, parts table and meta, which precede the
// parts.
func (f *Frame) top() int { return frameHead + partEntry*len(f.Parts) + len(f.Meta) }

// putTop encodes header, parts table and meta of a frame into b, which is
// f.top() long and will lie at offset off; size is that of the whole frame. The
// header is stored last. It returns the header's sum.
func (k key) putTop(b []byte, off, size int64, f *Frame, position, durable uint64) uint64 {
	rest := b[frameHead:]
	for i := range f.Parts {
		p := &f.Parts[i]
		le.PutUint64(rest, uint64(uint32(len(p.Bytes))))
		le.PutUint64(rest[8:], p.Sum)
		rest = rest[partEntry:]
	}
	copy(rest, f.Meta)

	lens := uint64(len(f.Meta)) | uint64(len(f.Parts))<<32
	meta := xxhash.Sum64(b[frameHead:])
	sum := xxh.Sum64(uint64(k.tag), lens, uint64(size), position, durable, meta, uint64(off), k.seed)
	_ = b[frameHead-1]
	le.PutUint64(b[48:], sum)
	le.PutUint64(b[40:], meta)
	le.PutUint64(b[32:], durable)
	le.PutUint64(b[24:], position)
	le.PutUint64(b[16:], uint64(size))
	le.PutUint64(b[8:], lens)
	le.PutUint64(b, uint64(k.tag))
	return sum
}

// put encodes a whole frame into b, which has its size. The header is stored
// last, so that a torn write does not look like a frame. It returns the header's sum.
func (k key) put(b []byte, off int64, f *Frame, position, durable uint64) uint64 {
	top := f.top()
	rest := b[top:]
	for i := range f.Parts {
		rest = rest[copy(rest, f.Parts[i].Bytes):]
	}
	clear(rest)
	return k.putTop(b[:top], off, int64(len(b)), f, position, durable)
}

// headSum returns the sum of the frame header at the start of b, which lies at
// offset off.
func (k key) headSum(b []byte, off int64) uint64 {
	_ = b[frameHead-1]
	return xxh.Sum64(le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint64(b[40:]),
		uint64(off), k.seed)
}

// head is the content of a frame header.
type head struct {
	flags    uint32
	metaLen  uint32
	parts    uint32
	size     int64 // not checked against anything but room
	position uint64
	durable  uint64
	metaSum  uint64
	sum      uint64 // of the header
}

// hasTag reports whether b, at least frameHead long, starts with the tag of k.
func (k key) hasTag(b []byte) bool { return le.Uint32(b) == k.tag }

// lostTag reports whether b, at offset off, would be a valid header with the
// tag of k.
func (k key) lostTag(b []byte, off, room int64) bool {
	var h [frameHead]byte
	copy(h[:], b)
	le.PutUint32(h[:], k.tag)
	_, ok := k.head(h[:], off, room)
	return ok && !mutate.SkipFrameSum
}

// head decodes the frame header at the start of b, which lies at offset off. ok
// is false if it is not a header of this file at this place, or if the frame it
// describes is impossible or larger than room.
func (k key) head(b []byte, off, room int64) (h head, ok bool) {
	if !k.hasTag(b) {
		return h, false
	}
	if !mutate.SkipFrameSum && k.headSum(b, off) != le.Uint64(b[48:]) {
		return h, false
	}
	h = head{
		flags:    le.Uint32(b[4:]),
		metaLen:  le.Uint32(b[8:]),
		parts:    le.Uint32(b[12:]),
		position: le.Uint64(b[24:]),
		durable:  le.Uint64(b[32:]),
		metaSum:  le.Uint64(b[40:]),
		sum:      le.Uint64(b[48:]),
	}
	size := le.Uint64(b[16:])
	// 2^32 parts of 16 bytes and 2^32 bytes of meta do not overflow.
	top := frameHead + partEntry*uint64(h.parts) + uint64(h.metaLen)
	if size%frameAlign != 0 || top > size || room < 0 || size > uint64(room) {
		return h, false
	}
	h.size = int64(size)
	return h, true
}

// body decodes the frame b, whose header is h. The parts are appended to parts;
// all results alias b. what is the first thing found wrong, "" if nothing is.
func (h *head) body(b []byte, parts []Part) (meta []byte, _ []Part, what string) {
	table := int(h.parts) * partEntry
	top := frameHead + table + int(h.metaLen)
	if !mutate.SkipFrameSum && xxhash.Sum64(b[frameHead:top]) != h.metaSum {
		return nil, parts, "sum of the frame's meta does not match"
	}
	meta = b[frameHead+table : top : top]
	rest := b[top:]
	for e := b[frameHead : frameHead+table]; len(e) > 0; e = e[partEntry:] {
		n := int64(le.Uint32(e))
		if n > int64(len(rest)) {
			return nil, parts, "parts are longer than the frame"
		}
		p := Part{Bytes: rest[:n:n], Sum: le.Uint64(e[8:])}
		if !mutate.SkipBodySum && xxhash.Sum64(p.Bytes) != p.Sum {
			return nil, parts, "sum of a part does not match"
		}
		parts = append(parts, p)
		rest = rest[n:]
	}
	if len(rest) >= frameAlign {
		return nil, parts, "parts are shorter than the frame"
	}
	return meta, parts, ""
}
