package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// Close stops claiming, cancels the contexts of processors, and waits until all
// have returned and their claims are settled: the claim of a processor that
// succeeds is acknowledged, that of one that fails is given back uncounted. It
// waits for Options.Grace or until ctx ends.
//
// The error then names the procs whose processors still run; it wraps the cause
// of ctx, or context.DeadlineExceeded. Whatever these processors do later is
// dropped without a call of the Source; their claims stay open until they time
// out. Close may be called again and reports what still runs. A processor must
// not call it.
func (p *Pool) Close(ctx context.Context) error {
	p.beginClose()
	t := time.NewTimer(p.opts.Grace)
	defer t.Stop()
	cause := context.DeadlineExceeded
	select {
	case <-p.drained:
	case <-p.finalCtx.Done(): // another Close has given up waiting
	case <-t.C:
	case <-ctx.Done():
		cause = context.Cause(ctx)
	}
	p.mu.Lock()
	p.abandoned = true
	var names []string
	for _, e := range p.procs {
		if e.running || e.hung > 0 {
			names = append(names, fmt.Sprintf("%q", e.name))
		}
	}
	p.mu.Unlock()
	p.endFinal()
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("processors of %s still run: %w", strings.Join(names, ", "), cause)
}

var errClosing = errs.Closed.With("the pool of workers is closing")

// beginClose begins to close, also when the Source says that it is closed.
func (p *Pool) beginClose() {
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return
	}
	p.closing = true
	var stops []func()
	for _, e := range p.procs {
		if e.stop != nil {
			stops = append(stops, e.stop)
			e.stop = nil
		}
		if e.retryTimer != nil {
			e.retryTimer.Stop()
			e.retryTimer = nil
		}
	}
	p.idle = 0
	p.cond.Broadcast()
	if p.live == 0 {
		close(p.drained)
	}
	p.mu.Unlock()
	p.cancel(errClosing)
	for _, stop := range stops {
		stop()
	}
}
