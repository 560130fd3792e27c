package worker

import (
	"errors"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// returnClaim gives the worker's claim back: as failed for reason, or uncounted
// if there is no reason or the pool closes. If that fails, the entry owes the
// claim and tries again, so that a proc whose claims never time out does not
// get stuck.
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
		w.claim = new(Task)
	}
	return o
}

// settleDebt gives back the claim that e owes.
func (p *Pool) settleDebt(e *entry) outcome {
	o := p.returnDebt(e.owed, e.name)
	if o != retry {
		p.mu.Lock()
		e.owed = nil
		p.mu.Unlock()
	}
	return o
}

// returnDebt gives a claim back. The outcome is failed if the claim is no
// longer open, by this call or before.
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
