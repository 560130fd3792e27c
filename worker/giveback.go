package worker

import (
	"errors"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// giveBack gives the worker's claim back: as failed for reason, or uncounted
// when there is none or the pool closes. A claim that cannot be given back is
// owed, so that a proc whose claims never time out is not stuck for ever.
func (p *Pool) returnClaim(w *worker, reason error) outcome {
	p.mu.Lock()
	if p.closing {
		reason = nil
	}
	over := p.abandoned
	p.mu.Unlock()
	if over {
		return failed
	}
	d := &debt{w.claim, reason}
	o := p.returnDebt(d, w.entry.name)
	if o == retry {
		p.mu.Lock()
		w.entry.owed = d
		p.mu.Unlock()
		w.claim = new(Claim)
	}
	return o
}

// settleDebt gives back what e owes.
func (p *Pool) settleDebt(e *entry) outcome {
	o := p.returnDebt(e.owed, e.name)
	if o != retry {
		p.mu.Lock()
		e.owed = nil
		p.mu.Unlock()
	}
	return o
}

// pay gives a claim back. The outcome is failed when it is not open any more,
// by this call or before.
func (p *Pool) returnDebt(d *debt, proc string) outcome {
	var err error
	if d.reason == nil {
		err = p.src.Release(p.finalCtx, d.claim)
	} else {
		err = p.src.Reclaim(p.finalCtx, d.claim, d.reason)
	}
	switch {
	case err == nil:
		return failed
	case errors.Is(err, errs.ClaimLost), errors.Is(err, errs.NothingToReclaim), errors.Is(err, errs.InvalidProc):
		p.log.Info("a claim was gone before it was given back", "proc", proc, "err", err)
		return failed
	case errors.Is(err, errs.Closed):
		return closed
	}
	p.log.Warn("a claim could not be given back; it will be tried again", "proc", proc, "err", err)
	return retry
}
