package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

var errNotExist = fs.ErrNotExist

// SyncMode says when a commit is made durable: if 0, before it is acknowledged; if
// positive, at that interval; if negative, never.
type SyncMode time.Duration

// The modes without a parameter.
const (
	SyncAlways SyncMode = 0
	SyncNever  SyncMode = -1
)

// Config configures an engine. The engine has no defaults: the root package fills in
// every field.
type Config struct {
	FS     vfs.FS
	Dir    string
	Sync   SyncMode
	Logger *slog.Logger
	Clock  func() time.Time
	// Elapsed returns the time since a fixed moment. Unlike Clock it never jumps.
	// nil: the system's.
	Elapsed func() time.Duration
	// Read, if Clock is the system's, returns what both say, the first in unix
	// milliseconds. May be nil.
	Read  func() (ms int64, elapsed time.Duration)
	Event func(Event) // may be nil; called on the goroutine that causes the event

	ReadOnly bool
	// MustExist makes Open fail when the directory holds no store.
	MustExist bool

	WALFileSize     int64
	CheckpointBytes int64 // WAL size at which a checkpoint starts
	MaxWAL          int64 // WAL size at which commits wait for a checkpoint
	MaxDisk         int64 // 0: no limit
	MaxBody         int
	MaxBatch        int
	MaxOpenFiles    int
	MaxMapped       int
	MaxFuture       time.Duration
	Topic           topics.Options
	GC              GCSettings
}

// Engine owns the WAL, the apply function, the checkpoint and the snapshot of
// one directory. All methods are safe for concurrent use.
type Engine struct {
	cfg  Config
	fs   vfs.FS
	lock locks
	site site
	dirs folders
	machines
	files  *segment.Files
	codecs *segment.Codecs
	group  *wal.Group[*Request]

	// commitMu is held by the commit leader while it works, and by a checkpoint
	// while it captures the state, or throughout if the WAL has ended. Lock
	// order: ckptMu, commitMu.
	commitMu      sync.Mutex
	log           *wal.Log // nil while there is none, see log.go; under commitMu
	ended         endedLog // what there is then
	store         storeState
	pos           uint64 // position of the newest applied command
	boot          uint64 // see wal.Config.Boot
	scratch       scratch
	snapRoom      snapRoom
	sinceMeasured int64         // bytes committed since walSize was set; under commitMu
	spareFor      uint64        // number of the WAL file that a spare was requested for; under commitMu
	freeable      atomic.Bool   // a checkpoint would make room
	covered       atomic.Uint64 // position of the last checkpoint
	walSize       atomic.Int64  // bytes in the WAL, slightly out of date: see trackWALSize
	shut          atomic.Bool   // Close was called; set under commitMu

	clock     storeClock    // under commitMu
	toldDoubt time.Duration // when it was told last that the clock is not believed; under commitMu
	toldAhead time.Duration // the same of a store that is far ahead

	gcMu   sync.Mutex // one collection at a time
	gcKick chan struct{}
	gcStop context.CancelFunc
	gcDone chan struct{}

	isolated  isolated
	deadlines deadlines
	watches   watches

	ckptMu   sync.Mutex // one checkpoint, backup or verification at a time
	newNames bool       // the segment folder may hold entries that are not durable; under ckptMu
	ckptErr  atomic.Pointer[error]
	ckptDone chan struct{} // closed and replaced when a checkpoint ends; under waitMu
	waitMu   sync.Mutex

	failed   atomic.Pointer[error] // why nothing is acknowledged any more, or nil
	broken   chan struct{}         // closed when failed is set
	readOnly error                 // why no commit was ever accepted, or nil; fixed after Open

	kick       chan struct{} // wakes the keeper
	ckptWanted chan struct{} // asks for a checkpoint
	stop       chan struct{}
	stopped    chan struct{}
	released   chan struct{} // closed when Close has released the directory
	timer      atomic.Bool   // an interval sync is due
	timerMu    sync.Mutex
	pending    *time.Timer
	garbage    []string // segment files that nothing refers to, once the state is durable
	stale      []string // segment files in which nothing counts, in any case
	recovery   Recovery
	// lostSections counts the sections of the snapshot that could not be
	// restored, for repair.
	lostSections int
	noStore      bool // STORE is missing or not to be believed, and a repair makes it anew
	stats        counters
}

