package wal

import (
	"errors"
	"fmt"
	"io"
)

// windowChunk is the minimum that a window reads at a time, in bytes.
const windowChunk = 1 << 20

// window reads a file front to back through one buffer. The buffer grows to the
// largest piece requested and is reused for the next file.
type window struct {
	r    io.ReaderAt
	size int64 // of the file
	off  int64 // offset of data in the file
	data []byte
	buf  []byte
}

// reset makes w read r, which is size bytes long.
func (w *window) reset(r io.ReaderAt, size int64) {
	w.r, w.size, w.off, w.data = r, size, 0, nil
}

// at returns the buffered bytes from offset off on, at least n of them; off+n
// must lie within the file. They are valid until the next call.
func (w *window) at(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || n > w.size-off {
		return nil, fmt.Errorf("wal: reading %d bytes at %d of %d", n, off, w.size)
	}
	if off >= w.off && n <= int64(len(w.data))-(off-w.off) {
		return w.data[off-w.off:], nil
	}
	want := min(max(n, windowChunk), w.size-off)
	if int64(cap(w.buf)) < want {
		w.buf = make([]byte, want)
	}
	w.off, w.data = off, nil
	got, err := w.r.ReadAt(w.buf[:want], off)
	if int64(got) < want {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the file shrank meanwhile
		}
		return nil, fmt.Errorf("wal: reading: %w", err)
	}
	w.data = w.buf[:want]
	return w.data, nil
}

// found is the result of a search for frames.
type found struct {
	frames  int
	durable uint64 // the highest in any of their headers
	end     int64  // where the last of them ends
}

// search looks for headers of frames with any of the given keys at every
// possible offset in [from,to), whether or not the frames are whole.
func (w *window) search(keys []key, from, to int64) (found, error) {
	res := found{}
	to = min(to, w.size)
	off := roundUp(from, frameAlign)
	for off <= to-frameHead {
		b, err := w.at(off, frameHead)
		if err != nil {
			return res, err
		}
		b = b[:min(int64(len(b)), to-off)]
		for ; len(b) >= frameHead; b, off = b[frameAlign:], off+frameAlign {
			if le.Uint32(b) == 0 {
				continue // no tag is 0
			}
			for _, k := range keys {
				if h, ok := k.head(b, off, to-off); ok {
					res.frames++
					res.durable = max(res.durable, h.durable)
					res.end = max(res.end, off+h.size)
				}
			}
		}
	}
	return res, nil
}
