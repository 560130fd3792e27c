package program

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// onLaunched registers a process that was started.
func (p *Program) onLaunched(pr *process) {
	p.mu.Lock()
	pr.starting = true
	p.procs[pr] = struct{}{}
	p.stats.Started++
	closed := p.closed
	p.mu.Unlock()
	if closed {
		pr.stop()
	}
}

// onGreeted makes a process available that has written its first line.
func (p *Program) onGreeted(pr *process) {
	p.mu.Lock()
	pr.starting = false
	p.starting--
	p.mu.Unlock()
	p.give(pr)
}

// onStartFailed takes back the slot of a process that could not be started.
func (p *Program) onStartFailed(s *slot, err error) {
	p.o.Logger.Warn("a program cannot be started", "err", err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	p.grantNext(grant{err: err})
	p.failed(s, err)
}

// onExit takes back the slot of a process. err is nil if the process was asked
// to end.
func (p *Program) onExit(pr *process, err error) {
	if err != nil {
		level := slog.LevelWarn
		if pr.isOutcomeDue() {
			level = slog.LevelInfo // the goroutine that runs the claim reports it too
		}
		p.o.Logger.Log(context.Background(), level, "a program has ended before its time", "pid", pr.pid, "err", err)
		defer pr.settle(err) // last, so that Stats are right by then
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.idle, pr); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	delete(p.procs, pr)
	if pr.starting {
		p.starting--
	}
	if err == nil {
		p.release(pr.slot)
		p.superviseDone()
		return
	}
	if pr.starting {
		p.grantNext(grant{err: err})
	}
	p.failed(pr.slot, err)
}

// failed makes a slot wait for a delay, which doubles with each failure, before
// it is free. p.mu is held.
func (p *Program) failed(s *slot, err error) {
	p.last = err
	p.stats.Failed++
	s.delay = min(max(2*s.delay, minDelay), maxDelay)
	if !p.closed {
		s.rest = time.AfterFunc(s.delay, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			s.rest = nil
			p.release(s)
		})
	}
	p.superviseDone()
}

// release frees a slot. p.mu is held.
func (p *Program) release(s *slot) {
	p.free = append(p.free, s)
	p.start()
}

// superviseDone is called at the end of tend. p.mu is held.
func (p *Program) superviseDone() {
	if p.live--; p.live == 0 && p.closed {
		close(p.drained)
	}
}
