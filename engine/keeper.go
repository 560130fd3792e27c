package engine

import (
	"errors"
	"sync"

	"github.com/pipeproc/pipeproc/wal"
)

// The engine has three goroutines of its own, so that work that waits for the disk
// does not hold up other work: one writes large tails to their files, the keeper
// creates WAL files ahead of need and asks for checkpoints, and one takes checkpoints.
// They sleep unless woken.

// startKeeper starts the three goroutines. They end when e.stop is closed; then
// e.stopped is closed.
func (e *Engine) startKeeper() {
	e.stop, e.stopped = make(chan struct{}), make(chan struct{})
	e.ckptWanted = make(chan struct{}, 1)
	var all sync.WaitGroup
	all.Go(func() { e.loop(e.reg.Hot(), e.writeTails) })
	all.Go(func() { e.loop(e.kick, e.tend) })
	all.Go(func() { e.loop(e.ckptWanted, e.checkpointIfDue) })
	stopped := e.stopped
	go func() {
		all.Wait()
		close(stopped)
	}()
}

// loop calls work whenever wake delivers, unless the node takes no commits. It ends
// when e.stop is closed.
func (e *Engine) loop(wake <-chan struct{}, work func()) {
	for {
		select {
		case <-e.stop:
			return
		case <-wake:
		}
		if e.writable() == nil {
			e.run("the keeper", work)
		}
	}
}

// writeTails writes large tails to their files. It ignores errors: a checkpoint that
// needs the same bytes meets them again.
func (e *Engine) writeTails() { _ = e.reg.FlushHot() }

func (e *Engine) wakeKeeper() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

// tend creates the next WAL file if it is needed soon, and asks for a checkpoint if
// one is due.
func (e *Engine) tend() {
	e.commitMu.Lock()
	l := e.log
	e.commitMu.Unlock()
	if l == nil {
		return
	}
	e.inspectRolled(l)
	if l.Wanting() {
		// If there is no file, the leader creates one and reports what goes wrong. A
		// sync that failed is told only once, so it counts here.
		if err := l.Prepare(); errors.Is(err, wal.ErrFailed) {
			e.poison(err)
		}
	}
	if !e.checkpointDue() {
		return
	}
	select {
	case e.ckptWanted <- struct{}{}:
	default: // one has been asked for
	}
}
