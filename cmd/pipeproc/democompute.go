package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pipeproc/pipeproc"
)

// partial is a record of the topic counts: the keys of one claim.
type partial struct {
	Lines  uint64            `json:"lines"`
	Counts map[string]uint64 `json:"counts"`
}

// totals is a record of the topic totals: the sum of everything before it.
type totals struct {
	Lines  uint64            `json:"lines"`
	Parts  uint64            `json:"parts"` // records of counts
	Counts map[string]uint64 `json:"counts"`
	Other  uint64            `json:"other"` // of keys that came when there were maxKeys
}

// maxKeys bounds a record of totals, whatever text the demo reads.
const maxKeys = 1000

// parseLines makes an event of each line.
func parseLines(_ context.Context, w *pipeproc.Work) error {
	for _, rec := range w.Records() {
		key, body := demoEvent(rec.ID.Seq, string(rec.Body))
		w.EmitRecord(pipeproc.Record{Key: key, Body: body})
	}
	return nil
}

// countEvents counts the keys of the claim.
func countEvents(_ context.Context, w *pipeproc.Work) error {
	p := partial{Counts: map[string]uint64{}}
	for _, rec := range w.Records() {
		p.Lines++
		p.Counts[string(rec.Key)]++
	}
	return emitJSON(w, p)
}

// sumCounts adds the counts of the claim to the latest totals. The totals are
// the only state and change atomically with the acknowledgement, so every count
// is in them exactly once.
func (d *demo) sumCounts(ctx context.Context, w *pipeproc.Work) error {
	t, err := d.totals(ctx)
	if err != nil {
		return err
	}
	for _, rec := range w.Records() {
		var p partial
		if err := json.Unmarshal(rec.Body, &p); err != nil {
			return fmt.Errorf("record %s of topic counts was not made by this demo: %w", rec.ID, err)
		}
		t.add(&p)
	}
	return emitJSON(w, t)
}

// totals returns the latest totals.
func (d *demo) totals(ctx context.Context) (t totals, err error) {
	t.Counts = map[string]uint64{}
	for rec, err := range d.node.Range(ctx, "totals", pipeproc.RangeOptions{Limit: 1, Reverse: true}) {
		if errors.Is(err, pipeproc.ErrInvalidTopic) {
			return t, nil // none have been made yet
		} else if err != nil {
			return t, err
		}
		if err := json.Unmarshal(rec.Body, &t); err != nil {
			return t, fmt.Errorf("record %s of topic totals was not made by this demo: %w", rec.ID, err)
		}
	}
	return t, nil
}

func (t *totals) add(p *partial) {
	t.Parts++
	t.Lines += p.Lines
	for key, n := range p.Counts {
		if _, ok := t.Counts[key]; ok || len(t.Counts) < maxKeys {
			t.Counts[key] += n
		} else {
			t.Other += n
		}
	}
}

func emitJSON(w *pipeproc.Work, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		w.Emit(b)
	}
	return err
}
