package engine

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/wal"
)

// carryBudget bounds the bytes of all tails that one snapshot carries, except tiny
// ones (topics.TinyBudget), so that
// the cost of a checkpoint follows the bytes written since the last one.
const carryBudget = 32 << 20

// retryAfter is the wait before a failed checkpoint is tried again.
const retryAfter = time.Second

// checkpointIfDue takes the checkpoint that the keeper has asked for, unless another
// one has made it superfluous.
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

// checkpointDue reports whether a checkpoint should be taken: the WAL has reached its
// size, or there is space to free.
func (e *Engine) checkpointDue() bool {
	return e.measureWAL() >= e.cfg.CheckpointBytes || e.freeable.Load() && e.changed() || e.isolated.due.Load()
}

// Checkpoint brings the segment files and the snapshot up to date, so that the next
// open has nothing to replay.
func (e *Engine) Checkpoint() error {
	e.ckptMu.Lock()
	defer e.ckptMu.Unlock()
	if err := e.writable(); err == nil && !e.shut.Load() && !e.changed() && !e.coverable() && !e.isolated.stuck.Load() {
		return nil
	}
	return e.checkpointLocked(false)
}

// changed reports whether there have been commands since the last checkpoint.
func (e *Engine) changed() bool { return e.reg.Published() != e.covered.Load() }

// checkpointLocked takes a checkpoint; the caller holds ckptMu. With final set
// it also closes the WAL and marks the store clean.
func (e *Engine) checkpointLocked(final bool) error {
	// Checked under ckptMu: a checkpoint whose STORE could not be synced has used
	// numbers that may be on disk and must not be used again.
	if err := e.writable(); err != nil {
		return err
	}
	if e.shut.Load() && !final {
		return errClosed()
	}
	if err := e.inspect(); err != nil {
		e.poison(err)
		return err
	}
	e.isolated.due.Store(false)
	due := e.freeable.Swap(false) // before the capture: what becomes freeable later needs another checkpoint
	defer e.checkpointEnded()
	err := e.spaceError(e.checkpoint(final), "no checkpoint could be made, and no record is lost")
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
	return err
}

// checkpointEnded lets go who waits for the end of a checkpoint.
func (e *Engine) checkpointEnded() {
	e.waitMu.Lock()
	close(e.ckptDone)
	e.ckptDone = make(chan struct{})
	e.waitMu.Unlock()
}

// checkpointRun is one checkpoint under way.
type checkpointRun struct {
	final  bool
	halted bool       // the WAL has ended, so commits wait until the end: see beginCheckpoint
	log    *wal.Log   // nil if there was none, then and to the end
	store  storeState // what STORE says once the checkpoint counts
	state  captured
}

// checkpoint captures the state under commitMu and writes it. Usually commits
// continue meanwhile, in a new WAL file. If there is no log, or no room on the disk for
// another file of it, commitMu is held to the end.
func (e *Engine) checkpoint(final bool) error {
	run, err := e.captureCheckpoint(final)
	if err != nil || run.halted {
		return err
	}
	return e.endCommitting(run)
}

// captureCheckpoint is the part of checkpoint under commitMu: all of it if commits have
// to wait.
func (e *Engine) captureCheckpoint(final bool) (*checkpointRun, error) {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	run, err := e.beginCheckpoint(final)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if run.halted {
		err = e.endHalted(run)
	}
	return run, err
}

// beginCheckpoint is step 1: it captures the state at one position and makes the
// WAL continue in a new file. The caller holds commitMu.
func (e *Engine) beginCheckpoint(final bool) (*checkpointRun, error) {
	run := &checkpointRun{final: final, log: e.log, store: e.store}
	st := &run.store
	st.Checkpoint++
	st.Position = e.pos
	switch {
	case e.log == nil:
		// No commit may begin one before it is settled what becomes of the old files.
		run.halted = true
		number, err := e.unusedWAL()
		if err != nil {
			return nil, err
		}
		st.WAL = number
	case final:
		st.WAL = e.log.Next()
	default:
		mark, err := e.log.Roll()
		switch {
		case err == nil:
			st.WAL = mark.Number
		case isNoSpace(err):
			// With commits halted no other file is needed: the log ends here and
			// begins anew in its old files.
			run.halted = true
			st.WAL = e.log.Next()
		default:
			return nil, err
		}
	}
	st.Clean, st.WALAbsent = final, final || run.halted
	run.state = captured{e.reg.Capture(), e.procs.Capture(), e.rules.Capture(), e.once.Capture()}
	return run, nil
}

