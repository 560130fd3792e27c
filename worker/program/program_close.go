package program

import (
	"fmt"
	"slices"
	"time"
)

// killWait is how long Close waits for a process that got a SIGKILL.
const killWait = 5 * time.Second

// Close ends all processes, and waits until they are gone: three times
// Options.StopGrace and some seconds at the most. A claim that runs may go on for
// one of them; claims that wait, and later ones, fail with closed. Close the pool
// first, to give claims back uncounted.
//
// The error names processes that not even a SIGKILL has ended by then, which
// happens when the system does not let go of them. Close may be called again.
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
