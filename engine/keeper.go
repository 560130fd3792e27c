package engine

import "sync"

// The engine has three goroutines of its own, so that what waits for the disk
// keeps nobody else: one writes large tails to their files, the keeper makes WAL
// files ahead of need and asks for checkpoints, and one takes them. They sleep
// unless woken.

// startKeeper starts them. They end when e.stop is closed; e.stopped is closed
// behind them.
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

// loop calls work whenever wake delivers, as long as the node takes commits.
func (e *Engine) loop(wake <-chan struct{}, work func()) {
	for {
		select {
		case <-e.stop:
			return
		case <-wake:
		}
		if e.writable() == nil {
			work()
		}
	}
}

// writeTails writes large tails to their files. An error shows again when a
// checkpoint wants the same bytes.
func (e *Engine) writeTails() { _ = e.reg.FlushHot() }

func (e *Engine) wakeKeeper() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

func (e *Engine) tend() {
	e.commitMu.Lock()
	l := e.log
	e.commitMu.Unlock()
	if l == nil {
		return
	}
	if l.Wanting() {
		_ = l.Prepare() // without it the leader makes a file, and tells
	}
	if !e.checkpointDue() {
		return
	}
	select {
	case e.ckptWanted <- struct{}{}:
	default: // it has been asked
	}
}
