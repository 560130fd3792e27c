package program

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Bounds of the wait before a failed process is replaced.
const (
	minDelay = 10 * time.Millisecond
	maxDelay = 3 * time.Second
)

// slot is a place for a process; there are Options.Processes of them. It is
// guarded by Program.mu.
type slot struct {
	delay time.Duration // the latest wait, 0 after a success
	rest  *time.Timer   // set during the wait
}

// waiter is a claim that waits for a process.
type waiter struct {
	got chan grant // of capacity 1
}

// grant is a process, or the error that there is none.
type grant struct {
	pr  *process
	err error
}

// The invariant: there are no idle processes while claims wait, and as many
// processes are being started as claims wait, as long as slots are free. A
// process or slot that becomes available is handed out accordingly.

// take waits for a process and prepares it for a claim of n records.
func (p *Program) take(ctx context.Context, n int) (*process, error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, errClosed
		}
		if i := len(p.idle) - 1; i >= 0 {
			pr := p.idle[i]
			p.idle = p.idle[:i]
			p.mu.Unlock()
			if pr.begin(n) {
				return pr, nil
			}
			continue // it is ending and was not taken from the list yet
		}
		w := &waiter{make(chan grant, 1)}
		p.waiting = append(p.waiting, w)
		p.start()
		p.mu.Unlock()
		pr, err := p.wait(ctx, w)
		if err != nil || pr.begin(n) {
			return pr, err
		}
	}
}

// wait waits until w is served or ctx has ended.
func (p *Program) wait(ctx context.Context, w *waiter) (*process, error) {
	select {
	case g := <-w.got:
		return g.pr, g.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(p.waiting, w)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	last := p.last
	p.mu.Unlock()
	if i < 0 { // it was served at the same time
		if g := <-w.got; g.pr != nil {
			p.give(g.pr)
		}
	}
	err := fmt.Errorf("no process of the program is free: %w", context.Cause(ctx))
	if last != nil {
		err = fmt.Errorf("%w; this has ended the last one: %w", err, last)
	}
	return nil, err
}

// start starts a process for each waiting claim, as far as slots are free. p.mu
// is held.
func (p *Program) start() {
	for !p.closed && p.starting < len(p.waiting) && len(p.free) > 0 {
		i := len(p.free) - 1
		s := p.free[i]
		p.free = p.free[:i]
		p.starting++
		p.live++
		go p.tend(s)
	}
}

// grantNext gives g to the claim that waits longest, if any. p.mu is held.
func (p *Program) grantNext(g grant) bool {
	if len(p.waiting) == 0 {
		return false
	}
	p.waiting[0].got <- g
	p.waiting = slices.Delete(p.waiting, 0, 1)
	return true
}

// give takes back a process obtained by take.
func (p *Program) give(pr *process) {
	p.mu.Lock()
	old := p.closed || p.o.RestartAfter > 0 && pr.claims >= p.o.RestartAfter
	if !old && pr.usable() && !p.grantNext(grant{pr: pr}) {
		p.idle = append(p.idle, pr)
	}
	p.mu.Unlock()
	if old {
		pr.stop()
	}
}
