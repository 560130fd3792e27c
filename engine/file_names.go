package engine

import (
	"errors"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

// A sync of a directory that fails can lose names as that of a file loses pages: what the
// system holds in memory shows them, and no later sync writes them, until they are made
// again. So an open that finds SUSPECT makes again the names that it is going to rely on.
// Package wal does it for the log's files. Segment files need nothing: STORE refers to
// those only whose names were synced, and others are removed as garbage.

// beginStore makes e.store durable at open, under a name that was made anew if an earlier
// one may be lost.
func (e *Engine) beginStore() error {
	if !e.isSuspect() || mutate.KeepNames {
		return writeStore(e.fs, &e.store)
	}
	// The next checkpoint makes this file again.
	if err := e.fs.Remove(snapName(e.store.Checkpoint + 1)); err != nil && !errors.Is(err, errNotExist) {
		return err
	}
	e.store.Generation++
	err := createStore(e.fs, &e.store)
	if isNoSpace(err) {
		return writeStore(e.fs, &e.store)
	}
	return err
}

// forgetFolders removes the folders, which are empty, of a store that is being made, if
// their names may be lost.
func (e *Engine) forgetFolders() {
	if e.isSuspect() && !mutate.KeepNames {
		_ = e.fs.Remove(walDir)
		_ = e.fs.Remove(segmentDir)
	}
}
