package engine

import (
	"path"
	"sync"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// After a failed sync the kernel may take pages for clean that it has lost: it
// reports the error once, and a later sync of the same file, through whatever
// descriptor, may return nil. So the file SUSPECT tells the next open on this boot
// of the machine to write the bytes of the WAL again before it syncs them. Segment
// and snapshot files need no such word: what a checkpoint did not finish is written
// anew by the one that does.
//
// SUSPECT itself is not synced, as it means nothing once the page cache is gone.

// suspects are directories whose SUSPECT could not be made, by path: a process
// without descriptors can at least remember.
var suspects sync.Map

// suspect leaves word that a sync has failed.
func (e *Engine) suspect() {
	f, err := e.fs.Open(e.cfg.Dir+"/"+suspectName, vfs.Create)
	if err != nil {
		suspects.Store(path.Clean(e.cfg.Dir), true)
		return
	}
	_ = f.Close()
}

// isSuspect reports whether a sync has failed since the machine was started.
func (e *Engine) isSuspect() bool {
	_, known := suspects.Load(path.Clean(e.cfg.Dir))
	_, err := e.fs.Stat(e.cfg.Dir + "/" + suspectName)
	return (known || err == nil) && !mutate.SkipRewrite
}

// clearSuspect takes the word back, when everything has been written again.
func (e *Engine) clearSuspect() {
	suspects.Delete(path.Clean(e.cfg.Dir))
	_ = e.fs.Remove(e.cfg.Dir + "/" + suspectName) // if it stays, the next open does the same
}
