package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/internal/selfcheck"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/wal"
)

// Durability says when a commit is acknowledged.
type Durability uint8

// Durabilities of a commit.
const (
	ByMode     Durability = iota // as the node's SyncMode says
	Durable                      // once it is on disk, in any mode
	Buffered                     // once it is handed to the operating system, in any mode
	numDurable = iota
)

// Request is one command on its way through the commit path. Its owner may use it
// again once Commit has returned.
type Request struct {
	ticket     wal.Ticket[*Request]
	Batch      *topics.Batch   // may be nil
	Procs      []*procstate.Op // staged in order, before the batch
	admin      *adminCommand
	Durability Durability
	Position   uint64 // set by Commit
	ms         int64
	err        error
	once       once.Op // the key of the client that sent it, if keyed
	keyed      bool
	turn       Turn        // may be nil
	selfGroup  [1]*Request // the request itself, as a group of one
}

// maxGroup bounds the commands that share one write and one sync.
const maxGroup = 1024

// Commit runs the batch of r and its operations on procs as one command: all of it
// becomes visible, as durable as r.Durability says, or none of it does. If ctx ends
// before the command has reached the WAL, nothing happens; after that, Commit waits
// for the outcome.
func (e *Engine) Commit(ctx context.Context, r *Request) error {
	r.Position = 0
	if r.Batch != nil {
		r.Batch.Uncommitted()
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := e.writable(); err != nil {
		return err
	}
	if r.Durability >= numDurable {
		return errs.InvalidOptions.With("unknown durability")
	}
	if r.Batch != nil {
		if err := e.reg.Prepare(r.Batch); err != nil {
			e.stats.rejected.Add(1)
			return err
		}
		if err := e.waitWAL(ctx); err != nil {
			return err
		}
	}
	return e.send(ctx, r)
}

// send runs a prepared command, once only if ctx carries the key of a client.
func (e *Engine) send(ctx context.Context, r *Request) error {
	if k, ok := keyOf(ctx); ok {
		return e.submitOnce(ctx, r, k)
	}
	return e.submit(ctx, r)
}

// submit hands a command to the commit leader and waits for its outcome.
func (e *Engine) submit(ctx context.Context, r *Request) error {
	r.ticket.Queued = nil
	if r.turn != nil {
		r.ticket.Queued = r.turn
	}
	for tries := 0; ; tries++ {
		r.err = nil
		if r.turn != nil && !mutate.SkipTurn {
			if err := r.turn.Turn(ctx); err != nil {
				return err
			}
			// Where later commands have their places behind it, it keeps its own.
			ctx = context.Background()
		}
		r.ticket.Value = r
		if err := e.group.Do(ctx, &r.ticket); err != nil {
			return err
		}
		if r.err == nil {
			return nil
		}
		// If there is no space, a checkpoint may help: it empties the WAL, whose
		// files are reused, and unlinks pruned segments. So commands that free
		// space work even if there is none. If the checkpoint finds nothing to do,
		// one that was under way has just ended, and the command is tried again at
		// once. One that has a turn is, if no later one has had its own meanwhile.
		space := errors.Is(r.err, errs.NoSpace) || errors.Is(r.err, errs.DiskLimit)
		if !space || tries > 0 || e.Checkpoint() != nil || r.turn != nil && !r.turn.TakeBack() {
			e.stats.rejected.Add(1)
			return r.err
		}
	}
}

// lead is the work of a group's leader. Commands about topics run alone, and so do
// imports, which tell procs where a topic begins: each is checked against a state
// without commands in flight.
func (e *Engine) lead(batch []*wal.Ticket[*Request]) {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	if len(batch) == 1 { // the usual case: it needs no list that must be cleared
		r := batch[0].Value
		r.selfGroup[0] = r
		e.commitGroup(r.selfGroup[:])
		return
	}
	live := e.scratch.live[:0]
	for _, t := range batch {
		r := t.Value
		if r.admin == nil && (r.Batch == nil || !r.Batch.Explicit() || mutate.GroupImports) {
			live = append(live, r)
			continue
		}
		e.commitGroup(live)
		live = append(live[:0], r)
		e.commitGroup(live)
		live = live[:0]
	}
	e.commitGroup(live)
	clear(live)
	e.scratch.live = live[:0]
}

// commitGroup takes commands through the commit path: validate and reserve, WAL, sync,
// apply, publish. wal.Group acknowledges them when lead returns.
func (e *Engine) commitGroup(rs []*Request) {
	for len(rs) > 0 {
		rs = e.commitPass(rs)
	}
}

// commitPass is one pass of commitGroup. It returns the commands that need another:
// they were refused, perhaps because of commands that then failed themselves.
func (e *Engine) commitPass(rs []*Request) (again []*Request) {
	if err := e.ready(); err != nil {
		for _, r := range rs {
			r.err = err
		}
		return nil
	}
	e.stats.groups++
	now, _ := e.now()
	if err := e.writable(); err != nil { // the clock has panicked
		for _, r := range rs {
			r.err = err
		}
		return nil
	}
	staged, sync := e.stageGroup(rs, now)
	if len(staged) == 0 {
		return nil
	}
	if mutate.PublishBeforeWAL {
		e.apply(staged, e.log.Position()+1)
	}
	n, first, err := e.append(sync)
	clear(e.scratch.parts) // bodies are the callers'
	if len(e.scratch.frames) > 1 {
		clear(e.scratch.frames) // they may refer to an outgrown parts slice
	}
	if err != nil {
		gone := errors.Is(err, wal.ErrRemoved)
		err = e.appendFailed(err)
		if gone { // what was written before is lost as well
			e.abortAll(staged, err)
			return nil
		}
		failed := staged[n:]
		staged = staged[:n]
		// Where all before a refused one were written, it would only come after later ones.
		for _, f := range e.scratch.refused {
			if f.staged > n {
				again = append(again, f.r)
			}
		}
		// Aborted last: what the commands before them staged is applied first.
		defer func() {
			for _, r := range failed {
				r.err = err
				if !mutate.SkipAbort {
					e.abort(r)
				}
			}
		}()
	}
	if len(staged) == 0 {
		return again
	}
	if sync {
		e.stats.syncs++
		if err := e.log.Sync(); err != nil {
			// The frames may or may not be on disk. They never become visible
			// and no further command is accepted, so a reopen decides.
			e.poison(err)
			e.abortAll(staged, err)
			return nil
		}
		e.log.Acknowledge()
	} else if e.cfg.Sync > 0 {
		e.armSync()
	}
	if !mutate.PublishBeforeWAL {
		e.apply(staged, first)
	}
	e.reg.FlushLagging()
	e.trackWALSize(staged)
	return again
}

// append appends the frames that were staged.
func (e *Engine) append(sync bool) (n int, first uint64, err error) {
	if sync {
		return e.log.Append(e.scratch.frames)
	}
	return e.log.AppendUnsynced(e.scratch.frames)
}

// trackWALSize keeps walSize close enough to the WAL's size to act on. The exact size
// takes a lock and a loop, so it is read only after enough bytes were committed.
func (e *Engine) trackWALSize(rs []*Request) {
	if n := e.log.Number(); n != e.spareFor && e.log.Wanting() {
		e.spareFor = n
		e.wakeKeeper()
	}
	for _, r := range rs {
		e.sinceMeasured += 256
		if r.Batch != nil {
			e.sinceMeasured += int64(r.Batch.Bytes())
		}
	}
	if e.sinceMeasured < min(1<<20, e.cfg.CheckpointBytes/8) {
		return
	}
	e.sinceMeasured = 0
	size := e.log.Size()
	e.walSize.Store(size)
	if size >= e.cfg.CheckpointBytes {
		e.wakeKeeper()
	}
}

// ready makes sure that there is a WAL to write to.
func (e *Engine) ready() error {
	if e.shut.Load() {
		return errClosed()
	}
	if err := e.writable(); err != nil {
		return err
	}
	if e.log != nil {
		return nil
	}
	if err := e.openLog(); err != nil {
		if isSyncFailure(err) {
			e.poison(err)
			return *e.failed.Load()
		}
		return e.spaceError(err, "there is no room for a write-ahead log, and nothing was committed")
	}
	return nil
}

// stageGroup validates the commands one by one and encodes those that pass into
// frames. A command that fails leaves no trace and does not affect the others. sync is
// whether one of those staged has to be synced.
func (e *Engine) stageGroup(rs []*Request, now int64) (staged []*Request, sync bool) {
	s := &e.scratch
	s.meta, s.parts, s.frames = s.meta[:0], s.parts[:0], s.frames[:0]
	staged, s.refused = rs[:0], s.refused[:0]
	for _, r := range rs {
		r.err = nil
		meta, part := len(s.meta), len(s.parts)
		if err := e.stageRequest(r, now); err != nil {
			r.err = err
			s.meta, s.parts = s.meta[:meta], s.parts[:part]
			if len(staged) > 0 { // perhaps they are the reason
				s.refused = append(s.refused, refusal{r, len(staged)})
			}
			continue
		}
		// If meta or parts grow and move, earlier frames keep the old memory.
		s.frames = append(s.frames, wal.Frame{Meta: s.meta[meta:], Parts: s.parts[part:]})
		if selfcheck.On {
			if err := checkFrame(&s.frames[len(s.frames)-1]); err != nil {
				panic(err)
			}
		}
		staged = append(staged, r)
		sync = sync || r.Durability == Durable || r.Durability == ByMode && e.cfg.Sync == SyncAlways
	}
	return staged, sync
}

// stageRequest stages a command, with the key and the reply if a client sent it.
func (e *Engine) stageRequest(r *Request, now int64) error {
	if !r.keyed {
		return e.stageCommand(r, now)
	}
	if err := e.once.Stage(&r.once); err != nil {
		return err
	}
	if err := e.stageCommand(r, now); err != nil {
		e.once.Undo(&r.once)
		return err
	}
	r.once.Reply = r.appendReply(r.once.Reply[:0])
	s := &e.scratch
	var m int
	s.meta, m = openOp(s.meta, once.OpReply)
	s.meta = r.once.Append(s.meta)
	closeOp(s.meta, m)
	return nil
}

// stageCommand stages all of r except its key and reply.
func (e *Engine) stageCommand(r *Request, now int64) error {
	if r.admin != nil {
		return e.stageAdmin(r, now)
	}
	if err := e.stageProcs(r, max(now, e.reg.StagedTime())); err != nil {
		return err
	}
	err := e.stageBatch(r, now)
	if err != nil && !mutate.SkipUndo {
		e.undoProcs(r.Procs)
	}
	return err
}

// stageBatch stages the batch of r, if it has one, and encodes the command.
func (e *Engine) stageBatch(r *Request, now int64) error {
	s := &e.scratch
	if r.Batch == nil {
		r.ms = max(now, e.reg.StagedTime())
		if err := topics.CheckTime(r.ms); err != nil {
			return err
		}
		s.meta = appendProcOps(appendCommand(s.meta, r.ms), r.Procs)
		return nil
	}
	if e.cfg.MaxDisk > 0 && e.diskBytes()+int64(r.Batch.Bytes()) > e.cfg.MaxDisk {
		return errs.DiskLimit.With(fmt.Sprintf("the store takes %d bytes and the limit is %d (Options.MaxDisk); prune or raise it", e.diskBytes(), e.cfg.MaxDisk))
	}
	if limit := maxFrame(e.cfg.MaxBatch); r.Batch.FrameBound() > limit {
		return errs.TooLarge.With(fmt.Sprintf("the batch takes more than %d bytes in the write-ahead log; split it", limit))
	}
	if e.snapRoom.topics == 0 { // it is not known since the last checkpoint, or opening
		if err := e.admit(e.reg.Count()); err != nil {
			return e.spaceError(err, "nothing was committed")
		}
	}
	ms, err := e.reg.Stage(r.Batch, now)
	if err != nil {
		return e.spaceError(err, "nothing was committed")
	}
	r.ms = ms
	s.meta = appendProcOps(appendCommand(s.meta, ms), r.Procs)
	r.Batch.Slots(func(t *topics.Topic, created bool, blocks []topics.Block) {
		if created {
			s.meta = appendCreate(s.meta, t.ID(), t.Name(), t.Options())
		}
		s.meta = appendAppend(s.meta, t.ID(), ms, blocks)
		for i := range blocks {
			s.parts = append(s.parts, wal.Part{Bytes: blocks[i].Body, Sum: blocks[i].Sum})
		}
	})
	return nil
}

// apply applies the commands, which have consecutive positions from first on, to the
// state, and then makes them visible, all at once.
func (e *Engine) apply(rs []*Request, first uint64) {
	pos := first - 1
	for _, r := range rs {
		pos++
		r.Position = pos
		if r.keyed {
			e.once.Apply(&r.once, r.ms)
		}
		if r.admin != nil {
			e.applyAdmin(r, pos)
			continue
		}
		if r.Batch != nil {
			r.Batch.Begins(e.procs.TopicBegins)
			e.reg.ApplyBatch(r.Batch, pos, r.ms)
			e.stats.commits++
			e.stats.records += uint64(r.Batch.Len())
			e.stats.bytes += uint64(r.Batch.Bytes())
		}
		for _, op := range r.Procs {
			e.procs.Apply(op)
		}
	}
	e.pos = pos
	e.publish(pos, e.procChanged)
	for _, r := range rs {
		if r.Batch != nil {
			r.Batch.Signal()
			e.watches.callForBatch(r.Batch)
		}
	}
}

// abortAll ends commands that were written to the log when it turned out, by err, that
// the log cannot be trusted any more.
func (e *Engine) abortAll(rs []*Request, err error) {
	what := "the sync failed after the write-ahead log was written; open the node again to see whether the commit survived"
	if errors.Is(err, wal.ErrRemoved) {
		what = "the file with the commit in it was removed"
	}
	for _, r := range rs {
		r.err = errs.OutcomeUnknown.Wrap(err, what)
		e.abort(r)
	}
}

// abort undoes what staging r did.
func (e *Engine) abort(r *Request) {
	if r.Batch != nil {
		e.reg.Abort(r.Batch)
	}
	if r.admin != nil && r.admin.kind == opPolicy {
		e.rules.Abort(&r.admin.policy)
	}
	for _, op := range r.Procs {
		e.procs.Abort(op)
	}
	if r.keyed {
		e.once.Undo(&r.once)
	}
}

// appendFailed turns an error of wal.Log.Append into the one that callers see. Append
// has left nothing in the WAL of the commands concerned.
func (e *Engine) appendFailed(err error) error {
	if errors.Is(err, wal.ErrFailed) {
		e.poison(err)
		return *e.failed.Load()
	}
	if errors.Is(err, wal.ErrTooLarge) {
		return errs.TooLarge.Wrap(err, "the batch does not fit the write-ahead log")
	}
	return e.spaceError(err, "nothing was committed")
}

func (e *Engine) diskBytes() int64 { return e.reg.DiskBytes() + e.log.Size() }

// segmentRoom returns by how many bytes segment files may still grow.
func (e *Engine) segmentRoom() int64 {
	if e.cfg.MaxDisk == 0 {
		return 1 << 62
	}
	return e.cfg.MaxDisk - e.diskBytes()
}

// waitWAL waits while the WAL is at its limit, until a checkpoint has made room.
func (e *Engine) waitWAL(ctx context.Context) error {
	if e.walSize.Load() < e.cfg.MaxWAL {
		return nil
	}
	timeout := time.NewTimer(maxWALWait)
	defer timeout.Stop()
	for {
		if err := e.writable(); err != nil {
			return err
		}
		e.waitMu.Lock()
		done := e.ckptDone
		e.waitMu.Unlock()
		// Measured after done was fetched, so that the checkpoint that makes
		// room cannot be missed.
		if e.measureWAL() < e.cfg.MaxWAL {
			return nil
		}
		e.wakeKeeper()
		select {
		case <-done:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timeout.C:
			return errs.Overloaded.With(fmt.Sprintf("the write-ahead log has been full for %v; the disk cannot keep up", maxWALWait))
		case <-e.stop:
			return errClosed()
		case <-e.broken:
			continue
		}
		if p := e.ckptErr.Load(); p != nil {
			return e.spaceError(*p, "the write-ahead log is full and no checkpoint can be made")
		}
	}
}

// measureWAL brings walSize up to date and returns it.
func (e *Engine) measureWAL() int64 {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	size := int64(0)
	if e.log != nil {
		size = e.log.Size()
	}
	e.walSize.Store(size)
	return size
}

// maxWALWait bounds how long a commit waits for room in the WAL.
const maxWALWait = 30 * time.Second

// armSync makes sure that a sync follows within the interval of the SyncMode.
func (e *Engine) armSync() {
	if e.timer.Swap(true) {
		return
	}
	e.timerMu.Lock()
	e.pending = time.AfterFunc(time.Duration(e.cfg.Sync), func() {
		e.timer.Store(false)
		e.run("a sync", func() { _ = e.Sync(context.Background()) }) // a failure has poisoned the node
	})
	e.timerMu.Unlock()
}
