package wal

import (
	"fmt"

	"github.com/pipeproc/pipeproc/vfs"
)

// Append appends frames, giving them consecutive positions: first, first+1 and
// so on. It belongs to the leader, and does not sync.
//
// n is how many were appended. If n < len(frames), err says why, and the others
// left nothing: the next Append may be tried and gives its frames the positions
// that they did not use. A frame above Config.MaxFrame makes the whole call
// fail with ErrTooLarge before anything is written. After a failed sync every
// Append fails with ErrFailed.
func (l *Log) Append(frames []Frame) (n int, first uint64, err error) {
	first = l.position.Load() + 1
	if err := l.failure(); err != nil {
		return 0, first, err
	}
	if err := l.measure(frames); err != nil {
		return 0, first, err
	}
	for n < len(frames) {
		if size := l.sizes[n]; l.cur.sealed || size > l.cur.size-l.cur.end.Load() {
			if err := l.rollFor(size); err != nil {
				return n, first, err
			}
		}
		var done int
		if l.cur.m != nil && l.isShort(l.sizes[n:]) {
			done, err = l.store(frames[n:])
		} else {
			done, err = l.write(frames[n:], l.sizes[n:])
		}
		n += done
		if err != nil {
			l.cur.sealed = true
			l.wipe()
			return n, first, fmt.Errorf("wal: append: %w", err)
		}
	}
	return n, first, nil
}

// measure sets l.sizes to the sizes of frames. It returns an error that wraps
// ErrTooLarge if one is too large.
func (l *Log) measure(frames []Frame) error {
	l.sizes = l.sizes[:0]
	for i := range frames {
		size := frames[i].size()
		if size > l.cfg.MaxFrame {
			return fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, size, l.cfg.MaxFrame)
		}
		l.sizes = append(l.sizes, size)
	}
	return nil
}

// From how many bytes on frames are written with WriteAt to a file that is mapped: a
// store that faults costs as much as writing several pages. Where pages come in
// large pieces, see Config.Fill, stores are cheaper for longer. Both reach the same
// page cache.
const (
	writeMin     = 1 << 10
	writeMinFill = 64 << 10
)

// populateStep is for how much the leader has pages brought in at once: that costs
// a sixth of as many faults, and holds it up for some 50 µs.
const populateStep = 64 << 10

// fillStep is how much of a new file is written with zeroes at once, see
// Config.Fill: file systems that can make of it one piece of their cache, which is
// then also mapped as one.
const fillStep = 256 << 10

// bringIn makes pages ready for n bytes at off, where the frames end.
func (l *Log) bringIn(off, n int64) {
	f := l.cur
	step := int64(populateStep)
	if l.cfg.Fill && off+n > f.filled {
		// Nothing that counts lies in the pages behind the one that off is in.
		step = fillStep
		f.fill(roundUp(off, headerSize), min(off+max(n, step), f.size))
	}
	to := min(off+max(n, step), f.size)
	f.m.Populate(off, to-off)
	f.ready = to
}

// isShort reports whether frames of the given sizes are to be stored, not written.
func (l *Log) isShort(sizes []int64) bool {
	least := int64(writeMin)
	if l.cfg.Fill {
		least = writeMinFill
	}
	var n int64
	for _, size := range sizes {
		if n += size; n >= least {
			return false
		}
	}
	return true
}

// publish makes n more frames, which end at offset end of the current file,
// part of the log. The order matters to Sync: whoever sees the position finds
// the end to be at least there.
func (l *Log) publish(n int, end int64) {
	l.cur.end.Store(end)
	l.position.Add(uint64(n))
}

// wipe overwrites what a failed write may have left where the next frame would
// have been, so that it cannot be taken for one even if the machine dies before
// the next file, which voids it, is durable. Best effort.
func (l *Log) wipe() {
	f := l.cur
	end := f.end.Load()
	if n := min(frameHead, f.size-end); n > 0 {
		var zero [frameHead]byte
		if f.m == nil {
			_, _ = f.f.WriteAt(zero[:n], end)
		} else {
			_ = vfs.Guard(f.m, func() { clear(f.data[end : end+n]) })
		}
	}
}

// store appends as many frames as fit in the current file, which is mapped.
func (l *Log) store(frames []Frame) (int, error) {
	l.batch, l.stored = frames, 0
	err := vfs.Guard(l.cur.m, l.guard)
	l.batch = nil
	return l.stored, err
}

// storeBatch is the part of store that touches mapped memory.
func (l *Log) storeBatch() {
	f := l.cur
	durable := l.durable.Load()
	sizes := l.sizes[len(l.sizes)-len(l.batch):]
	for i := range l.batch {
		fr := &l.batch[i]
		off, size := f.end.Load(), sizes[i]
		if size > f.size-off {
			return
		}
		if off+size > f.ready {
			l.bringIn(off, size)
		}
		f.key.put(f.data[off:off+size], off, fr, l.position.Load()+1, durable)
		l.publish(1, off+size)
		l.stored++
	}
}
