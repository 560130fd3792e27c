package engine

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/wal"
)

// carryBudget bounds the bytes of all tails that one snapshot carries, so that
// the cost of a checkpoint follows the bytes written since the last one.
const carryBudget = 32 << 20

// retryAfter is how long a failed checkpoint is left alone.
const retryAfter = time.Second

// checkpointWanted takes the checkpoint that the keeper has asked for, unless
// another one has made it superfluous.
func (e *Engine) checkpointIfDue() {
	e.ckptMu.Lock()
	defer e.ckptMu.Unlock()
	if !e.checkpointDue() {
		return
	}
	if err := e.checkpointLocked(false); err != nil {
		e.cfg.Logger.Error("pipeproc: checkpoint failed, data is safe in the write-ahead log", "err", err)
		time.AfterFunc(retryAfter, e.wakeKeeper)
	}
}

// isDue reports whether a checkpoint should be taken: the WAL has its size, or
// space is to be freed.
func (e *Engine) checkpointDue() bool {
	return e.measureWAL() >= e.cfg.CheckpointBytes || e.freeable.Load() && e.changed()
}

// Checkpoint brings segment files and snapshot up to now, so that the next
// open has nothing to replay.
func (e *Engine) Checkpoint() error {
	e.ckptMu.Lock()
	defer e.ckptMu.Unlock()
	if err := e.writable(); err == nil && !e.shut.Load() && !e.changed() {
		return nil
	}
	return e.checkpointLocked(false)
}

// changed reports whether there have been commands since the last checkpoint.
func (e *Engine) changed() bool { return e.reg.Published() != e.covered.Load() }

// checkpointLocked takes a checkpoint; the caller holds ckptMu. With final set
// it also closes the WAL and marks the store clean.
func (e *Engine) checkpointLocked(final bool) error {
	// Under the lock: a checkpoint whose STORE could not be synced has numbers
	// that must not be used again, since they may be on disk.
	if err := e.writable(); err != nil {
		return err
	}
	if e.shut.Load() && !final {
		return errClosed()
	}
	due := e.freeable.Swap(false) // before the state is captured: what asks later is not served
	err := e.checkpoint(final)
	if err != nil {
		if due {
			e.freeable.Store(true)
		}
		e.ckptErr.Store(&err)
		if isSyncFailure(err) {
			e.poison(err)
		}
	} else {
		e.ckptErr.Store(nil)
	}
	e.waitMu.Lock()
	close(e.ckptDone)
	e.ckptDone = make(chan struct{})
	e.waitMu.Unlock()
	return err
}

