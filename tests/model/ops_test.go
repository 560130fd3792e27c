package model

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/pipeproc/pipeproc"
)

// topicNames are the topics of the random test.
var topicNames = []string{"a", "b", "c", "d", "Events", "events", "x_1", "dead", "long-" + strings.Repeat("n", 250)}

// op is a random operation with its weight.
type op struct {
	weight int
	name   string
	run    func(w *world) error
}

var ops = []op{
	{40, "commit", func(w *world) error { return w.commit(0) }},
	{6, "commit if", func(w *world) error { return w.commit(1) }},
	{4, "commit if not", func(w *world) error { return w.commit(2) }},
	{5, "bad commit", (*world).badCommit},
	{4, "create", (*world).create},
	{2, "delete", (*world).delete},
	{6, "prune", (*world).prune},
	{14, "range", (*world).ranges},
	{8, "get", (*world).get},
	{3, "sync", (*world).sync},
	{3, "checkpoint", (*world).checkpoint},
	{1, "verify", (*world).verify},
	{3, "view", (*world).view},
	{2, "reopen", (*world).reopen},
	{3, "kill", func(w *world) error { return w.crash(false) }},
	{4, "power cut", func(w *world) error { return w.crash(true) }},
	{6, "arm", func(w *world) error { w.arm(w.rng, 1+w.rng.Int64N(120)); return nil }},
	{4, "clock", (*world).tick},
	{5, "ensure proc", (*world).ensure},
	{1, "bad proc", (*world).badProc},
	{22, "claim", (*world).claim},
	{5, "available proc", (*world).availableProc},
	{10, "ack", (*world).ack},
	{10, "ack commit", (*world).ackCommit},
	{12, "reclaim", (*world).reclaim},
	{3, "disable", (*world).disable},
	{6, "resume", (*world).resume},
	{5, "seek", (*world).seek},
	{4, "late", (*world).late},
	{3, "destroy", (*world).destroy},
	{4, "system proc", (*world).system},
	{3, "wait for procs", (*world).waitForProcs},
	{3, "import", (*world).importRecords},
	{6, "retention", (*world).retention},
	{8, "gc", (*world).gc},
}

// step runs one random operation, and what follows from a crash during it.
func (w *world) step() error {
	total := 0
	for i := range ops {
		total += ops[i].weight
	}
	k := w.rng.IntN(total)
	for i := range ops {
		if k -= ops[i].weight; k >= 0 {
			continue
		}
		w.count(ops[i].name)
		if err := ops[i].run(w); err != nil {
			return fmt.Errorf("%s: %w", ops[i].name, err)
		}
		break
	}
	w.clock.ms.Add(w.rng.Int64N(3))
	return w.settle()
}

// body makes a body. Sizes mix; half of them compress well.
func (w *world) body() []byte {
	sizes := []int{0, 1, 20, 100, 100, 100, 150, 300, 5 << 10}
	n := sizes[w.rng.IntN(len(sizes))]
	if w.rng.IntN(60) == 0 {
		n = 100 << 10
	}
	return fill(w.rng, n, w.rng.IntN(2) == 0)
}

func fill(r *rand.Rand, n int, compressible bool) []byte {
	b := make([]byte, n)
	if compressible {
		copy(b, fmt.Sprintf("%016x", r.Uint64()))
		for i := 16; i < n; i *= 2 {
			copy(b[i:], b[:i])
		}
		return b
	}
	for i := 0; i < n; i += 8 {
		v := r.Uint64()
		for k := i; k < min(i+8, n); k++ {
			b[k], v = byte(v), v>>8
		}
	}
	return b
}

func (w *world) draft() *draft {
	d := &draft{}
	n := 1 + w.rng.IntN(5)
	if w.rng.IntN(4) == 0 {
		n = 1 + w.rng.IntN(30)
	}
	names := make([]string, 1+w.rng.IntN(5))
	for i := range names {
		names[i] = w.name()
	}
	for range n {
		r := rec{body: w.body()}
		if w.rng.IntN(4) == 0 {
			r.key = fill(w.rng, 1+w.rng.IntN(20), false)
		}
		for range w.rng.IntN(8) / 5 {
			r.headers = append(r.headers, pipeproc.Header{Name: "trace", Value: fill(w.rng, w.rng.IntN(30), false)})
		}
		d.topics = append(d.topics, names[w.rng.IntN(len(names))])
		d.recs = append(d.recs, r)
	}
	return d
}

// batch makes the node's batch of a draft.
func (d *draft) batch() *pipeproc.Batch {
	b := new(pipeproc.Batch)
	for i, r := range d.recs {
		_ = b.AddRecord(&pipeproc.Record{Topic: d.topics[i], Key: r.key, Headers: r.headers, Body: r.body})
	}
	return b
}

