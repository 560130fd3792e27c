package fuzz

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/segment"
)

var le = binary.LittleEndian

// sumUp sets the checksum of b[:at] at offset at.
func sumUp(b []byte, at int) {
	if len(b) >= at+8 {
		le.PutUint64(b[at:], xxhash.Sum64(b[:at]))
	}
}

// mendFooter sets the checksum of a footer that is all of b or its end.
func mendFooter(b []byte, p segment.Place) {
	if len(b) < segment.TrailerSize {
		return
	}
	n := uint64(le.Uint32(b[len(b)-segment.TrailerSize+8:]))*segment.EntrySize + segment.TrailerSize
	if n > uint64(len(b)) {
		return
	}
	foot := b[uint64(len(b))-n:]
	sum := append(append([]byte(nil), foot[:n-8]...), make([]byte, 8)...)
	le.PutUint64(sum[n-8:], uint64(p))
	le.PutUint64(foot[n-8:], xxhash.Sum64(sum))
}

// mendSegment sets all checksums of a segment file.
func mendSegment(b []byte, p segment.Place) {
	sumUp(b, segment.FileHeaderSize-8)
	off := segment.FileHeaderSize
	for off+segment.HeaderSize <= len(b) {
		h := segment.PeekHeader(b[off:])
		if h.Stored == 0 || uint64(h.Stored) > uint64(len(b)-off-segment.HeaderSize) {
			break
		}
		h.Sum = segment.Sum(b[off+segment.HeaderSize : off+int(h.Size())])
		reserved := b[off+23]
		h.Put(b[off:], p, int64(off))
		_ = reserved
		off += int(h.Size())
	}
	mendFooter(b, p)
}

// mendWAL sets all checksums of a log file, whose header says which file it is.
func mendWAL(b []byte) {
	const head, frame = 4096, 56
	if len(b) < head {
		return
	}
	sumUp(b, head-8)
	seedOf := append(append([]byte("wal"), b[16:32]...), b[32:48]...)
	seed := xxhash.Sum64(seedOf)
	for off := head; off+frame <= len(b); {
		h := b[off:]
		size, metaLen, parts := le.Uint64(h[16:]), uint64(le.Uint32(h[8:])), uint64(le.Uint32(h[12:]))
		if size < frame || size > uint64(len(h)) || size%8 != 0 {
			return
		}
		if at := frame + 16*parts; at+metaLen <= size {
			data := at + metaLen
			for i := range parts {
				e := h[frame+16*i:]
				n := uint64(le.Uint32(e))
				if data+n > size {
					break
				}
				le.PutUint64(e[8:], xxhash.Sum64(h[data:data+n]))
				data += n
			}
			le.PutUint64(h[40:], xxhash.Sum64(h[frame:at+metaLen]))
		}
		tag := uint32(seed)
		if tag == 0 {
			tag = 1
		}
		le.PutUint32(h, tag)
		sum := append([]byte(nil), h[:48]...)
		sum = le.AppendUint64(sum, uint64(off))
		sum = le.AppendUint64(sum, seed)
		le.PutUint64(h[48:], xxhash.Sum64(sum))
		off += int(size)
	}
}

// mendStore sets the checksums of both pages of a STORE file.
func mendStore(b []byte) {
	sumUp(b, 4088)
	if len(b) >= 8192 {
		sumUp(b[4096:], 4088)
	}
}

// mendSnapshot sets the checksums of a snapshot file and makes STORE name it.
func mendSnapshot(b, store []byte) {
	if len(b) < 128 || len(store) < 8192 {
		return
	}
	number := le.Uint64(b[32:])
	off := uint64(128)
	sections := uint64(0)
	for off+32 <= uint64(len(b)) && le.Uint32(b[off:]) != 0 {
		n := le.Uint64(b[off+8:])
		if n > uint64(len(b))-off-32 {
			break
		}
		le.PutUint64(b[off+16:], xxhash.Sum64(b[off+32:off+32+n]))
		head := append([]byte(nil), b[off:off+24]...)
		head = le.AppendUint64(head, number)
		head = le.AppendUint64(head, off)
		le.PutUint64(b[off+24:], xxhash.Sum64(head))
		off += 32 + n
		sections++
	}
	le.PutUint64(b[64:], sections)
	le.PutUint64(b[72:], off)
	sumUp(b, 120)
	for _, page := range [][]byte{store, store[4096:]} {
		le.PutUint64(page[88:], off)
		copy(page[96:104], b[120:128])
	}
	mendStore(store)
}
