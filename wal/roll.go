package wal

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

// Roll starts a new file, unless the current one is still empty, and returns
// where the current file starts. The mark survives a crash only once a Sync
// that began after Roll has returned nil. Only the leader may call it.
func (l *Log) Roll() (Mark, error) {
	if err := l.failure(); err != nil {
		return Mark{}, err
	}
	if l.cur.sealed || l.cur.end.Load() > headerSize {
		if err := l.rollFor(0); err != nil {
			return Mark{}, err
		}
	}
	return Mark{Number: l.cur.number, Position: l.cur.first}, nil
}

// rollFor starts a new file that has room for a frame of size bytes. If it
// fails, the next Append or Roll tries again.
func (l *Log) rollFor(size int64) error {
	if err := l.roll(size, Tail{l.cur.number, l.cur.end.Load(), l.lastSum}); err != nil {
		return fmt.Errorf("wal: starting a new file: %w", err)
	}
	return nil
}

// roll is rollFor with an explicit tail.
func (l *Log) roll(size int64, prev Tail) error {
	want := l.cfg.FileSize
	if size > want-headerSize {
		want = roundUp(size+headerSize, headerSize)
	}
	if l.cur != nil {
		err := present([]*file{l.cur})
		if i, serr := l.dir.Stat("."); err == nil && serr == nil && i.Links == 0 && !mutate.SkipGone {
			err = fmt.Errorf("%w, with the directory", ErrRemoved)
		}
		if err != nil {
			l.stopped.CompareAndSwap(nil, &halt{fmt.Errorf("%w: %w", ErrFailed, err)})
			return l.failure()
		}
	}
	f, err := l.obtain(want, size)
	if err != nil {
		return err
	}
	if l.cur != nil {
		// After a crash even a half-written new header may be found and say
		// that the current file ends here. So it must end here.
		l.cur.sealed = true
	}
	if err := l.writeHeader(f, l.position.Load()+1, prev); err != nil {
		l.discard(f)
		return err
	}
	l.mu.Lock()
	l.live = append(l.live, f)
	l.started.Store(f.number)
	l.mu.Unlock()
	l.cur = f
	return nil
}

// obtain returns an open file of the given size with a number above all live
// ones: a spare or a new file. The new file may be short if a frame of need
// bytes fits in it.
func (l *Log) obtain(size, need int64) (*file, error) {
	for size == l.cfg.FileSize {
		f := l.takeSpare()
		if f == nil {
			break
		}
		if l.recycle(f) == nil {
			return f, nil
		}
		l.discard(f) // a new file may still do
	}
	number, err := l.newNumber()
	if err != nil {
		return nil, err
	}
	if !l.cfg.Mapped && size == l.cfg.FileSize && need <= l.cfg.ShortSize-headerSize {
		return l.createShort(number)
	}
	return l.create(number, size)
}

// takeSpare removes from the list the spare that is closest to being ready and
// returns it, or nil if there is none.
func (l *Log) takeSpare() *file {
	l.mu.Lock()
	defer l.mu.Unlock()
	rank := func(f *file) int {
		switch {
		case f.blank:
			return 2
		case f.f != nil:
			return 1
		}
		return 0
	}
	best := -1
	for i, f := range l.spares {
		if best < 0 || rank(f) > rank(l.spares[best]) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	f := l.spares[best]
	l.spares = slices.Delete(l.spares, best, best+1)
	return f
}

// recycle opens a spare if needed and gives it a number above all live ones.
func (l *Log) recycle(f *file) error {
	if f.f == nil {
		if err := l.open(f); err != nil {
			return err
		}
	}
	if f.blank && l.cur != nil && f.number > l.cur.number {
		return nil
	}
	return l.renumber(f)
}

// renumber gives a spare a number that was never used. Its header has another
// number, so it stays void.
func (l *Log) renumber(f *file) error {
	number, err := l.newNumber()
	if err != nil {
		return err
	}
	if err := l.cfg.FS.Rename(l.path(f.number), l.path(number)); err != nil {
		return err
	}
	f.number, f.newEntry, f.blank = number, true, true
	f.filled, f.ready = max(f.filled, f.end.Load()), 0
	return nil
}

// newNumber returns a file number that was never used.
func (l *Log) newNumber() (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == 0 {
		return 0, errors.New("file numbers have run out")
	}
	n := l.next
	l.next++
	return n, nil
}
