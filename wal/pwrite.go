package wal

import "slices"

const (
	// directPart is the size from which a part is written from the caller's
	// memory instead of being copied first, in bytes.
	directPart = 256 << 10
	// gatherMax is how much is gathered before it is written, in bytes. Only a
	// single frame may need more.
	gatherMax = 1 << 20
)

// write appends as many frames as fit in the current file with WriteAt: one
// call, unless parts are large or there is more than gatherMax to write.
func (l *Log) write(frames []Frame) (done int, err error) {
	f := l.cur
	f.wrote.Store(true)
	position, durable := l.position.Load(), l.durable.Load()
	off := f.end.Load() // where the next frame will lie
	held := 0           // frames in l.buf, which ends there
	l.buf = l.buf[:0]
	for i := range frames {
		fr := &frames[i]
		size := fr.size()
		if size > f.size-off {
			break
		}
		direct := fr.hasDirect()
		if direct || int64(len(l.buf)) > gatherMax-size {
			if err := l.flush(held); err != nil {
				return done, err
			}
			done, held = done+held, 0
		}
		position++
		if direct {
			if err := l.writeDirect(fr, off, size, position, durable); err != nil {
				return done, err
			}
			l.publish(1, off+size)
			done++
		} else {
			n := len(l.buf)
			l.buf = slices.Grow(l.buf, int(size))[:n+int(size)]
			f.key.put(l.buf[n:], off, fr, position, durable)
			held++
		}
		off += size
	}
	if err := l.flush(held); err != nil {
		return done, err
	}
	return done + held, nil
}

// flush writes and publishes the n frames in l.buf.
func (l *Log) flush(n int) error {
	if n == 0 {
		return nil
	}
	b, end := l.buf, l.cur.end.Load()
	l.buf = b[:0]
	if cap(b) > 4*gatherMax {
		l.buf = nil
	}
	if _, err := l.cur.f.WriteAt(b, end); err != nil {
		return err
	}
	l.publish(n, end+int64(len(b)))
	return nil
}

// hasDirect reports whether f has a part that is not to be copied.
func (f *Frame) hasDirect() bool {
	for i := range f.Parts {
		if len(f.Parts[i].Bytes) >= directPart {
			return true
		}
	}
	return false
}

// writeDirect writes a frame with large parts at off, gathering the small ones
// in l.buf, which must be empty. The header comes last, in a call of its own, so
// that what is left of a failed write is no frame.
func (l *Log) writeDirect(fr *Frame, off, size int64, position, durable uint64) error {
	f, buf := l.cur, l.buf
	at := off + int64(fr.top()) // where buf will lie
	for i := range fr.Parts {
		p := fr.Parts[i].Bytes
		if len(p) < directPart {
			buf = append(buf, p...)
			continue
		}
		if len(buf) > 0 {
			if _, err := f.f.WriteAt(buf, at); err != nil {
				return err
			}
			at += int64(len(buf))
			buf = buf[:0]
		}
		if _, err := f.f.WriteAt(p, at); err != nil {
			return err
		}
		at += int64(len(p))
	}
	const padding = "\x00\x00\x00\x00\x00\x00\x00"
	buf = append(buf, padding[:off+size-at-int64(len(buf))]...)
	if len(buf) > 0 {
		if _, err := f.f.WriteAt(buf, at); err != nil {
			return err
		}
	}
	top := slices.Grow(buf[:0], fr.top())[:fr.top()]
	f.key.putTop(top, off, size, fr, position, durable)
	l.buf = top[:0]
	_, err := f.f.WriteAt(top, off)
	return err
}
