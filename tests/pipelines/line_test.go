package pipelines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc"
)

// The pipeline under test, three stages deep:
//
//	in-0, in-1 ─ gather ─ a ─ spread ┬ b-0 ─ left ── out-0
//	                                 ├ b-1 ─ right ─ out-1, right-dead
//	                                 └ c ─── single ─ out-2, c__dead
//	b-0 ─ manual ─ out-3
//
// gather reads two topics, and so is two procs. spread writes each record to
// two topics, and some to a third one; it fails and panics at times, which
// passes. right and single have records at which they always fail. manual is no
// system proc: callers claim and acknowledge, and are too late at times.

// stage is one system proc.
type stage struct {
	name         string
	from, to     []string
	count, lanes int
	flaky        uint64 // 3 of so many fail at first; 0: none
	side         string // the topic that some records go to as well
	sides        uint64 // 1 of so many
	manual       bool
	poison       uint64 // 1 of so many always fails; 0: none
	dead         string // where those go
}

func (s *stage) proc(topic string) string {
	if len(s.from) > 1 {
		return s.name + "__" + topic
	}
	return s.name
}

// shape is what varies from line to line.
type shape struct {
	gather, spread, lanes, left, right int  // counts and lanes
	dense                              bool // failures are frequent
}

// shapeOf returns the shape of the pipeline for a sync mode.
func shapeOf(mode string) shape {
	switch mode {
	case "interval":
		return shape{gather: 10, spread: 100, lanes: 3, left: 100, right: 1}
	case "never":
		return shape{gather: 1, spread: 10, lanes: 1, left: 1, right: 10}
	}
	return shape{gather: 100, spread: 100, lanes: 4, left: 10, right: 100}
}

func (s shape) stages() []stage {
	flaky, sides, right, single := uint64(701), uint64(50), uint64(997), uint64(11)
	if s.dense {
		flaky, sides, right, single = 61, 5, 41, 7
	}
	return []stage{
		{name: "gather", from: []string{"in-0", "in-1"}, to: []string{"a"}, count: s.gather, lanes: 1},
		{name: "spread", from: []string{"a"}, to: []string{"b-0", "b-1"}, side: "c", sides: sides, count: s.spread, lanes: s.lanes, flaky: flaky},
		{name: "left", from: []string{"b-0"}, to: []string{"out-0"}, count: s.left, lanes: 1},
		{name: "right", from: []string{"b-1"}, to: []string{"out-1"}, count: s.right, lanes: 1, poison: right, dead: "right-dead"},
		{name: "manual", from: []string{"b-0"}, to: []string{"out-3"}, count: s.left, lanes: 1, manual: true},
		{name: "single", from: []string{"c"}, to: []string{"out-2"}, count: 1, lanes: 1, poison: single, dead: "c__dead"},
	}
}

const maxReclaims = 3

// options returns the stage's definition. The claims of a process that was
// killed stay open until timeout has passed.
func (s *stage) options(timeout time.Duration) pipeproc.SystemProcOptions {
	o := pipeproc.SystemProcOptions{Name: s.name, From: s.from, To: s.to, Count: s.count, Lanes: s.lanes,
		Retry: pipeproc.RetryPolicy{ReclaimTimeout: timeout, MaxReclaims: -1, OnMaxReclaims: pipeproc.StrategyContinue, Backoff: time.Millisecond}}
	if s.poison > 0 {
		o.Retry.MaxReclaims, o.Retry.OnMaxReclaims, o.Retry.Backoff = maxReclaims, pipeproc.StrategyDeadLetter, -1
		if s.dead != s.from[0]+"__dead" {
			o.Retry.DeadLetterTopic = s.dead
		}
	}
	return o
}

// define defines all stages, and attaches their processors.
func define(n *pipeproc.Node, stages []stage, timeout time.Duration, seen func(topic string, seq uint64)) error {
	for i := range stages {
		if stages[i].manual {
			if _, err := n.EnsureProc(context.Background(), stages[i].claims(timeout)); err != nil {
				return err
			}
			continue
		}
		o := stages[i].options(timeout)
		o.Processor = stages[i].processor(seen)
		if _, err := n.DefineSystemProc(context.Background(), o); err != nil {
			return err
		}
	}
	return nil
}

// origin returns the hash of the input that a body came from. Each stage adds
// ">proc:sequence" to the body: what it is made of.
func origin(body []byte) uint64 {
	if i := bytes.IndexByte(body, '>'); i >= 0 {
		body = body[:i]
	}
	return xxhash.Sum64(body)
}

// forks reports whether an origin goes to the side topic, too.
func (s *stage) forks(origin uint64) bool { return s.sides > 0 && origin%s.sides == 3 }

// poisoned reports whether a stage always fails at an origin.
func (s *stage) poisoned(origin uint64) bool { return s.poison > 0 && origin/64%s.poison == 5 }

// stumbles reports whether a stage fails at an origin this time, and how.
func (s *stage) stumbles(origin uint64, attempt int) (fails, panics bool) {
	h := origin / 4096
	switch {
	case s.flaky == 0:
	case h%s.flaky == 0:
		return attempt == 1, false
	case h%s.flaky == 1:
		return attempt == 1, true
	case h%s.flaky == 2:
		return attempt <= 2, false
	}
	return false, false
}

var errStumble = errors.New("fails at times")
var errPoison = errors.New("always fails")

func (s *stage) processor(seen func(topic string, seq uint64)) pipeproc.Processor {
	return pipeproc.Each(func(_ context.Context, r pipeproc.Record, w *pipeproc.Work) error {
		if seen != nil {
			seen(w.Topic(), r.ID.Seq)
		}
		o := origin(r.Body)
		if s.poisoned(o) {
			w.Emit([]byte("of a claim that fails"))
			return errPoison
		}
		if fails, panics := s.stumbles(o, w.Attempt()); panics && fails {
			panic(errStumble)
		} else if fails {
			return errStumble
		}
		out := pipeproc.Record{Key: r.Key, Body: derive(r.Body, w.Proc(), r.ID.Seq)}
		w.EmitRecord(out)
		if s.forks(o) {
			w.EmitTo(s.side, out)
		}
		return nil
	})
}

// derive makes the body of an output.
func derive(body []byte, proc string, seq uint64) []byte {
	out := make([]byte, 0, len(body)+len(proc)+22)
	out = append(append(append(out, body...), '>'), proc...)
	return strconv.AppendUint(append(out, ':'), seq, 10)
}

// parse is the inverse of derive.
func parse(body []byte) (base []byte, proc string, seq uint64, err error) {
	i, j := bytes.LastIndexByte(body, '>'), bytes.LastIndexByte(body, ':')
	if i < 0 || j < i {
		return nil, "", 0, fmt.Errorf("%.80q is no output of a stage", body)
	}
	seq, err = strconv.ParseUint(string(body[j+1:]), 10, 64)
	return body[:i], string(body[i+1 : j]), seq, err
}

// input makes input number n of a topic in a life of the process. No two are
// the same. Half of them have a key.
func input(topic string, life, n int) pipeproc.Record {
	body := fmt.Appendf(nil, "%s/%d/%d ", topic, life, n)
	h := xxhash.Sum64(body)
	size := h >> 8 % 40
	if h%499 == 0 {
		size = 4000
	}
	for range size {
		body = append(body, 'a'+byte(h>>40%26))
		h = h*6364136223846793005 + 1442695040888963407
	}
	r := pipeproc.Record{Topic: topic, Body: body}
	if h>>20%2 == 0 {
		r.Key = fmt.Appendf(nil, "key-%d", h>>30%16)
	}
	return r
}