// Recovery says what Open found.
type Recovery struct {
	Clean    bool          // the store was closed properly
	Commands uint64        // commands replayed from the WAL
	Bytes    int64         // size of those commands
	Cut      []Cut         // torn frames, never acknowledged as durable
	Duration time.Duration // how long Open took
	Mended   []error       // damaged copies of STORE whose other copy was intact
	Damage   []error       // other damage: the node is read-only or topics refuse commits
}

// Cut is a torn write: a piece of WAL that was being written when the process or the
// machine died.
type Cut struct {
	File     string
	From, To int64 // offsets in File
	What     string
	Kept     string // the file in the quarantine folder with its bytes, "" if they could not be copied
}

// scratch is the commit leader's memory, reused from one group to the next. It is
// guarded by commitMu.
type scratch struct {
	meta    []byte
	parts   []wal.Part
	frames  []wal.Frame
	live    []*Request
	refused []refusal
}

// refusal is a command that was refused after so many of its group had been staged.
type refusal struct {
	r      *Request
	staged int
}

// Names in the data directory.
const (
	lockName       = "LOCK"
	walDir         = "wal"
	segmentDir     = "segments"
	quarantineName = "quarantine"
	suspectName    = "SUSPECT"
)

// syncError marks a failed sync, after which the node must acknowledge nothing. Every
// sync of the store's files and folders is sticky, of whatever file and on whichever
// goroutine: the system tells a failure once, and then a later sync may return nil
// without having written. Syncs of a backup's destination are not: that is another
// store, which is removed if it is not complete.
type syncError struct{ err error }

func (e *syncError) Error() string { return e.err.Error() }
func (e *syncError) Unwrap() error { return e.err }

func isSyncFailure(err error) bool {
	if _, ok := errors.AsType[*syncError](err); ok || isGone(err) {
		return true
	}
	if _, ok := errors.AsType[*topics.SyncError](err); ok {
		return true
	}
	return errors.Is(err, wal.ErrFailed)
}

// poison stops the node from acknowledging anything, for good: a sync has failed, or the
// files are gone.
func (e *Engine) poison(err error) {
	if isGone(err) {
		e.fail(errs.Failed.Wrap(err, fmt.Sprintf("files of the data directory %s were removed or replaced under the node, so nothing more is acknowledged; close it, see what is left, and open it again", e.cfg.Dir)), nil)
	} else {
		e.fail(errs.Failed.Wrap(err, "a sync failed, so nothing more is acknowledged; close the node and open it again"), e.suspect)
	}
}

// fail makes err what every command returns from now on, unless the node has failed
// before. It calls note first, if it is not nil, and lets everybody go who waits for what
// will not happen.
func (e *Engine) fail(err error, note func()) {
	if !e.failed.CompareAndSwap(nil, &err) {
		return
	}
	if note != nil {
		note()
	}
	close(e.broken)
	if e.procs != nil {
		e.procs.Wake()
	}
	e.watches.callAll()
	e.cfg.Logger.Error("pipeproc: the node stops taking writes", "err", err)
	e.event(Event{Kind: EventFailed, Err: err})
}

// writable returns why the engine accepts no writes, or nil.
func (e *Engine) writable() error {
	if p := e.failed.Load(); p != nil {
		return *p
	}
	return e.readOnly
}

// Topic returns a topic for reading.
func (e *Engine) Topic(name string) (*topics.Topic, error) {
	if e.shut.Load() {
		return nil, errClosed()
	}
	return e.reg.Topic(name)
}

// TopicAgain is Topic for callers that read record after record, usually of the same
// topic. last is what the previous call returned, or nil: if it is the topic, no
// look-up is needed.
func (e *Engine) TopicAgain(name string, last *topics.Topic) (*topics.Topic, error) {
	if last != nil && last.Is(name) && !e.shut.Load() {
		return last, nil
	}
	return e.Topic(name)
}

// Topics returns all topics for reading, by name.
func (e *Engine) Topics() ([]*topics.Topic, error) {
	if e.shut.Load() {
		return nil, errClosed()
	}
	return e.reg.Topics(), nil
}

// WaitTopic returns a topic for reading as soon as it exists.
func (e *Engine) WaitTopic(ctx context.Context, name string) (*topics.Topic, error) {
	if e.shut.Load() {
		return nil, errClosed()
	}
	return e.reg.WaitTopic(ctx, name)
}

