package main

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc"
)

// ingested is how far the demo has read. The live view reads the counters
// meanwhile.
type ingested struct {
	size     int64 // of the input, in bytes; 0: unknown
	perBatch int

	lines, batches, read atomic.Uint64
	bytes                atomic.Int64 // of the lines, without newlines
	elapsed              atomic.Int64 // nanoseconds
}

// ingest commits the lines, while the pipeline works on them.
func (d *demo) ingest(ctx context.Context) error {
	g, start := &d.ingested, time.Now()
	var b pipeproc.Batch
	for ended := false; !ended; {
		b.Reset()
		size := 0
		for b.Len() < g.perBatch && b.Size() < splitBytes {
			line, err := d.in.next()
			if errors.Is(err, io.EOF) {
				ended = true
				break
			} else if err != nil {
				return err
			}
			size += len(line)
			if err := b.Add("lines", line); err != nil {
				return err
			}
		}
		if b.Len() == 0 {
			break
		}
		if err := d.node.CommitBatch(ctx, &b); err != nil {
			return err
		}
		g.lines.Add(uint64(b.Len()))
		g.batches.Add(1)
		g.bytes.Add(int64(size))
		g.read.Add(uint64(size + b.Len())) // with newlines
		g.elapsed.Store(int64(time.Since(start)))
	}
	return nil
}

// done is the fraction of the input that has been committed, 1 if unknown.
func (g *ingested) done() float64 {
	if g.size == 0 {
		return 1
	}
	return min(float64(g.read.Load())/float64(g.size), 1)
}
