package program

import (
	"fmt"
	"slices"
	"time"
)

// killWait is how long Close waits after SIGKILL.
const killWait = 5 * time.Second

// Close ends all processes and waits for that: at most three times
// Options.StopGrace and some seconds. A running claim may continue for one
// StopGrace; waiting claims, and later ones, fail with closed. Close the pool
// first, to give claims back uncounted.
//
// The error names processes that even SIGKILL has not ended by then, which
// happens when the kernel does not release them. Close may be called again.
func (p *Program) Close() error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		for p.grantNext(grant{err: errClosed}) {
		}
		for i := range p.slots {
			if t := p.slots[i].rest; t != nil {
				t.Stop()
			}
		}
		for pr := range p.procs {
			pr.retire()
		}
		p.idle, p.free = nil, nil
		if p.live == 0 {
			close(p.drained)
		}
	}
	p.mu.Unlock()
	t := time.NewTimer(3*p.o.StopGrace + killWait)
	defer t.Stop()
	select {
	case <-p.drained:
		return nil
	case <-t.C:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var pids []int
	for pr := range p.procs {
		pids = append(pids, pr.pid)
	}
	slices.Sort(pids)
	return fmt.Errorf("processes of the program do not end: %v", pids)
}
