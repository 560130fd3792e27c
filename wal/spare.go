package wal

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

// Drop declares the frames in files numbered below before no longer needed. Up
// to Config.Spares of the files are kept for reuse, the others are removed. The
// current file is never dropped. An error means that files could not be
// removed; they are dropped all the same.
//
// A reused file loses its frames at once. So Drop must be called only once it
// is durable elsewhere that they are not needed.
func (l *Log) Drop(before uint64) error {
	// A sync in progress may be using the files.
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if err := l.failure(); err != nil {
		return err
	}
	var surplus []*file
	l.mu.Lock()
	n := 0
	for n < len(l.live)-1 && l.live[n].number < before {
		f := l.live[n]
		n++
		if f.size == l.cfg.FileSize && len(l.spares) < l.cfg.Spares {
			l.spares = append(l.spares, f)
		} else {
			surplus = append(surplus, f)
		}
	}
	l.live = slices.Delete(l.live, 0, n)
	l.mu.Unlock()

	var errs []error
	for _, f := range surplus {
		errs = append(errs, f.close(), l.cfg.FS.Remove(l.path(f.number)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("wal: drop: %w", err)
	}
	return nil
}

// Prepare makes a spare file or two ready, open and renumbered, so that the
// next roll is cheap. It may take long, and may run while frames are appended
// and synced. It populates the pages of the files of a mapped log, and writes
// the blocks of others: see zero. An error does no harm, unless a sync failed:
// then the log is halted as after a failed Sync, since the directory is the one
// that Sync relies on, and the disk may be the one that holds the frames.
func (l *Log) Prepare() error {
	l.prepMu.Lock()
	defer l.prepMu.Unlock()
	for {
		if err := l.failure(); err != nil {
			return err
		}
		f, enough := l.unready()
		if enough {
			return nil
		}
		if err := l.prepareOne(f); err != nil {
			return fmt.Errorf("wal: preparing a spare file: %w", err)
		}
	}
}

// prepareOne makes f ready, or a new file if f is nil, and adds it to the spares.
func (l *Log) prepareOne(f *file) (err error) {
	if f == nil {
		f, err = l.makeSpare()
	} else {
		err = l.prepare(f)
	}
	if err != nil {
		if f != nil {
			l.discard(f)
		}
		return err
	}
	l.mu.Lock() // Close waits for prepMu: the log is still open
	large := l.live[len(l.live)-1].wrote.Load()
	l.mu.Unlock()
	if l.cfg.Fill && f.m != nil {
		f.fill(headerSize, f.size)
	}
	if f.m != nil && !large { // large frames bypass the mapping
		f.m.Populate(0, f.size)
		f.ready = f.size
	}
	l.mu.Lock()
	l.spares = append(l.spares, f)
	l.mu.Unlock()
	return nil
}

// readySpares is how many spares are kept ready: one, and one more for a log
// that is not synced, which may be full before the next spare is ready.
func (l *Log) readySpares() int {
	if l.cfg.Fill {
		return 2
	}
	return 1
}

// unready removes from the list and returns a spare that is not ready, or nil
// if there is none. If enough are ready, it removes none and returns enough.
func (l *Log) unready() (f *file, enough bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ready, best := 0, -1
	for i, s := range l.spares {
		switch {
		case s.blank && s.number > l.started.Load():
			ready++
		case best < 0 || s.f != nil && l.spares[best].f == nil:
			best = i
		}
	}
	if ready >= l.readySpares() || len(l.spares) >= l.cfg.Spares && best < 0 {
		return nil, true
	}
	if best >= 0 {
		f = l.spares[best]
		l.spares = slices.Delete(l.spares, best, best+1)
	}
	return f, false
}

// prepare makes a spare ready: open and renumbered.
func (l *Log) prepare(f *file) error {
	if f.f == nil {
		if err := l.open(f); err != nil {
			return err
		}
		if err := f.f.Sync(); err != nil {
			return l.spareFailed(err)
		}
		f.fresh = false
	}
	return l.renumber(f)
}

// makeSpare makes a new file that is void.
func (l *Log) makeSpare() (*file, error) {
	number, err := l.newNumber()
	if err != nil {
		return nil, err
	}
	f, err := l.create(number, l.cfg.FileSize)
	if err != nil {
		return nil, err
	}
	f.blank = true
	if f.m == nil {
		if err := l.zeroSynced(f); err != nil {
			return f, err
		}
	}
	// This is cheap now: the file is still empty.
	if err := f.f.Sync(); err != nil {
		return f, l.spareFailed(err)
	}
	f.fresh = false
	if err := l.syncSpareName(); err != nil {
		return f, err
	}
	f.newEntry = false
	return f, nil
}

// syncSpareName makes the name of a new spare durable. A failed sync of the
// directory is told once, to whoever asks first, through the descriptor that
// Sync uses as well. So no Sync may run between the failure and its record.
func (l *Log) syncSpareName() error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if err := l.syncDir(); err != nil {
		return l.spareFailed(err)
	}
	return nil
}

// spareFailed is halt for a sync of a file that holds no frames yet.
func (l *Log) spareFailed(err error) error {
	if mutate.ForgetSpareSync {
		return err
	}
	return l.halt(err)
}
