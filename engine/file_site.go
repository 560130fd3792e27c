package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

// An open node works in the directory that it opened, whatever becomes of its name. What
// others do to that directory meanwhile is found in two ways. The log asks after each sync
// and at each new file whether its file still has a name (wal.ErrRemoved). And at each new
// file of the log and at each checkpoint the node looks whether what it works with is
// still what the names lead to:
//
//   - STORE, or a folder, is gone or another one: the next opening will not find what is
//     written from now on. The node stops.
//   - LOCK is gone: it is made again, for programs that know only that. The lock on the
//     directory itself has kept others out. If LOCK is another one, and held, such a
//     program is at work in the directory, and the node stops.
//   - the directory was moved, or another one put in its place: the node goes on.

// errGone begins the errors that say what of the directory was removed or replaced.
var errGone = errors.New("the directory is not what it was")

// isGone reports whether err says that files were removed or replaced under the node.
func isGone(err error) bool { return errors.Is(err, errGone) || errors.Is(err, wal.ErrRemoved) }

// site is the directory of an open node, as it was when the node was opened.
type site struct {
	mu    sync.Mutex
	store vfs.File // held open, as some file systems number files that are open only
	wal   vfs.Dir
	lock  vfs.ID
	told  bool   // that LOCK is gone
	moved bool   // and it was told
	seen  uint64 // number of the log's file at the last look
}

// settle remembers what is there now, before the node takes its first commit.
func (s *site) settle(dir vfs.Dir) (err error) {
	if s.store, err = dir.Open(storeName, vfs.Read); err != nil {
		return err
	}
	if s.wal, err = dir.OpenDir(walDir); err != nil {
		return err
	}
	info, err := dir.Stat(lockName)
	if errors.Is(err, fs.ErrNotExist) { // already: the first look makes it again
		err = nil
	}
	s.lock = info.ID
	return err
}

// close lets go of what settle has opened.
func (s *site) close() {
	if s.store != nil {
		_ = s.store.Close()
	}
	if s.wal != nil {
		_ = s.wal.Close()
	}
	s.store, s.wal = nil, nil
}

// missing reports how the file or folder name has gone from dir, if it has. now
// describes the one that was there. An error of asking is no answer.
func missing(dir vfs.Dir, name string, now vfs.Info, err error) (how string) {
	if err != nil {
		return ""
	}
	info, err := dir.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "removed"
	case err == nil && info.ID != now.ID, errors.Is(err, syscall.ELOOP):
		return "replaced"
	}
	return ""
}

// inspect looks at the directory. The error wraps errGone.
func (e *Engine) inspect() error {
	if e.site.store == nil || mutate.SkipPlace { // in a repair
		return nil
	}
	s, top := &e.site, e.dirs.top
	s.mu.Lock()
	var events []Event
	defer func() {
		s.mu.Unlock()
		for _, ev := range events {
			e.event(ev)
		}
	}()
	tell := func(file, what string, err error) {
		e.cfg.Logger.Warn("pipeproc: "+what, "dir", e.cfg.Dir, "err", err)
		events = append(events, Event{Kind: EventMoved, File: file, Err: err})
	}
	if err := e.stays(); err != nil {
		if self, serr := top.Stat("."); serr == nil && self.Links == 0 {
			err = fmt.Errorf("%w: it was removed", errGone)
		}
		return err
	}
	how := missing(top, lockName, vfs.Info{ID: s.lock}, nil)
	if how != "" {
		told := s.told
		err := e.lockAgain(how)
		if isGone(err) {
			return err
		}
		if s.told = err != nil; !told {
			tell(lockName, "the file LOCK was "+how+" under the node; that lets nobody else in, and is never needed", err)
		}
	}
	named, err := top.Named()
	if err != nil || named != s.moved { // not known, or nothing new
		return nil
	}
	if s.moved = !named; s.moved {
		tell(e.cfg.Dir, "the data directory was moved, or another one put in its place; the node goes on in its own", nil)
	}
	return nil
}

// stays checks that STORE and the folders are still there.
func (e *Engine) stays() error {
	top := e.dirs.top
	check := func(name string, now vfs.Info, err error) error {
		if how := missing(top, name, now, err); how != "" {
			return fmt.Errorf("%w: %s was %s", errGone, name, how)
		}
		return nil
	}
	now, err := e.site.store.Stat()
	if err := check(storeName, now, err); err != nil {
		return err
	}
	now, err = e.site.wal.Stat(".")
	if err := check(walDir, now, err); err != nil {
		return err
	}
	now, err = e.dirs.segments.Stat(".")
	return check(segmentDir, now, err)
}

// lockAgain takes the lock of the file LOCK, of which ours was removed or replaced. The
// caller holds site.mu.
func (e *Engine) lockAgain(how string) error {
	again, err := e.dirs.top.Lock(lockName)
	if errors.Is(err, vfs.ErrLocked) {
		return fmt.Errorf("%w: another program has taken the file LOCK, which was %s: %w", errGone, how, err)
	}
	if err != nil {
		return err
	}
	info, err := e.dirs.top.Stat(lockName)
	if err != nil {
		_ = again.Close()
		return err
	}
	_ = e.lock.file.Close()
	e.lock.file, e.site.lock = again, info.ID
	return nil
}

// inspectRolled looks at the directory if the log has begun another file since.
func (e *Engine) inspectRolled(l *wal.Log) {
	n := l.Number()
	e.site.mu.Lock()
	seen := e.site.seen == n
	e.site.seen = n
	e.site.mu.Unlock()
	if seen {
		return
	}
	if err := e.inspect(); err != nil {
		e.poison(err)
	}
}