// Freeze calls fn for every topic while no commit can become visible, and returns the
// position of the newest visible one. fn holds up commits, so it must be quick.
func (e *Engine) Freeze(fn func(*topics.Topic)) (uint64, error) {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	if e.shut.Load() {
		return 0, errClosed()
	}
	for _, t := range e.reg.Topics() {
		fn(t)
	}
	return e.reg.Published(), nil
}

// Recovery returns what Open found.
func (e *Engine) Recovery() Recovery { return e.recovery }

// Err returns why the engine accepts no writes, or nil.
func (e *Engine) Err() error { return e.writable() }

// Sync makes everything acknowledged so far durable.
func (e *Engine) Sync(ctx context.Context) error {
	if err := e.writable(); err != nil && ctx.Err() == nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		e.commitMu.Lock()
		l, closed := e.log, e.shut.Load()
		e.commitMu.Unlock()
		if closed {
			return errClosed()
		}
		if l == nil {
			return e.Checkpoint() // of what an earlier opening has logged, if it is nowhere else
		}
		err := l.Sync()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, wal.ErrFailed):
			e.poison(err)
			return *e.failed.Load()
		case !errors.Is(err, wal.ErrClosed):
			return err
		}
		// The log was closed meanwhile, by Close or by restartLog.
	}
}

// Durable returns the position up to which commands are durable.
func (e *Engine) Durable() uint64 {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	if e.log == nil {
		return e.store.Position
	}
	return max(e.log.Durable(), e.store.Position)
}

// Identity returns the store's id, its epoch, which counts the times it was opened
// for writing, and the largest batch that it accepts, in bytes.
func (e *Engine) Identity() (id [16]byte, epoch uint64, maxBatch int) {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	return e.store.ID, e.store.Epoch, e.cfg.MaxBatch
}

// Done is closed when the engine is being closed.
func (e *Engine) Done() <-chan struct{} { return e.procs.Done() }

func errClosed() error { return errs.Closed.With("the node is closed") }

// Close finishes running work, takes a last checkpoint and releases the directory.
// Another call waits until that is done and returns nil.
func (e *Engine) Close() error {
	e.commitMu.Lock()
	if e.shut.Load() {
		e.commitMu.Unlock()
		<-e.released
		return nil
	}
	defer close(e.released)
	e.shut.Store(true)
	e.commitMu.Unlock()

	e.timerMu.Lock()
	if e.pending != nil {
		e.pending.Stop()
	}
	e.timerMu.Unlock()
	e.reg.Close()
	e.procs.Close()
	e.deadlines.close()
	if e.gcStop != nil {
		e.gcStop()
		<-e.gcDone
	}
	var err error
	if e.stop != nil {
		close(e.stop)
		<-e.stopped
	}
	if e.readOnly == nil && e.failed.Load() == nil {
		err = e.finish()
	}
	e.reg.Free()
	e.closeUnsynced()
	if cerr := e.files.Close(); err == nil {
		err = cerr
	}
	e.site.close()
	e.dirs.close()
	if cerr := e.lock.close(); err == nil {
		err = cerr
	}
	if p := e.failed.Load(); err == nil && p != nil {
		err = *p // commits that were acknowledged without a sync may not be on disk
	}
	return err
}

// closeUnsynced closes the files that are still open if there was no last checkpoint.
// It writes and syncs nothing, also after a failed sync: see file_suspect.go.
func (e *Engine) closeUnsynced() {
	e.ckptMu.Lock()
	defer e.ckptMu.Unlock()
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	if e.log != nil {
		_ = e.log.Close(math.MaxInt)
	}
	e.reg.ReleaseDirty()
}

// finish takes the final checkpoint and marks the store clean. If it cannot, it makes
// the data durable in the WAL, for the next open to replay.
func (e *Engine) finish() error {
	e.ckptMu.Lock()
	defer e.ckptMu.Unlock()
	err := e.checkpointLocked(true)
	if err != nil && e.log != nil && !isGone(err) {
		if serr := e.log.Sync(); serr != nil {
			if errors.Is(serr, wal.ErrFailed) {
				e.poison(serr)
			}
			return fmt.Errorf("closing: %w", errors.Join(err, serr))
		}
		_ = e.log.Close(1)
		return fmt.Errorf("closing: no final checkpoint, the next open will replay the WAL: %w", err)
	}
	if err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	return nil
}
