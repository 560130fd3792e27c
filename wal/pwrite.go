package wal

import (
	"slices"

	"github.com/pipeproc/pipeproc/vfs"
)

const (
	// lentPart is the size, in bytes, from which a part is written from the
	// caller's memory instead of being copied first. Below it, a copy costs
	// less than another element of a vectored write.
	lentPart = 2 << 10
	// writeMax is how many bytes of frames are written at once. Only a single
	// frame may be larger.
	writeMax = 1 << 20
)

// gathered holds frames that will be written at once: copied bytes in buf, and
// parts in the callers' memory, each with its place in buf.
type gathered struct {
	frames int
	size   int64
	sum    uint64 // of the header of the last one
	buf    []byte
	lent   []lentBytes
	vec    [][]byte // scratch space of write
}

type lentBytes struct {
	b  []byte
	at int // bytes of buf that precede it
}

// add adds a frame, which takes size bytes and will lie at offset off.
func (g *gathered) add(k key, fr *Frame, off, size int64, position, durable uint64) {
	n, top := len(g.buf), fr.top()
	g.buf = slices.Grow(g.buf, top)[:n+top]
	g.sum = k.putTop(g.buf[n:], off, size, fr, position, durable)
	end := int64(top)
	for i := range fr.Parts {
		p := fr.Parts[i].Bytes
		if end += int64(len(p)); len(p) < lentPart {
			g.buf = append(g.buf, p...)
		} else {
			g.lent = append(g.lent, lentBytes{p, len(g.buf)})
		}
	}
	const padding = "\x00\x00\x00\x00\x00\x00\x00"
	g.buf = append(g.buf, padding[:size-end]...)
	g.frames++
	g.size += size
}

// write writes the frames to f at offset off.
func (g *gathered) write(f vfs.File, off int64) error {
	if len(g.lent) == 0 {
		_, err := f.WriteAt(g.buf, off)
		return err
	}
	from := 0
	for _, l := range g.lent {
		if l.at > from {
			g.vec = append(g.vec, g.buf[from:l.at])
			from = l.at
		}
		g.vec = append(g.vec, l.b)
	}
	if from < len(g.buf) {
		g.vec = append(g.vec, g.buf[from:])
	}
	_, err := f.WriteVecAt(g.vec, off)
	return err
}

// reset drops the frames. It keeps its own memory unless that is large.
func (g *gathered) reset() {
	clear(g.lent)
	clear(g.vec)
	if cap(g.buf) > 4*writeMax {
		g.buf = nil
	}
	*g = gathered{buf: g.buf[:0], lent: g.lent[:0], vec: g.vec[:0]}
}

// write appends as many frames as fit in the current file, with one system call
// unless there is more than writeMax to write.
func (l *Log) write(frames []Frame, sizes []int64) (done int, err error) {
	f, g := l.cur, &l.out
	defer g.reset() // also after an error
	f.wrote.Store(true)
	position, durable := l.position.Load(), l.durable.Load()
	off := f.end.Load() // offset of the next frame
	for i, size := range sizes {
		if size > f.size-off {
			break
		}
		if g.frames > 0 && g.size > writeMax-size {
			if err := l.flush(); err != nil {
				return done, err
			}
			done = i
		}
		position++
		g.add(f.key, &frames[i], off, size, position, durable)
		off += size
	}
	n := g.frames
	if err := l.flush(); err != nil {
		return done, err
	}
	return done + n, nil
}

// flush writes and publishes what is gathered.
func (l *Log) flush() error {
	g := &l.out
	if g.frames == 0 {
		return nil
	}
	end := l.cur.end.Load()
	if err := g.write(l.cur.f, end); err != nil {
		return err
	}
	l.lastSum = g.sum
	l.publish(g.frames, end+g.size)
	g.reset()
	return nil
}
