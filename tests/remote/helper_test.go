package remote_test

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
