package pipelines

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc"
)

// topicSums is what is kept of a topic that was read.
type topicSums struct {
	sums    []uint64 // of key and body, by sequence
	origins []uint64
}

func sumOf(key, body []byte) uint64 { return xxhash.Sum64(body) ^ 3*xxhash.Sum64(key) }

// report is what a check found.
type report struct {
	inputs, outputs, dead int // records
	innocent              int // of dead: those that do not always fail
	strays                int // of innocent: those that were claimed alone
	missing, doubled      int
	wrong                 []string // the first of them
}

func (r *report) fault(format string, a ...any) {
	if len(r.wrong) < 10 {
		r.wrong = append(r.wrong, fmt.Sprintf(format, a...))
	}
}

func (r *report) ok() bool { return r.missing == 0 && r.doubled == 0 && len(r.wrong) == 0 }

func (r *report) add(o *report) {
	r.inputs += o.inputs
	r.outputs += o.outputs
	r.dead += o.dead
	r.innocent += o.innocent
	r.strays += o.strays
	r.missing += o.missing
	r.doubled += o.doubled
}

func (r *report) String() string {
	s := fmt.Sprintf("%d inputs, %d outputs, %d dead letters (%d of records that only shared the claim, %d of claims that were interrupted too often); missing %d, doubled %d",
		r.inputs, r.outputs, r.dead, r.innocent-r.strays, r.strays, r.missing, r.doubled)
	if len(r.wrong) > 0 {
		s += fmt.Sprintf("; wrong: %q", r.wrong)
	}
	return s
}

// checker compares all topics of a pipeline with each other: at every moment,
// the outputs of a proc are those of the records that it has acknowledged, each
// once, in order.
type checker struct {
	n      *pipeproc.Node
	done   bool // all procs must have acknowledged everything
	topics map[string]*topicSums
	rep    *report
}

// check reads the whole store. It must be at rest.
func check(n *pipeproc.Node, stages []stage, done bool) *report {
	c := &checker{n: n, done: done, topics: map[string]*topicSums{}, rep: &report{}}
	for _, in := range stages[0].from {
		c.read(in, func(pipeproc.Record) {})
		c.rep.inputs += len(c.topics[in].sums)
	}
	for i := range stages {
		c.stage(&stages[i])
	}
	for _, out := range []string{"out-0", "out-1", "out-2", "out-3"} {
		c.rep.outputs += len(c.topics[out].sums)
	}
	return c.rep
}

// read reads a topic, which need not exist.
func (c *checker) read(topic string, fn func(pipeproc.Record)) {
	t := &topicSums{}
	c.topics[topic] = t
	for r, err := range c.n.Range(context.Background(), topic, pipeproc.RangeOptions{}) {
		if errors.Is(err, pipeproc.ErrInvalidTopic) {
			return
		} else if err != nil {
			c.rep.fault("%s: %v", topic, err)
			return
		}
		if r.ID.Seq != uint64(len(t.sums)) {
			c.rep.fault("%s: sequence %d in place of %d", topic, r.ID.Seq, len(t.sums))
			return
		}
		t.sums = append(t.sums, sumOf(r.Key, r.Body))
		t.origins = append(t.origins, origin(r.Body))
		fn(r)
	}
}

// source is a proc as a check follows it.
type source struct {
	name  string
	topic *topicSums
	next  uint64 // of the proc: what is below has its output
	// Of the target that is being read.
	found []bool
	last  int            // sequence of the latest output
	keys  map[string]int // the same for each key, with lanes
}

