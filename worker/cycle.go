package worker

import (
	"context"
	"errors"
	"log/slog"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/topics"
)

// cycle is one claim, from claiming to acknowledging.
func (p *Pool) cycle(w *worker) outcome {
	e, c := w.entry, w.claim
	if e.owed != nil {
		if o := p.settleDebt(e); o != failed {
			return o
		}
	}
	if w.job == nil {
		return empty
	}
	c.Records = c.Records[:0]
	if err := p.src.Claim(p.ctx, e.name, w.job.Count, c); err != nil {
		return p.claimFailed(e, err)
	}
	if len(c.Records) == 0 {
		return empty
	}
	if !p.begin(w) {
		return p.returnClaim(w, nil)
	}
	return p.conclude(w, w.call())
}

// claimFailed decides what follows an error of Claim. It logs the first of a
// series of errors of the same kind.
func (p *Pool) claimFailed(e *entry, err error) outcome {
	if errors.Is(err, errs.Closed) {
		return closed
	}
	kind := errs.Code(err)
	if kind == "" {
		kind = err.Error()
	}
	p.mu.Lock()
	news := e.lastError != kind && !p.closing
	e.lastError = kind
	p.mu.Unlock()
	if news {
		p.log.Warn("a proc cannot be claimed", "proc", e.name, "err", err)
	}
	if errors.Is(err, errs.ProcDisabled) || errors.Is(err, errs.InvalidProc) {
		return refused
	}
	return retry
}

// begin starts the timeout of a claim, unless its job was removed or the pool
// closes.
func (p *Pool) begin(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.job = w.entry.job; w.job == nil || p.closing {
		return false
	}
	w.inProcessor = true
	p.claims++
	w.arm()
	return true
}

// errLate is the failure of a processor that succeeded only after the claim's
// timeout: the Source takes the claim back, or has done so.
var errLate = errors.New("the processor returned after the reclaim timeout")

// call calls the processor. It does not return if that calls runtime.Goexit.
func (w *worker) call() (err error) {
	c, job := w.claim, w.job
	var ctx context.Context
	if c.Timeout > 0 {
		ctx, w.cancel = context.WithTimeout(w.pool.ctx, c.Timeout)
	} else {
		ctx, w.cancel = context.WithCancel(w.pool.ctx)
	}
	defer func() {
		if err == nil && ctx.Err() == context.DeadlineExceeded {
			err = errLate
		}
	}()
	w.out.Reset()
	n := min(job.Lanes, len(c.Records))
	if n == 1 {
		w.work.reset(job, c, c.Records, &w.out, nil)
		return invoke(ctx, job.Fn, &w.work)
	}
	list, err := w.lanes.run(ctx, w.cancel, job, c, n)
	for i := 0; i < n && err == nil; i++ {
		err = list[i].out.appendTo(&w.out)
	}
	return err
}

// conclude ends a claim whose processor has returned err.
func (p *Pool) conclude(w *worker, err error) outcome {
	p.mu.Lock()
	w.inProcessor = false
	w.disarm()
	gone := w.hung || p.abandoned
	p.mu.Unlock()
	w.cancel()
	c := w.claim
	if err != nil {
		p.logFailure(w, err)
	}
	switch {
	case gone:
		p.log.Info("a processor returned too late; what it emitted is dropped", w.attrs(err)...)
		return failed
	case err != nil:
		return p.returnClaim(w, err)
	}
	var out *topics.Batch
	if w.out.Len() > 0 {
		out = &w.out
	}
	err = p.src.AckCommit(p.finalCtx, c, out)
	switch {
	case err == nil:
		return acked
	case errors.Is(err, errs.ClaimLost):
		p.log.Warn("a claim was lost before it was acknowledged", w.attrs(err)...)
		return failed
	case errors.Is(err, errs.Closed):
		return closed
	}
	p.log.Warn("a claim could not be acknowledged", w.attrs(err)...)
	if o := p.returnClaim(w, err); o != failed {
		return o
	}
	return retry
}

func (w *worker) attrs(err error) []any {
	return []any{"proc", w.entry.name, "topic", w.job.Topic, "attempt", w.claim.Attempt, "err", err}
}

func (p *Pool) logFailure(w *worker, err error) {
	if f, ok := err.(*failure); ok && f.stack != nil { //nolint:errorlint // nothing of the processor's is called
		p.log.Error("a processor panicked", append(w.attrs(err), "stack", string(f.stack))...)
		return
	}
	level := slog.LevelWarn
	if p.ctx.Err() != nil {
		level = slog.LevelInfo // it was told to stop
	}
	p.log.Log(p.finalCtx, level, "a processor failed", w.attrs(err)...)
}
