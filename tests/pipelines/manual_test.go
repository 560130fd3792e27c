package pipelines

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc"
)

// claims are the options of the proc of a stage that is no system proc.
func (s *stage) claims(timeout time.Duration) pipeproc.ProcOptions {
	return pipeproc.ProcOptions{Name: s.name, Topic: s.from[0], Count: s.count, Retry: pipeproc.RetryPolicy{ReclaimTimeout: timeout, MaxReclaims: -1, OnMaxReclaims: pipeproc.StrategyContinue}}
}

// consume claims and acknowledges for a stage that is no system proc, until ctx
// ends or something fails. Several callers may share the stage. With some
// claims it waits for late, if that is not 0, so that they are lost to another
// caller, and with some it fails.
func (s *stage) consume(ctx context.Context, n *pipeproc.Node, timeout, late time.Duration) error {
	o := s.claims(timeout)
	var b pipeproc.Batch
	for {
		if err := n.WaitForWork(ctx, s.name); err != nil {
			return err
		}
		c, err := n.Claim(ctx, o)
		if err != nil {
			return err
		}
		if c.Empty() {
			continue
		}
		b.Reset()
		for i := range c.Records {
			r := &c.Records[i]
			if err := b.AddRecord(&pipeproc.Record{Topic: s.to[0], Key: r.Key, Body: derive(r.Body, s.name, r.ID.Seq)}); err != nil {
				return err
			}
		}
		switch h := xxhash.Sum64(c.Records[0].Body); {
		case h%397 == 0 && c.Attempt == 1:
			_, err = n.Reclaim(ctx, s.name, c.Token, "")
		case h%397 == 1 && c.Attempt == 1 && late > 0:
			over := time.NewTimer(late)
			select {
			case <-over.C:
			case <-ctx.Done():
			}
			fallthrough
		default:
			_, err = n.AckCommitBatch(ctx, s.name, c.Token, &b)
		}
		if err != nil && !errors.Is(err, pipeproc.ErrClaimLost) {
			return err
		}
	}
}

// consumers runs two callers for each stage that is no system proc. stop ends
// them. fail is called when one fails otherwise, and says whether it goes on.
func consumers(n *pipeproc.Node, stages []stage, timeout, late time.Duration, fail func(error) bool) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range stages {
		for range 2 {
			if s := &stages[i]; s.manual {
				wg.Go(func() {
					for {
						err := s.consume(ctx, n, timeout, late)
						if ctx.Err() != nil || !fail(err) {
							return
						}
					}
				})
			}
		}
	}
	return func() {
		cancel()
		wg.Wait()
	}
}
