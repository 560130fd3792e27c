package model

import (
	"fmt"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

type vfsUnit = vfs.Unit

// badBounds are texts that are no bounds.
var badBounds = []string{"x", ":", ":x", ":-1", "-5", "1-x", "5:3", "1-3-1", "+5", " 5", "1-", "1_0",
	"9223372036854775808", "18446744073709551616", ":18446744073709551616", "1-18446744073709551616"}

// randomBound makes a bound near the records of a topic, or a bad one.
func (w *world) randomBound(t *topicState) string {
	near := func() rec {
		if n := len(t.recs); n > 0 && w.rng.IntN(10) > 0 {
			return t.recs[w.rng.IntN(n)]
		}
		return rec{id: pipeproc.ID{Millis: w.now(), Seq: t.next}}
	}
	switch w.rng.IntN(12) {
	case 0, 1, 2:
		return ""
	case 3:
		return near().id.String()
	case 4:
		id := near().id
		id.Millis = max(0, id.Millis+w.rng.Int64N(3)-1)
		id.Seq += w.rng.Uint64N(3)
		return id.String()
	case 5:
		return fmt.Sprintf("%d-%d", near().id.Millis, []uint64{0, 1<<64 - 1}[w.rng.IntN(2)])
	case 6, 7:
		return fmt.Sprint(max(0, near().id.Millis+w.rng.Int64N(3)-1))
	case 8:
		return []string{"0", "1", "9223372036854775807", "00", "0-0"}[w.rng.IntN(5)]
	case 9, 10:
		return fmt.Sprintf(":%d", near().id.Seq+w.rng.Uint64N(8)/7)
	default:
		if w.rng.IntN(3) > 0 {
			return fmt.Sprintf(":%d", t.first+w.rng.Uint64N(3))
		}
		return badBounds[w.rng.IntN(len(badBounds))]
	}
}

// ranges compares some random ranges.
func (w *world) ranges() error {
	name := w.name()
	t := w.st.topics[name]
	if t == nil {
		t = &topicState{}
	}
	for range 4 {
		p := span{start: w.randomBound(t), end: w.randomBound(t), exclusive: w.rng.IntN(3) == 0, limit: w.rng.IntN(12) - 4, reverse: w.rng.IntN(2) == 0}
		if err := checkRange(w.node, w.st, name, p); err != nil {
			return err
		}
	}
	return checkTopic(w.node, w.st, name)
}

// get compares some random point reads.
func (w *world) get() error {
	name := w.name()
	next := uint64(2)
	if t := w.st.topics[name]; t != nil {
		next += t.next
	}
	for range 5 {
		if err := checkGet(w.node, w.st, name, w.rng.Uint64N(next)); err != nil {
			return err
		}
	}
	return nil
}

// verify has the node check its own files.
func (w *world) verify() error {
	r, err := w.node.Verify(bg, nil)
	if err != nil {
		return err
	}
	if len(r.Damage) > 0 {
		return fmt.Errorf("damage: %v", r.Damage)
	}
	return nil
}

// view reads through a view, a part of it after more was committed.
func (w *world) view() error {
	v, err := w.node.View(bg)
	if err != nil {
		return err
	}
	if p := v.Position(); p != uint64(len(w.cmds)) {
		return fmt.Errorf("a view at position %d, want %d", p, len(w.cmds))
	}
	was := fold(w.cfg.topic, w.cmds)
	for range w.rng.IntN(3) {
		if err := w.commit(0); err != nil {
			return err
		}
	}
	for _, name := range topicNames {
		t := was.topics[name]
		if t == nil {
			t = &topicState{}
		}
		if n := v.End(name); n != t.next {
			return fmt.Errorf("a view has %s end at %d, want %d", name, n, t.next)
		}
		if was.topics[name] == nil {
			continue
		}
		if err := sameSeq(v.Range(bg, name, pipeproc.RangeOptions{}), name, t.live()); err != nil {
			return fmt.Errorf("view: %w", err)
		}
	}
	return nil
}