func (c *checker) stage(s *stage) {
	var sources []*source
	for _, topic := range s.from {
		src := &source{name: s.proc(topic), topic: c.topics[topic]}
		p, err := c.n.InspectProc(context.Background(), src.name)
		switch {
		case errors.Is(err, pipeproc.ErrInvalidProc) && !c.done: // not made yet
		case err != nil:
			c.rep.fault("%v", err)
		case p.Next > uint64(len(src.topic.sums)):
			c.rep.fault("proc %s has acknowledged %d of %d records", src.name, p.Next, len(src.topic.sums))
		case c.done && (p.Next < uint64(len(src.topic.sums)) || p.Claim != pipeproc.Token{} || p.Disabled):
			c.rep.fault("proc %s is not done: %+v", src.name, p)
		default:
			src.next = p.Next
		}
		sources = append(sources, src)
	}
	var buried []bool
	if s.dead != "" {
		c.begin(sources)
		c.read(s.dead, func(r pipeproc.Record) { c.letter(s, sources[0], &r) })
		buried = sources[0].found
	}
	for _, topic := range append(slices.Clone(s.to), s.side) {
		if topic == "" {
			continue
		}
		c.begin(sources)
		c.read(topic, func(r pipeproc.Record) { c.output(s, sources, topic, &r) })
		for _, src := range sources {
			for seq := range src.next {
				o := src.topic.origins[seq]
				want := topic != s.side || s.forks(o)
				gone := buried != nil && buried[seq]
				if gone {
					want = false
				}
				switch got := src.found[seq]; {
				case gone && got:
					c.rep.doubled++
					c.rep.fault("record %d of proc %s is in %s and in %s", seq, src.name, topic, s.dead)
				case want && !got:
					c.rep.missing++
					c.rep.fault("record %d of proc %s has no output in %s", seq, src.name, topic)
				case got && !want:
					c.rep.fault("record %d of proc %s does not belong in %s", seq, src.name, topic)
				case got && s.poisoned(o):
					c.rep.fault("record %d of proc %s always fails, and is in %s", seq, src.name, topic)
				}
			}
		}
	}
}

func (c *checker) begin(sources []*source) {
	for _, src := range sources {
		src.found, src.last, src.keys = make([]bool, len(src.topic.sums)), -1, map[string]int{}
	}
}

// mark notes that there is an output of record seq, whose key and body are
// those of base.
func (c *checker) mark(src *source, topic string, seq uint64, key, base []byte, lanes int) {
	if seq >= src.next {
		c.rep.fault("%s has record %d of proc %s, which has acknowledged those below %d", topic, seq, src.name, src.next)
		return
	}
	if src.topic.sums[seq] != sumOf(key, base) {
		c.rep.fault("%s: the output of record %d of proc %s has wrong bytes", topic, seq, src.name)
	}
	if src.found[seq] {
		c.rep.doubled++
		c.rep.fault("record %d of proc %s is twice in %s", seq, src.name, topic)
	}
	src.found[seq] = true
	last := src.last
	if lanes > 1 {
		last = -1
		if l, ok := src.keys[string(key)]; ok && len(key) > 0 {
			last = l
		}
		src.keys[string(key)] = int(seq)
	}
	if int(seq) <= last {
		c.rep.fault("%s: record %d of proc %s comes after %d", topic, seq, src.name, last)
	}
	src.last = int(seq)
}

func (c *checker) output(s *stage, sources []*source, topic string, r *pipeproc.Record) {
	base, proc, seq, err := parse(r.Body)
	i := slices.IndexFunc(sources, func(src *source) bool { return src.name == proc })
	if err != nil || i < 0 {
		c.rep.fault("%s: record %d of proc %q: %v", topic, r.ID.Seq, proc, err)
		return
	}
	c.mark(sources[i], topic, seq, r.Key, base, s.lanes)
}

// letter checks a dead letter.
func (c *checker) letter(s *stage, src *source, r *pipeproc.Record) {
	h := map[string]string{}
	for _, kv := range r.Headers {
		h[kv.Name] = string(kv.Value)
	}
	id, err := pipeproc.ParseID(h[pipeproc.HeaderDeadID])
	if err != nil || h[pipeproc.HeaderDeadProc] != src.name || h[pipeproc.HeaderDeadTopic] != s.from[0] ||
		h[pipeproc.HeaderDeadAttempts] != strconv.Itoa(maxReclaims) || h[pipeproc.HeaderDeadReason] == "" {
		c.rep.fault("%s: dead letter %d has headers %v", s.dead, r.ID.Seq, h)
		return
	}
	c.rep.dead++
	if !s.poisoned(origin(r.Body)) {
		c.rep.innocent++
		if s.count == 1 {
			c.rep.strays++
		}
	}
	c.mark(src, s.dead, id.Seq, r.Key, r.Body, 1)
}
