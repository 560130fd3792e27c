package wal

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// Log is a log that is open for writing.
//
// Append and Roll may be called by one goroutine at a time, the leader. All
// other methods are safe for concurrent use, except that Close must not overlap
// with Append or Roll.
type Log struct {
	cfg Config
	dir vfs.Dir // also cfg.FS; kept open so that syncing needs no new descriptor; nil once closed

	// Counters that are read without a lock.
	position atomic.Uint64 // of the last appended frame
	durable  atomic.Uint64 // of the last frame known durable
	started  atomic.Uint64 // number of the current file
	settled  atomic.Uint64 // number of the last file whose header and name are durable
	stopped  atomic.Pointer[halt]

	// Locks, in the order in which they are taken.
	prepMu sync.Mutex // held while a spare is prepared
	syncMu sync.Mutex // held while files are synced or leave live
	mu     sync.Mutex // guards next, live and spares; never held during I/O

	next   uint64  // number of the next file to be made
	live   []*file // ascending, the current one last
	spares []*file

	// Used by the leader only.
	cur          *file
	header       [headerSize]byte // scratch space
	out          gathered         // to be written
	sizes        []int64          // of the frames being appended; batch is the last of them
	batch        []Frame          // mapped: what storeBatch stores
	stored       int              // mapped: how many of them it has stored
	guard        func()           // mapped: l.storeBatch, allocated once
	note, noting bool             // mapped: storeBatch notes them in the mark; has begun to
	lastSum      uint64           // of the header of the newest frame, 0 if unknown
	mark         *markFile        // nil if there is none; see Acknowledge

	dirty []*file // scratch space of Sync, guarded by syncMu
}

// halt is the reason why a log accepts no more frames.
type halt struct{ err error }

// failure returns why the log accepts no more frames, or nil if it does.
func (l *Log) failure() error {
	if s := l.stopped.Load(); s != nil && !mutate.ForgetSyncFailure {
		return s.err
	}
	return nil
}

// Position returns the position of the last appended frame.
func (l *Log) Position() uint64 { return l.position.Load() }

// Durable returns the highest position known to be durable. All positions
// before it are, too.
func (l *Log) Durable() uint64 { return l.durable.Load() }

// Files returns the number of live files: those not dropped yet, including
// files of earlier Logs.
func (l *Log) Files() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live)
}

// Mapped reports whether short frames are stored to mapped memory, and not written.
func (l *Log) Mapped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live) > 0 && l.live[len(l.live)-1].isStored()
}

// Size returns the size of the live files' headers and frames, in bytes. Unused
// space and spares do not count.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n int64
	for _, f := range l.live {
		n += f.end.Load()
	}
	return n
}

// Close closes all files and removes all spares except keep of them. It does
// not sync. Every later call returns ErrClosed, or the error of a failed sync.
//
// After a failed sync the files are closed like any others. Keeping one open
// would tell the next process that opens the log nothing: the kernel has
// reported the error, and a later sync of the same pages may succeed without
// having written them (Config.Rewrite).
func (l *Log) Close(keep int) error {
	l.prepMu.Lock()
	defer l.prepMu.Unlock()
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.stopped.CompareAndSwap(nil, &halt{ErrClosed})
	l.mu.Lock()
	live, spares := l.live, l.spares
	l.live, l.spares = nil, nil
	l.mu.Unlock()

	var errs []error
	for _, f := range live {
		errs = append(errs, f.close())
	}
	for i, f := range spares {
		errs = append(errs, f.close())
		if i >= keep {
			errs = append(errs, l.cfg.FS.Remove(l.path(f.number)))
		}
	}
	if l.dir != nil {
		errs = append(errs, l.dir.Close())
		l.dir = nil
	}
	l.mark.close()
	l.cur, l.out, l.mark = nil, gathered{}, nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("wal: close: %w", err)
	}
	return nil
}
