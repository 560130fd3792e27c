package wal

import (
	"fmt"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// Sync makes durable everything that was appended before the call, and the file
// that the last Roll began. Overlapping callers share the work.
//
// If it fails, the content of the disk is unknown: this and every later Sync
// and Append return an error that wraps ErrFailed and the cause, nothing is
// retried, and Durable stays where it is.
func (l *Log) Sync() error {
	target, started := l.position.Load(), l.started.Load()
	if done, err := l.covered(target, started); done {
		return err
	}
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if done, err := l.covered(target, started); done {
		return err // another call did it while this one waited
	}
	// The position is read before the ends of the files, so that the ends cover
	// it.
	l.mu.Lock()
	target, started = l.position.Load(), l.started.Load()
	l.collectDirty(0)
	l.mu.Unlock()
	err := l.syncFiles(l.dirty, (*file).sync)
	if err == nil {
		err = present(l.dirty)
	}
	if err != nil {
		return l.halt(err)
	}
	l.settled.Store(started)
	l.durable.Store(target)
	l.noteDurable(target)
	return nil
}

// halt stops the log after a failed sync, of whatever file and on whichever
// goroutine, and returns what every later call returns.
func (l *Log) halt(err error) error {
	l.stopped.CompareAndSwap(nil, &halt{fmt.Errorf("%w: %w", ErrFailed, err)})
	return l.failure()
}

// SyncFrom makes file number and later ones durable, with their headers, and
// leaves older files alone: for a checkpoint that is about to make those
// superfluous. It may or may not make frames durable, and Durable does not
// advance. A failure has the effect of a failed Sync.
func (l *Log) SyncFrom(number uint64) error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if err := l.failure(); err != nil {
		return err
	}
	l.mu.Lock()
	l.collectDirty(number)
	l.mu.Unlock()
	if err := l.syncFiles(l.dirty, (*file).syncStart); err != nil {
		return l.halt(err)
	}
	return nil
}

// collectDirty lists in l.dirty the files to sync, oldest first. Both locks are
// held.
func (l *Log) collectDirty(from uint64) {
	l.dirty = l.dirty[:0]
	for _, f := range l.live {
		if f.number >= from && f.isDirty() {
			l.dirty = append(l.dirty, f)
		}
	}
}

// covered reports whether a Sync up to the given position and file has nothing
// left to do.
func (l *Log) covered(position, number uint64) (bool, error) {
	if err := l.failure(); err != nil {
		return true, err
	}
	return l.durable.Load() >= position && l.settled.Load() >= number, nil
}

// isDirty reports whether f has bytes or a name that are not known to be
// durable. syncMu is held.
func (f *file) isDirty() bool { return f.newEntry || f.synced < f.end.Load() }

// syncFiles calls sync for each file and then makes their names durable.
func (l *Log) syncFiles(files []*file, sync func(*file) error) error {
	entries := false
	for _, f := range files {
		if err := sync(f); err != nil {
			return err
		}
		entries = entries || f.newEntry
	}
	if !entries {
		return nil
	}
	if err := l.syncDir(); err != nil {
		return err
	}
	for _, f := range files {
		f.newEntry = false
	}
	return nil
}

// present checks that files which are open still have a name: a sync succeeds all the
// same, and what it made durable is lost with the last descriptor. A file that has one,
// wherever, can be found. An error of asking is none of the files.
func present(files []*file) error {
	for _, f := range files {
		if f.f == nil || mutate.SkipGone {
			continue
		}
		if i, err := f.f.Stat(); err == nil && i.Links == 0 {
			return fmt.Errorf("%w: %s", ErrRemoved, i.Name)
		}
	}
	return nil
}

// sync makes the frames of f durable. A mapping's Sync covers only what was
// stored through the mapping.
func (f *file) sync() error {
	end := f.end.Load()
	if f.m == nil || f.fresh || f.wrote.Load() || f.plain.Load() {
		if err := syncData(f.f); err != nil {
			return err
		}
	} else if err := f.syncMapped(end); err != nil {
		return err
	}
	f.synced, f.fresh = end, false
	return nil
}

// syncStart makes the header of f durable. Syncing all of a recycled file would
// write its old content to disk again.
func (f *file) syncStart() error {
	if f.m == nil || f.fresh || f.plain.Load() {
		return f.sync()
	}
	if f.synced >= headerSize {
		return nil
	}
	if err := f.syncMapped(headerSize); err != nil {
		return err
	}
	f.synced = headerSize
	return nil
}

// syncMapped makes durable what was stored through the mapping below end.
func (f *file) syncMapped(end int64) error {
	if mutate.SkipWALSync {
		return nil
	}
	from := f.synced &^ (headerSize - 1)
	return f.m.Sync(from, end-from)
}

func syncData(f vfs.File) error {
	if mutate.SkipWALSync {
		return nil
	}
	return f.SyncData()
}

func (l *Log) syncDir() error {
	if mutate.SkipWALDirSync {
		return nil
	}
	return l.dir.Sync()
}
