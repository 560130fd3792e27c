package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/pipeproc/pipeproc"
)

// splitBytes is the size at which a batch for a store in this process is full however
// many records it holds, unless a number of records was asked for.
const splitBytes = 64 << 20

// commitJob commits lines. One goroutine reads them into batches while the
// other commits the previous batch.
type commitJob struct {
	*app
	node  pipeproc.Store
	topic string
	flags *commitFlags
	lines *lineReader
	out   *lineWriter
	split int // the size at which a batch is full
	// create says that the topic is to be created, with its compression, before
	// the first batch: a node in another process has its own options.
	create bool

	records, batches uint64
	bytes            int64
	first, last      pipeproc.ID
}

// filled is a batch and what ended it: nil when it was full.
type filled struct {
	batch *pipeproc.Batch
	bytes int64
	err   error
}

func (j *commitJob) run(ctx context.Context) error {
	start := time.Now()
	free, full := make(chan *pipeproc.Batch, 2), make(chan filled)
	free <- new(pipeproc.Batch)
	free <- new(pipeproc.Batch)
	go j.read(ctx, free, full)

	p := j.progress()
	err := j.consume(ctx, free, full, func() {
		p.update(func() string {
			return fmt.Sprintf("%s committed, %s, %s/s", many(j.records, "record"), size(j.bytes), perSecond(j.records, time.Since(start)))
		})
	})
	p.done()
	j.summary(time.Since(start))
	switch {
	case errors.Is(err, errPipe):
		return fmt.Errorf("%v after %s had been committed; the rest of the input was not", err, plural(j.records, "record")) // not quiet
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %s had been committed, the rest of the input was not", context.Canceled, plural(j.records, "record"))
	}
	return err
}

// read fills batches until the input ends.
func (j *commitJob) read(ctx context.Context, free <-chan *pipeproc.Batch, full chan<- filled) {
	for {
		var b *pipeproc.Batch
		select {
		case b = <-free:
		case <-ctx.Done():
			return
		}
		f := j.fill(b)
		select {
		case full <- f:
		case <-ctx.Done():
			return
		}
		if f.err != nil {
			return
		}
	}
}

func (j *commitJob) fill(b *pipeproc.Batch) (f filled) {
	b.Reset()
	f.batch = b
	records, limit := j.flags.batch.n, maxBatch
	if j.flags.atomic {
		records = math.MaxInt
	} else if !j.flags.batchGiven {
		limit = j.split
	}
	for b.Len() < records {
		line, err := j.lines.next()
		if err != nil {
			f.err = err
			if errors.Is(err, pipeproc.ErrTooLarge) && j.flags.maxBody.n < maxBody {
				f.err = fmt.Errorf("%w; allow more with --max-body, up to 256MiB", err)
			}
			return f
		}
		if f.err = b.Add(j.topic, line); f.err != nil {
			return f
		}
		f.bytes += int64(len(line))
		switch {
		case b.Size() < limit:
		case limit == j.split:
			return f
		case j.flags.atomic:
			f.err = fmt.Errorf("%w: the input is over 1 GiB, the most that one batch can hold; leave out --atomic", pipeproc.ErrTooLarge)
			return f
		default:
			f.err = fmt.Errorf("%w: a batch of %d lines is over 1 GiB; use a smaller --batch", pipeproc.ErrTooLarge, records)
			return f
		}
	}
	return f
}

func (j *commitJob) consume(ctx context.Context, free chan<- *pipeproc.Batch, full <-chan filled, progress func()) error {
	for {
		var f filled
		select {
		case f = <-full:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return context.Canceled
		}
		if f.err != nil && !errors.Is(f.err, io.EOF) {
			return f.err // and nothing of the batch it was found in
		}
		if f.batch.Len() > 0 {
			// A batch that was started is finished, whatever signal arrives.
			if err := j.prepare(ctx); err != nil {
				return err
			}
			if err := j.node.CommitBatch(context.WithoutCancel(ctx), f.batch); err != nil {
				return err
			}
			if err := j.committed(f); err != nil {
				return err
			}
			progress()
		}
		if errors.Is(f.err, io.EOF) {
			return nil
		}
		free <- f.batch
	}
}

// prepare creates the topic if create is set.
func (j *commitJob) prepare(ctx context.Context) error {
	if !j.create {
		return nil
	}
	j.create = false
	err := j.node.CreateTopic(context.WithoutCancel(ctx), j.topic, pipeproc.TopicOptions{Compression: j.flags.compression.compression()})
	if errors.Is(err, pipeproc.ErrTopicExists) {
		return nil
	}
	return err
}

func (j *commitJob) committed(f filled) error {
	ids := f.batch.IDs()
	if j.records == 0 {
		j.first = ids[0]
	}
	j.last = ids[len(ids)-1]
	j.records += uint64(len(ids))
	j.batches++
	j.bytes += f.bytes
	if !j.flags.ids {
		return nil
	}
	for i := range ids {
		if err := j.out.line(func(b []byte) []byte { b, _ = ids[i].AppendText(b); return b }); err != nil {
			return err
		}
	}
	return j.out.flush()
}

func (j *commitJob) summary(d time.Duration) {
	s := fmt.Sprintf("committed %s to %q", plural(j.records, "record"), j.topic)
	if j.records > 0 {
		s += fmt.Sprintf(": %s in %s, %s, %s/s, ids %s to %s", size(j.bytes), plural(j.batches, "batch"), took(d), plainRate(j.records, d), j.first, j.last)
	}
	fmt.Fprintln(j.stderr, s)
}
