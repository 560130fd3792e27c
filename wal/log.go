package wal

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/vfs"
)

// Log is a log that is open for writing.
//
// Append and Roll belong to one goroutine at a time, the leader. All other
// methods may be called by any goroutine at any time; only Close must not
// overlap with Append or Roll.
type Log struct {
	cfg Config
	dir vfs.Dir // also cfg.FS; nil once closed

	// Counters that are read without a lock.
	position atomic.Uint64 // of the last appended frame
	durable  atomic.Uint64 // of the last frame known durable
	started  atomic.Uint64 // number of the current file
	settled  atomic.Uint64 // number of the last file whose header and name are durable
	stopped  atomic.Pointer[halt]

	// Locks, in the order in which they are taken.
	prepMu sync.Mutex // held while a spare is made
	syncMu sync.Mutex // held while files are synced or leave the live ones
	mu     sync.Mutex // guards next, live and spares; never held during I/O

	next   uint64  // number of the next file to be made
	live   []*file // ascending, the current one last
	spares []*file

	// The leader's.
	cur    *file
	header [headerSize]byte // scratch space
	out    gathered         // to be written
	sizes  []int64          // of the frames that are being appended; batch is the last of them
	batch  []Frame          // mapped: what storeBatch stores
	stored int              // mapped: how many of them it has stored
	guard  func()           // mapped: l.storeBatch, allocated once

	dirty []*file // scratch space of Sync, guarded by syncMu
}

// halt is why a log takes no more frames.
type halt struct{ err error }

// failure returns why the log takes no more frames, nil if it does.
func (l *Log) failure() error {
	if s := l.stopped.Load(); s != nil {
		return s.err
	}
	return nil
}

// Position returns the position of the last appended frame.
func (l *Log) Position() uint64 { return l.position.Load() }

// Durable returns the highest position known to be durable. All before it are.
func (l *Log) Durable() uint64 { return l.durable.Load() }

// Files returns the number of live files: not dropped yet, whichever Log wrote
// them.
func (l *Log) Files() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live)
}

// Size returns the bytes of the live files' headers and frames. Unused space
// and spares do not count.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n int64
	for _, f := range l.live {
		n += f.end.Load()
	}
	return n
}

// Close closes all files and removes all but keep of the spares. It does not
// sync. Every later call returns ErrClosed, or the failed sync's error.
//
// After a failed sync the files are closed like any others. An open one would
// prove nothing to whoever opens the log next: the error has been reported, and a
// later sync of the same pages may succeed without them (Config.Rewrite).
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
	l.cur, l.out = nil, gathered{}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("wal: close: %w", err)
	}
	return nil
}
