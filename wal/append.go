package wal

import (
	"fmt"

	"github.com/pipeproc/pipeproc/vfs"
)

// Append appends frames at consecutive positions: first, first+1 and so on.
// Only the leader may call it. It does not sync.
//
// n is the number of frames appended. If n < len(frames), err says why, and the
// others left no trace: the next Append may be tried and uses their positions.
// A frame above Config.MaxFrame makes the whole call fail with ErrTooLarge
// before anything is written. After a failed sync every Append fails with
// ErrFailed.
func (l *Log) Append(frames []Frame) (n int, first uint64, err error) { return l.append(frames, false) }

// AppendUnsynced is Append for frames that are acknowledged without a sync: like
// Acknowledge, it notes them in the mark.
func (l *Log) AppendUnsynced(frames []Frame) (n int, first uint64, err error) {
	return l.append(frames, l.mark != nil)
}

func (l *Log) append(frames []Frame, note bool) (n int, first uint64, err error) {
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
		stored := l.cur.isStored() && l.isShort(l.sizes[n:])
		if stored {
			done, err = l.store(frames[n:], note)
		} else {
			done, err = l.write(frames[n:], l.sizes[n:])
			if note && done > 0 {
				l.Acknowledge()
			}
		}
		n += done
		if err != nil {
			if stored && l.cur.faulted(err) {
				if note && done > 0 {
					l.Acknowledge()
				}
				continue
			}
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

// Frames of at least this size, in bytes, are written with WriteAt even if the
// file is mapped: a store that faults costs as much as writing several pages.
// Where pages come in large pieces, see Config.Fill, stores stay cheaper up to
// a larger size. Both reach the same page cache.
const (
	writeMin     = 1 << 10
	writeMinFill = 64 << 10
)

// populateStep is how many bytes of pages the leader populates at once: that
// takes a sixth of the time of as many faults, and delays it by some 50 µs.
const populateStep = 64 << 10

// fillStep is how many bytes of a new file are written with zeroes at once, see
// Config.Fill. File systems can make one piece of their cache of it, which is
// then also mapped as one.
const fillStep = 256 << 10

// bringIn populates pages for n bytes at off, where the frames end.
func (l *Log) bringIn(off, n int64) {
	f := l.cur
	step := int64(populateStep)
	if l.cfg.Fill && off+n > f.filled {
		// The pages after the one that off is in hold nothing valid.
		step = fillStep
		f.fill(roundUp(off, headerSize), min(off+max(n, step), f.size))
	}
	to := min(off+max(n, step), f.size)
	f.m.Populate(off, to-off)
	f.ready = to
}

// isShort reports whether frames of the given sizes should be stored to the
// mapping instead of written.
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
// part of the log. Sync relies on the order: a goroutine that sees the position
// also sees an end that covers it.
func (l *Log) publish(n int, end int64) {
	l.cur.end.Store(end)
	l.position.Add(uint64(n))
}

// wipe overwrites what a failed write may have left at the place of the next
// frame. So it cannot be taken for a frame even if the machine dies before the
// next file, which voids it, is durable. Best effort.
func (l *Log) wipe() {
	f := l.cur
	end := f.end.Load()
	if n := min(frameHead, f.size-end); n > 0 {
		var zero [frameHead]byte
		if !f.isStored() {
			_, _ = f.f.WriteAt(zero[:n], end)
		} else {
			_ = vfs.Guard(f.m, func() { clear(f.data[end : end+n]) })
		}
	}
}

// store appends as many frames as fit in the current file, which is mapped. With
// note it notes them in the mark.
func (l *Log) store(frames []Frame, note bool) (int, error) {
	l.batch, l.stored, l.noting = frames, 0, false
	var mark vfs.Mapping
	if l.note = note && l.mark.m != nil && l.mark.leader.err == nil; l.note {
		mark = l.mark.m
	}
	err := vfs.GuardBoth(l.cur.m, mark, l.guard)
	l.batch = nil
	if err != nil && l.noting { // the frames are stored
		l.mark.leader.err, err = err, nil
	}
	if note && !l.note {
		l.Acknowledge()
	}
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
			break
		}
		if off+size > f.ready {
			l.bringIn(off, size)
		}
		l.lastSum = f.key.put(f.data[off:off+size], off, fr, l.position.Load()+1, durable)
		l.publish(1, off+size)
		l.stored++
	}
	if l.note && l.stored > 0 {
		l.noting = true
		l.fillMark().store()
	}
}
