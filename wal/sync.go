package wal

import (
	"fmt"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// Sync makes everything that was appended before the call durable, and the file
// that the last Roll began. Callers that overlap share the work.
//
// If it fails, nobody can know what the disk holds: this and every later Sync
// and Append return an error that wraps ErrFailed and the cause, nothing is
// tried again, and Durable stays where it is.
func (l *Log) Sync() error {
	target, started := l.position.Load(), l.started.Load()
	if done, err := l.covered(target, started); done {
		return err
	}
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if done, err := l.covered(target, started); done {
		return err // somebody else did it while this call waited
	}
	// The position is read before the ends of the files, so that the ends
	// cover it.
	l.mu.Lock()
	target, started = l.position.Load(), l.started.Load()
	l.collectDirty(0)
	l.mu.Unlock()
	if err := l.syncFiles(l.dirty, (*file).sync); err != nil {
		l.stopped.CompareAndSwap(nil, &halt{fmt.Errorf("%w: %w", ErrFailed, err)})
		return l.failure()
	}
	l.settled.Store(started)
	l.durable.Store(target)
	return nil
}

// SyncFrom makes durable that file number and later ones are there, with their
// headers, and leaves older files alone: for a checkpoint that is about to make
// those superfluous. Whether frames become durable is left open, and Durable does
// not advance. A failure is that of Sync.
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
		l.stopped.CompareAndSwap(nil, &halt{fmt.Errorf("%w: %w", ErrFailed, err)})
		return l.failure()
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

// covered reports whether there is nothing left to do for a Sync that is to
// reach the given position and file.
func (l *Log) covered(position, number uint64) (bool, error) {
	if err := l.failure(); err != nil {
		return true, err
	}
	return l.durable.Load() >= position && l.settled.Load() >= number, nil
}

// isDirty reports whether f has bytes or a name that are not known durable. It
// needs syncMu.
func (f *file) isDirty() bool { return f.newEntry || f.synced < f.end.Load() }

// syncFiles makes files, as far as sync does, and then their names, durable.
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

// sync makes the frames of f durable. A mapping's Sync promises that for what was
// stored through it only.
func (f *file) sync() error {
	end := f.end.Load()
	if f.m == nil || f.fresh || f.wrote.Load() {
		if err := syncData(f.f); err != nil {
			return err
		}
	} else if err := f.syncMapped(end); err != nil {
		return err
	}
	f.synced, f.fresh = end, false
	return nil
}

// syncStart makes the header of f durable. Syncing all of a file that was recycled
// would write what it held before to disk once more.
func (f *file) syncStart() error {
	if f.m == nil || f.fresh {
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
