package engine

import (
	"path"
	"sync"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// After a failed sync the kernel may treat lost pages as clean: it reports the error
// once, and a later sync of the same file, through any descriptor, may return nil. So the
// file SUSPECT tells the next open during this boot of the machine to write the bytes of
// the WAL again before it syncs them. Segment and snapshot files do not need this: a
// checkpoint writes again what the one before did not finish.
//
// SUSPECT itself is not synced: once the page cache is lost it means nothing.

// suspects holds the directories whose SUSPECT could not be created, because the process
// has no descriptor left, say: which they are, whatever they are called by now, or their
// paths if the system does not say.
var suspects sync.Map

// suspectKey is the directory's key in suspects.
func (e *Engine) suspectKey() any {
	if info, err := e.fs.Stat("."); err == nil && info.ID.Known() {
		return info.ID
	}
	return path.Clean(e.cfg.Dir)
}

// suspect records that a sync has failed.
func (e *Engine) suspect() {
	f, err := e.fs.Open(suspectName, vfs.Create)
	if err != nil {
		suspects.Store(e.suspectKey(), true)
		return
	}
	_ = f.Close()
}

// isSuspect reports whether a sync may have failed since the machine was booted.
func (e *Engine) isSuspect() bool {
	_, known := suspects.Load(e.suspectKey())
	_, err := e.fs.Stat(suspectName)
	return (known || err == nil) && !mutate.SkipRewrite
}

// clearSuspect removes the record, after everything has been written again.
func (e *Engine) clearSuspect() {
	suspects.Delete(e.suspectKey())
	_ = e.fs.Remove(suspectName) // if it stays, the next open does the same
}
