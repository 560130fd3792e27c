package behaviour_test

import (
	"context"

	"github.com/pipeproc/pipeproc"
)

// nextClaim waits for the next claim of a live proc.
func nextClaim(ctx context.Context, p *pipeproc.LiveProc) (pipeproc.Claim, error) {
	for c, err := range p.Claims(ctx) {
		return c, err
	}
	return pipeproc.Claim{}, pipeproc.ErrClosed // it was cancelled
}

// eachClaim calls fn for each claim, or error, until fn returns an error or the loop
// ends. It returns the cause of a context that ended, and nil for a live proc that
// was cancelled.
func eachClaim(ctx context.Context, p *pipeproc.LiveProc, fn func(*pipeproc.LiveProc, pipeproc.Claim, error) error) error {
	for c, err := range p.Claims(ctx) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := fn(p, c, err); err != nil {
			return err
		}
	}
	return nil
}
