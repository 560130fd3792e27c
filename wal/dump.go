package wal

import (
	"errors"
	"fmt"
	"io"
)

// Dump describes a file of a log as text: its header, every frame, and where
// its frames end. It reads size bytes of r, and uses as much memory as the
// largest frame takes. Damage is described and is no error; the error is that
// of w or r, or wraps ErrVersion.
//
// Dump sees only one file: frames that it shows may be void because the next
// file says that this one ends earlier.
func Dump(w io.Writer, r io.ReaderAt, size int64) error {
	d := &dumper{w: w}
	if size < headerSize {
		d.printf("no header: %d bytes\n", size)
		return d.err
	}
	b := make([]byte, headerSize)
	if n, err := r.ReadAt(b, 0); n < headerSize {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("wal: reading: %w", err)
	}
	h, what, err := parseHeader(b)
	if err != nil {
		return err
	}
	if what != "" {
		d.printf("void: %s\n", what)
		return d.err
	}
	d.printf("file %d (%s), store %x, epoch %d\n", h.number, fileName(h.number), h.store, h.epoch)
	d.printf("size %d, first position %d\n", h.size, h.first)
	if h.prev.Number == 0 {
		d.printf("follows nothing\n")
	} else {
		d.printf("follows file %d, which ends at %d\n", h.prev.Number, h.prev.End)
	}
	d.win.reset(r, size)
	if err := d.frames(h.key(), min(size, h.size)); err != nil {
		return err
	}
	return d.err
}

// dumper is one run of Dump; err is the first error of w.
type dumper struct {
	w   io.Writer
	win window
	err error
}

func (d *dumper) printf(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, format, args...)
	}
}

// frames describes the frames up to the first one without a valid header.
func (d *dumper) frames(k key, size int64) error {
	off, good, bad := int64(headerSize), 0, 0
	state := "nothing"
	var parts []Part
	for off <= size-frameHead && d.err == nil {
		b, err := d.win.at(off, frameHead)
		if err != nil {
			return err
		}
		h, ok := k.head(b, off, min(size-off, maxFrame))
		if !ok {
			if k.hasTag(b) {
				state = "a frame whose header is not valid"
			}
			break
		}
		if b, err = d.win.at(off, h.size); err != nil {
			return err
		}
		var what string
		_, parts, what = h.body(b[:h.size], parts[:0])
		sums := "ok"
		if what != "" {
			sums = "BAD: " + what
			bad++
		} else {
			good++
		}
		d.printf("%10d  position %d, durable %d, %d bytes, meta %d, parts %d, sums %s\n",
			off, h.position, h.durable, h.size, h.metaLen, h.parts, sums)
		off += h.size
	}
	rest, err := d.win.search([]key{k}, off, size)
	if err != nil {
		return err
	}
	d.printf("%10d  end: %d frames, %d damaged; then %s, and %d frame headers further on\n", off, good, bad, state, rest.frames)
	return nil
}