// commit commits a random batch: cond 1 with a condition that holds, 2 with
// one that does not.
func (w *world) commit(cond int) error {
	d := w.draft()
	b := d.batch()
	c, ids := w.st.commit(d, w.now())
	if cond > 0 {
		name := w.name()
		next := uint64(0)
		if t := w.st.topics[name]; t != nil {
			next = t.next
		}
		if cond == 2 {
			next += 1 + w.rng.Uint64N(3)
		}
		_ = b.Expect(name, next)
	}
	always := w.cfg.mode == pipeproc.SyncAlways
	switch w.rng.IntN(10) {
	case 0:
		b.Durability, always = pipeproc.Durable, true
	case 1:
		b.Durability, always = pipeproc.Buffered, false
	}
	var want error
	if b.Size() > maxBatch {
		want = pipeproc.ErrTooLarge
	} else if cond == 2 {
		want = pipeproc.ErrConflict
	}
	if want != nil {
		return w.refused(want, func() error { return w.node.CommitBatch(bg, b) })
	}
	err := w.write(c, always, func() error { return w.node.CommitBatch(bg, b) })
	if err != nil {
		return err
	}
	if p := b.Position(); p != uint64(len(w.cmds)) {
		return fmt.Errorf("position %d, want %d", p, len(w.cmds))
	}
	for i, id := range b.IDs() {
		if id != ids[i] {
			return fmt.Errorf("id %d is %v, want %v", i, id, ids[i])
		}
	}
	return nil
}

// refused runs a call that must fail with want and change nothing.
func (w *world) refused(want error, fn func() error) error {
	before := w.node.Stats().Position
	if err := fn(); !errors.Is(err, want) {
		return fmt.Errorf("got error %v, want %v", err, want)
	}
	if after := w.node.Stats().Position; after != before {
		return fmt.Errorf("a refused command moved the position from %d to %d", before, after)
	}
	return nil
}

func (w *world) badCommit() error {
	good := pipeproc.Record{Topic: w.name(), Body: []byte("must not appear")}
	switch w.rng.IntN(4) {
	case 0:
		bad := []string{"", "ä", "a b", "../x", strings.Repeat("n", 256)}
		return w.refused(pipeproc.ErrInvalidTopicFormat, func() error {
			_, err := w.node.Commit(bg, good, pipeproc.Record{Topic: bad[w.rng.IntN(len(bad))]})
			return err
		})
	case 1:
		return w.refused(pipeproc.ErrUncommitted, func() error { _, err := w.node.Commit(bg); return err })
	case 2:
		return w.refused(pipeproc.ErrTooLarge, func() error {
			_, err := w.node.Commit(bg, good, pipeproc.Record{Topic: w.name(), Body: make([]byte, maxBody+1)})
			return err
		})
	default:
		return w.refused(pipeproc.ErrTooLarge, func() error {
			recs := []pipeproc.Record{good}
			for range maxBatch / (100 << 10) {
				recs = append(recs, pipeproc.Record{Topic: w.name(), Body: make([]byte, 101<<10)})
			}
			_, err := w.node.Commit(bg, recs...)
			return err
		})
	}
}

func (w *world) name() string { return topicNames[w.rng.IntN(len(topicNames))] }

func (w *world) admin(c command, want error, fn func() error) error {
	c.ms = max(w.now(), w.st.floor)
	if want != nil {
		return w.refused(want, fn)
	}
	return w.write(c, w.cfg.mode == pipeproc.SyncAlways, fn)
}

func (w *world) create() error {
	c := command{kind: kCreate, topic: w.name()}
	o := pipeproc.TopicOptions{SegmentSize: 64 << 10}
	if w.rng.IntN(2) == 0 {
		o.Compression = pipeproc.Zstd
	}
	if w.rng.IntN(4) == 0 {
		o.SegmentSize = 0
	}
	c.opts = o
	if o.SegmentSize == 0 {
		c.opts.SegmentSize = w.cfg.topic.SegmentSize
	}
	var want error
	if w.st.topics[c.topic] != nil {
		want = pipeproc.ErrTopicExists
	}
	return w.admin(c, want, func() error { return w.node.CreateTopic(bg, c.topic, o) })
}

func (w *world) delete() error {
	c := command{kind: kDelete, topic: w.name()}
	var want error
	if w.st.topics[c.topic] == nil {
		want = pipeproc.ErrInvalidTopic
	}
	return w.admin(c, want, func() error { return w.node.DeleteTopic(bg, c.topic) })
}

func (w *world) prune() error {
	c := command{kind: kPrune, topic: w.name()}
	var want error
	switch t := w.st.topics[c.topic]; {
	case t == nil:
		want = pipeproc.ErrInvalidTopic
	case w.rng.IntN(5) == 0:
		c.first = t.next // all of it
	case w.rng.IntN(8) == 0:
		c.first, want = t.next+1+w.rng.Uint64N(3), pipeproc.ErrInvalidSequence
	default:
		c.first = w.rng.Uint64N(t.next + 1)
	}
	return w.admin(c, want, func() error { return w.node.Prune(bg, c.topic, c.first) })
}

func (w *world) sync() error {
	if err := w.node.Sync(bg); err != nil {
		return err
	}
	w.durable.Store(w.acked.Load())
	return w.noteDurable()
}

func (w *world) checkpoint() error {
	if err := w.node.Checkpoint(bg); err != nil {
		return err
	}
	w.durable.Store(w.acked.Load())
	return w.noteDurable()
}

// reopen closes the node properly and opens it again.
func (w *world) reopen() error {
	if err := w.node.Close(); err != nil {
		return err
	}
	all := w.acked.Load()
	w.durable.Store(all)
	if w.image.Load() != nil {
		return nil // a crash came first: step goes on with that
	}
	w.armed.Store(0)
	i := &image{disk: w.disk, lo: all, safe: all, hi: all, full: true, how: "close"}
	if w.rng.IntN(3) == 0 {
		i.disk = w.disk.Crash(func(u vfsUnit) bool { return false })
		i.how = "close and power cut"
	}
	if err := w.open(i); err != nil {
		return err
	}
	return nil
}