// endCommitting does the rest of a checkpoint while commits continue. The caller
// does not hold commitMu.
func (e *Engine) endCommitting(run *checkpointRun) error {
	if mutate.UnlinkFirst {
		_, _ = e.reg.Done(run.state.topics)
	}
	err := e.syncNewWAL(run)
	if err == nil {
		err = e.writeCheckpoint(&run.store, &run.state)
	}
	e.commitMu.Lock()
	err = e.noteCheckpoint(run, err)
	e.commitMu.Unlock()
	if err != nil {
		return err
	}
	e.freeSegments(run)
	e.recycleWAL(run)
	return nil
}

// endHalted does the rest of a checkpoint while no commit can run. The caller holds
// commitMu throughout.
func (e *Engine) endHalted(run *checkpointRun) error {
	err := e.writeCheckpoint(&run.store, &run.state)
	if err := e.noteCheckpoint(run, err); err != nil {
		return err
	}
	e.freeSegments(run)
	e.removeFiles(&e.garbage) // there is any only if the log was never opened
	if run.final && run.log == nil {
		return nil
	}
	return e.restartLog()
}

// syncNewWAL makes the file in which the WAL continues durable: it must exist before
// STORE points to it. It holds little yet that would be written along.
func (e *Engine) syncNewWAL(run *checkpointRun) error {
	if run.final || mutate.SkipNewWALSync {
		return nil
	}
	err := run.log.SyncFrom(run.store.WAL)
	if err == nil && mutate.SkipRecycleRule {
		err = run.log.Drop(run.store.WAL)
	}
	return err
}

// noteCheckpoint makes a checkpoint that was written with err the latest one, or
// undoes its capture. It returns err wrapped. The caller holds commitMu.
func (e *Engine) noteCheckpoint(run *checkpointRun, err error) error {
	if err != nil {
		e.reg.UndoCapture(run.state.topics)
		e.checkpointed(nil, run.final)
		return fmt.Errorf("checkpoint: %w", err)
	}
	if e.log != nil {
		e.log.Named(run.store.Generation)
	}
	e.store = run.store
	e.covered.Store(run.store.Position)
	e.checkpointed(run.state.topics, run.final)
	return nil
}

// freeSegments is step 5: it reports the checkpoint and removes the segment files
// that were pruned before it.
func (e *Engine) freeSegments(run *checkpointRun) {
	e.stats.checkpoints.Add(1)
	freed, err := e.reg.Done(run.state.topics)
	if err != nil {
		e.cfg.Logger.Warn("pipeproc: could not remove a pruned segment file", "err", err)
	}
	e.cfg.Logger.Debug("pipeproc: checkpoint", "number", run.store.Checkpoint, "position", run.store.Position, "freed", freed)
	e.event(Event{Kind: EventCheckpoint, Position: run.store.Position})
}

// recycleWAL recycles the WAL files that the checkpoint covers, and closes the WAL
// after the final one.
func (e *Engine) recycleWAL(run *checkpointRun) {
	if err := run.log.Drop(run.store.WAL); err != nil {
		e.cfg.Logger.Warn("pipeproc: could not recycle WAL files", "err", err)
	}
	e.walSize.Store(run.log.Size())
	if run.final {
		// The current file stays, for the next open to reuse.
		if err := run.log.Close(0); err != nil {
			e.cfg.Logger.Warn("pipeproc: closing the write-ahead log, which is empty", "err", err)
		}
	}
}

// writeCheckpoint makes c durable, in three steps: segments, snapshot, STORE.
func (e *Engine) writeCheckpoint(st *storeState, c *captured) error {
	// 2. Segment files, and their directory entries.
	files, err := e.reg.WriteBack(c.topics, carryBudget, st.Clean)
	e.newNames = e.newNames && !mutate.ForgetNewNames || files > 0 // including those of a checkpoint that failed
	e.noteIsolated(st, c.topics)
	if err != nil {
		return err
	}
	if e.newNames && !mutate.SkipSegmentDirSync {
		if err := e.dirs.segments.Sync(); err != nil {
			return &syncError{err}
		}
	}
	e.newNames = false
	// 3. The snapshot, in the file that the latest checkpoint does not use.
	head := snapHead{Store: st.ID, Number: st.Checkpoint, Position: st.Position, Epoch: st.Epoch, WAL: st.WAL, Features: st.Features}
	head, err = writeSnapshot(e.fs, head, func(w *snapWriter) {
		c.write(w)
		if e.noStore {
			w.settle()
		}
	})
	if err != nil {
		return err
	}
	if !mutate.SkipSnapshotSync { // the file may be new: of this store or of a copy
		if err := e.dirs.top.Sync(); err != nil {
			return &syncError{err}
		}
	}
	// 4. STORE, which makes the checkpoint count.
	st.SnapLen, st.SnapSum = head.Length, head.Sum
	// If that fails, whether the old or the new state counts may not be known: then
	// only a reopen can tell.
	if e.noStore {
		return createStore(e.fs, st)
	}
	return writeStore(e.fs, st)
}
