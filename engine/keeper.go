package engine

import "sync"

// The engine has two goroutines of its own. The keeper does what commits are not
// to wait for: it writes large tails to their files and makes WAL files ahead of
// need. It asks the other one for checkpoints, which wait for the disk, so that it
// never does. Both sleep unless woken.

// startKeeper starts both. They end when e.stop is closed; e.stopped is closed
// behind them.
func (e *Engine) startKeeper() {
	e.stop, e.stopped = make(chan struct{}), make(chan struct{})
	e.wanted = make(chan struct{}, 1)
	var both sync.WaitGroup
	both.Go(e.keep)
	both.Go(e.checkpoints)
	stopped := e.stopped
	go func() {
		both.Wait()
		close(stopped)
	}()
}

func (e *Engine) wakeKeeper() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

func (e *Engine) keep() {
	for {
		select {
		case <-e.stop:
			return
		case <-e.reg.Hot():
		case <-e.kick:
		}
		e.tend()
	}
}

func (e *Engine) tend() {
	if e.writable() != nil {
		return
	}
	// An error here shows again when a checkpoint wants the same bytes, or when
	// the leader needs a file.
	_ = e.reg.FlushHot()
	e.commitMu.Lock()
	l := e.log
	e.commitMu.Unlock()
	if l == nil {
		return
	}
	if l.Wanting() {
		_ = l.Prepare()
	}
	if !e.isDue() {
		return
	}
	select {
	case e.wanted <- struct{}{}:
	default: // it has been asked
	}
}
