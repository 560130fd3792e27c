package worker

import (
	"context"
	"fmt"

	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
)

// Processor handles the records of w. When it returns nil, the records are
// acknowledged and what it emitted is committed; an error gives them back, to
// be delivered again. ctx ends when the claim's timeout has passed, when the
// pool closes, and, with lanes, when another lane has failed.
type Processor func(ctx context.Context, w *Work) error

// Each returns a processor that calls fn for each record in order, until one
// fails. Once ctx has ended it begins no further record: the claim is given
// back and delivered again whole.
func Each(fn func(ctx context.Context, rec record.Record, w *Work) error) Processor {
	return func(ctx context.Context, w *Work) error {
		for _, rec := range w.Records() {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := fn(ctx, rec, w); err != nil {
				return fmt.Errorf("record %s: %w", rec.ID, err)
			}
		}
		return nil
	}
}

// Work is what a processor is called with: records, and a place for output. It
// and its records are valid until the processor returns. It is not safe for
// concurrent use.
type Work struct {
	job     *Job
	claim   *Task
	records []record.Record
	out     *topics.Batch                         // of a claim without lanes
	laneOut *laneOutput                           // of a lane, instead of out
	each    func(topic string, rec record.Record) // of Handle, instead of both
	headers []byte                                // scratch
	err     error                                 // the error of the first output that was refused
}

func (w *Work) reset(job *Job, c *Task, recs []record.Record, out *topics.Batch, h *laneOutput) {
	*w = Work{job: job, claim: c, records: recs, out: out, laneOut: h, headers: w.headers[:0]}
}

// Proc returns the name of the proc.
func (w *Work) Proc() string { return w.job.Proc }

// Topic returns the topic of the records.
func (w *Work) Topic() string { return w.job.Topic }

// Attempt returns how often these records have been delivered since the proc's
// last acknowledgement, including this time: 1 for the first delivery.
func (w *Work) Attempt() int { return w.claim.Attempt }

// Skipped returns how many records directly before these were pruned before the
// proc saw them. With lanes, each lane gets the same number.
func (w *Work) Skipped() uint64 { return w.claim.Skipped }

// Records returns the records of the claim, or of this lane of it, in order.
// They must not be changed.
func (w *Work) Records() []record.Record { return w.records }

// Emit adds a record with a copy of body to each of the job's To topics, if
// there are any.
func (w *Work) Emit(body []byte) { w.EmitRecord(record.Record{Body: body}) }

// EmitRecord adds a record with a copy of rec's key, headers and body to each
// of the job's To topics, if there are any. A record that can never be stored
// makes the claim fail when the processor returns.
func (w *Work) EmitRecord(rec record.Record) {
	if w.each != nil {
		w.each("", rec)
		return
	}
	if len(w.job.To) == 0 {
		return
	}
	w.encode(rec.Headers)
	for _, topic := range w.job.To {
		w.add(topic, &rec)
	}
}

// EmitTo adds a record with a copy of rec's key, headers and body to topic. A
// bad topic name, or a record that can never be stored, makes the claim fail
// when the processor returns.
func (w *Work) EmitTo(topic string, rec record.Record) {
	if w.each != nil {
		w.each(topic, rec)
		return
	}
	w.encode(rec.Headers)
	w.add(topic, &rec)
}

func (w *Work) encode(hs []record.Header) {
	w.headers = w.headers[:0]
	for i := range hs {
		w.headers = segment.AppendHeader(w.headers, hs[i].Name, hs[i].Value)
	}
}

func (w *Work) add(topic string, rec *record.Record) {
	if w.laneOut != nil {
		w.laneOut.add(topic, rec.Key, w.headers, rec.Body)
	} else if err := w.out.Add(topic, rec.Key, w.headers, rec.Body); err != nil && w.err == nil {
		w.err = err
	}
}
