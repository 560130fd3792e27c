package engine

import (
	"fmt"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/wal"
)

// The write-ahead log is in one of three states:
//
//	open     e.log is there. STORE names the first file that counts.
//	counts   e.log is nil, and ended.tail says where the log of an earlier opening
//	         ends. STORE names its first file, and what is in it is nowhere else. The
//	         next log follows it.
//	covered  e.log is nil, and so is ended.tail. STORE says that there is no log, and
//	         names a number above that of every file. All files are void.
//
// An opening finds a log that counts, or a covered one after a clean Close. openLog
// leads to open from both; if it fails, for want of space, nothing changes, and the
// next commit tries again. A checkpoint leads from counts to covered, as its STORE
// is durable, and then the files that are void can be used or removed to make room.
// It leads from open to covered as well, and on to open, if there is no room for one
// more file.

// endedLog is what there is of the log while none is open. The commit leader and the
// checkpoint use it, under commitMu.
type endedLog struct {
	tail wal.Tail // where the log that counts ends; zero: it is covered
	void []uint64 // files whose content does not count
	held int64    // bytes that the files of the log that counts take, used or not
	next uint64   // no file has this number or a higher one
}

// coverable reports whether a checkpoint would make files void of a log that nobody
// can append to.
func (e *Engine) coverable() bool {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	return e.log == nil && e.ended.tail.Number != 0
}

// unusedWAL returns a number above that of every WAL file: a failed attempt to open
// the log may have left one. The caller holds commitMu.
func (e *Engine) unusedWAL() (uint64, error) {
	high, err := wal.Highest(e.fs, walDir, e.ended.next)
	e.ended.next = max(e.ended.next, high+1)
	return e.ended.next, err
}

// beginLog opens the log when the store is opened. A start that is killed leaves a
// file that is nearly empty, as a recovered file is never appended to, and a process
// that is killed again and again may never finish a checkpoint in the background. So
// if there is a checkpoint's worth of unused space in the files that were recovered,
// they are covered first.
func (e *Engine) beginLog() error {
	if e.ended.held-e.recovery.Bytes >= e.cfg.CheckpointBytes && !mutate.SkipThinning {
		e.ckptMu.Lock()
		err := e.checkpointLocked(false)
		e.ckptMu.Unlock()
		if e.log != nil || isSyncFailure(err) {
			return err
		}
		if err != nil {
			e.cfg.Logger.Warn("pipeproc: the write-ahead log could not be shortened", "err", err)
		}
	}
	return e.openLog()
}

// restartLog ends the log, all of which a checkpoint covers, and begins it anew in
// the files that it has. If there is no room even for that, the next commit tries
// again. The caller holds commitMu.
func (e *Engine) restartLog() error {
	if e.log != nil {
		if err := e.log.Close(1); err != nil {
			e.cfg.Logger.Warn("pipeproc: closing the write-ahead log", "err", err)
		}
		e.log = nil
	}
	res, err := wal.Replay(wal.ReplayConfig{FS: e.fs, Dir: walDir, Store: e.store.ID,
		Number: e.store.WAL, Position: e.pos + 1, AllowMissing: true, MaxFrame: anyFrame}, func(*wal.Entry) error { return nil })
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if !mutate.SkipCovering {
		e.ended = endedLog{void: res.Void}
	}
	e.ended.next = e.store.WAL
	if err := e.openLog(); err != nil && !isNoSpace(err) {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}
