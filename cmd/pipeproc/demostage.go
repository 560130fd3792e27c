package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc"
)

// stage is a system proc of the demo. The counters are read by the live view
// while processors run.
type stage struct {
	name, from, to string
	fn             pipeproc.Processor
	count          int
	begin, end     uint64 // where it was when the demo began, and when it was done

	began   atomic.Int64           // unix milliseconds of the first claim
	claims  atomic.Uint64          // that were done for the first time
	again   atomic.Uint64          // that were done once more
	failed  atomic.Uint64          // on purpose
	failure atomic.Pointer[string] // the latest that was not on purpose
}

var errOnPurpose = errors.New("it failed on purpose")

// process runs the stage's processor. The first attempt at the first, second,
// fourth, eighth… claim fails when everything is done.
func (s *stage) process(ctx context.Context, w *pipeproc.Work) error {
	s.began.CompareAndSwap(0, time.Now().UnixMilli())
	if err := s.fn(ctx, w); err != nil {
		text := err.Error()
		s.failure.Store(&text)
		return err
	}
	if w.Attempt() > 1 {
		s.again.Add(1)
		return nil
	}
	if n := s.claims.Add(1); bits.OnesCount64(n) == 1 {
		s.failed.Add(1)
		return errOnPurpose
	}
	return nil
}

// define defines the stages, which start on existing records at once.
func (d *demo) define(ctx context.Context) error {
	n := d.ingested.perBatch
	d.stages = []*stage{
		{name: "parse", from: "lines", to: "events", fn: parseLines, count: n},
		{name: "aggregate", from: "events", to: "counts", fn: countEvents, count: n},
		{name: "report", from: "counts", to: "totals", fn: d.sumCounts, count: 10},
	}
	for _, s := range d.stages {
		// A demo that was killed cannot come back for its claims: do not wait for
		// them to time out.
		if i, err := d.node.InspectProc(ctx, s.name); err == nil && i.System == s.name && i.Claim != (pipeproc.Token{}) {
			if _, err := d.node.Reclaim(ctx, s.name, i.Claim, "its process is gone"); err != nil {
				return err
			}
		}
		// An earlier demo in this directory may have used a different claim size.
		procs, err := d.node.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: s.name, From: []string{s.from}, To: []string{s.to},
			Count: s.count, Processor: s.process, Retry: pipeproc.RetryPolicy{MaxReclaims: 6}, Replace: true})
		if err != nil {
			return err
		}
		s.begin = procs[0].Next
	}
	return nil
}

func (d *demo) names() (names []string) {
	for _, s := range d.stages {
		names = append(names, s.name)
	}
	return names
}

// ended records where each stage stopped. A stage that failed too often is
// disabled, which is an error.
func (d *demo) ended(ctx context.Context) error {
	for _, s := range d.stages {
		i, err := d.node.InspectProc(ctx, s.name)
		if err != nil {
			return err
		}
		if s.end = i.Next; !i.Disabled {
			continue
		}
		why := "is disabled; 'pipeproc resume' lets it go on"
		if f := s.failure.Load(); f != nil {
			why = "gave up: " + *f
		}
		return fmt.Errorf("stage %s %s", s.name, why)
	}
	return nil
}