func (e *Engine) checkpoint(final bool) error {
	// 1. The state at one position, which the WAL continues in a new file.
	e.commitMu.Lock()
	halted := false // commits wait until the checkpoint is done
	defer func() {
		if halted {
			e.commitMu.Unlock()
		}
	}()
	st := e.store
	st.Checkpoint++
	st.Position = e.pos
	st.Clean, st.WALAbsent = final, final || e.log == nil
	if e.log == nil {
		st.WAL = e.nextWAL
	} else if final {
		st.WAL = e.log.Next()
	} else {
		mark, err := e.log.Roll()
		switch {
		case err == nil:
			st.WAL = mark.Number
		case isNoSpace(err):
			// No room for another WAL file. With commits halted none is
			// needed: the log ends here, and begins anew in its old files.
			halted = true
			st.WAL, st.WALAbsent = e.log.Next(), true
		default:
			e.commitMu.Unlock()
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	l := e.log
	c := captured{e.reg.Capture(), e.procs.Capture(), e.rules.Capture(), e.once.Capture()}
	e.snapRoom.captured()
	if !halted {
		e.commitMu.Unlock()
	}

	var err error
	if l != nil && !final && !halted {
		// The new WAL file must be there before STORE points to it. Now there is
		// little in it yet that would be written along.
		if err = l.SyncFrom(st.WAL); err == nil && mutate.SkipRecycleRule {
			err = l.Drop(st.WAL)
		}
	}
	if err == nil {
		err = e.writeCheckpoint(&st, &c)
	}
	if !halted {
		e.commitMu.Lock()
	}
	if err != nil {
		err = fmt.Errorf("checkpoint: %w", err)
		e.reg.Uncapture(c.topics)
		e.checkpointed(nil, final)
	} else {
		e.store = st
		e.covered.Store(st.Position)
		e.checkpointed(c.topics, final)
	}
	if !halted {
		e.commitMu.Unlock()
	}
	if err != nil {
		return err
	}

	// 5. What the checkpoint covers may go.
	e.stats.checkpoints.Add(1)
	freed, err := e.reg.Done(c.topics)
	if err != nil {
		e.cfg.Logger.Warn("pipeproc: could not remove a pruned segment file", "err", err)
	}
	e.cfg.Logger.Debug("pipeproc: checkpoint", "number", st.Checkpoint, "position", st.Position, "freed", freed)
	e.event(Event{Kind: EventCheckpoint, Position: st.Position})
	if l == nil {
		return nil
	}
	if halted {
		return e.restartLog()
	}
	if err := l.Drop(st.WAL); err != nil {
		e.cfg.Logger.Warn("pipeproc: could not recycle WAL files", "err", err)
	}
	e.walSize.Store(l.Size())
	if final {
		// The current file stays, for the next open to reuse.
		if err := l.Close(0); err != nil {
			e.cfg.Logger.Warn("pipeproc: closing the write-ahead log, which is empty", "err", err)
		}
	}
	return nil
}

// restartLog ends the WAL, which a checkpoint covers whole, and begins it anew
// in the files that it has. The caller holds the commit lock. Without room even
// for that, the next commit tries again.
func (e *Engine) restartLog() error {
	next := e.log.Next()
	if err := e.log.Close(1); err != nil {
		e.cfg.Logger.Warn("pipeproc: closing the write-ahead log", "err", err)
	}
	e.log = nil
	e.prev, e.nextWAL = wal.Tail{}, next
	res, err := wal.Replay(wal.ReplayConfig{FS: e.fs, Dir: e.cfg.Dir + "/" + walDir, Store: e.store.ID,
		Number: next, Position: e.pos + 1, AllowMissing: true, MaxFrame: anyFrame}, func(*wal.Entry) error { return nil })
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	e.void = res.Void
	if err := e.openLog(); err != nil && !isNoSpace(err) {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// writeCheckpoint makes c durable: segments, snapshot, STORE, in this order.
func (e *Engine) writeCheckpoint(st *storeState, c *captured) error {
	// 2. Segment files, and their directory entries.
	files, err := e.reg.Flush(c.topics, carryBudget, st.Clean)
	e.newNames = e.newNames || files > 0 // also of a checkpoint that failed
	if err != nil {
		return err
	}
	if e.newNames && !mutate.SkipSegmentDirSync {
		if err := e.dirs.segments.Sync(); err != nil {
			return &syncError{err}
		}
	}
	e.newNames = false
	// 3. The snapshot, in the file that the last checkpoint does not use.
	head := snapHead{Store: st.ID, Number: st.Checkpoint, Position: st.Position, Epoch: st.Epoch, WAL: st.WAL}
	head, err = writeSnapshot(e.fs, e.cfg.Dir, head, func(w *snapWriter) {
		c.write(w)
	})
	if err != nil {
		return err
	}
	if !mutate.SkipSnapshotSync { // the file may be new: of this store or of a copy
		if err := e.dirs.top.Sync(); err != nil {
			return &syncError{err}
		}
	}
	// 4. The word that it counts.
	st.SnapLen, st.SnapSum = head.Length, head.Sum
	if err := writeStore(e.fs, e.cfg.Dir, st); err != nil {
		// Whether the old or the new state counts may not be known: then only
		// a reopen can tell.
		return err
	}
	return nil
}
