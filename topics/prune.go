package topics

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pipeproc/pipeproc/internal/errs"
)

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func isCorrupt(err error) bool { return errors.Is(err, errs.ErrCorrupt) }

// verdict decides about damage that a reader met on its way to sequence seq. It
// is none when the records were pruned, or the topic deleted, under the
// reader's eyes.
func (t *Topic) verdict(seq uint64, err error) error {
	if !isCorrupt(err) {
		return err
	}
	if t.deleted.Load() != 0 {
		return unknownTopic(t.name)
	}
	if first := t.First(); seq < first {
		return &PrunedError{Topic: t.name, Seq: seq, First: first}
	}
	return err
}

// StagePrune checks a prune mark: records below first are to go. It returns
// the topic's id.
func (r *Registry) StagePrune(name string, first uint64) (uint64, error) {
	t, err := r.Topic(name)
	if err != nil {
		return 0, err
	}
	if first > t.staged.next {
		return 0, errs.InvalidToneSearch.With(fmt.Sprintf("topic %q ends at sequence %d, it cannot be pruned to %d", name, t.staged.next, first))
	}
	return t.id, nil
}

// ApplyPrune raises the first sequence of a topic. Segments that lie below it
// whole leave the topic now and their files go once a checkpoint covers that.
func (r *Registry) ApplyPrune(id, first, pos uint64, ms int64) error {
	t := r.byID[id]
	if t == nil || first > t.next {
		return fmt.Errorf("prune of topic %d to %d does not fit the state", id, first)
	}
	r.raise(ms)
	if first <= t.first {
		return nil
	}
	t.first = first
	t.pubFirst.Store(first)
	l := t.log
	list := l.list()
	k := 0
	for k+1 < len(list) && list[k+1].base <= first {
		k++
	}
	if first == t.next {
		k = len(list) // nothing is left: the next record begins a new segment
		l.cur = nil
		l.settle()
	}
	r.bury(t, list[:k])
	rest := slices.Clone(list[k:])
	l.segs.Store(&rest)
	// The entries of segments that are not sealed stay, for the footers that a
	// checkpoint under way may be about to write.
	keep := first
	for _, s := range list {
		if !s.sealed.Load() || len(rest) > 0 && s == rest[0] {
			keep = min(keep, s.base)
			break
		}
	}
	l.idx.DropBelow(keep)
	gaps := t.gapList()
	for len(gaps) > 0 && gaps[0].To <= first {
		gaps = gaps[1:]
	}
	gaps = slices.Clone(gaps)
	t.gaps.Store(&gaps)
	return nil
}

// HasDead reports whether files wait for a checkpoint to be unlinked. Leader
// only.
func (r *Registry) HasDead() bool { return len(r.dead) > 0 }

// bury notes segments whose files may go after the next checkpoint.
func (r *Registry) bury(t *Topic, segs []*seg) {
	for _, s := range segs {
		r.dead = append(r.dead, deadSeg{t.id, s}) // a checkpoint under way may still make its file
	}
}

// StageDelete checks the deletion of a topic and returns its id.
func (r *Registry) StageDelete(name string) (uint64, error) {
	t, err := r.Topic(name)
	if err != nil {
		return 0, err
	}
	return t.id, nil
}

// ApplyDelete removes a topic for good. Readers that hold it finish what they
// hold.
func (r *Registry) ApplyDelete(id, pos uint64, ms int64) error {
	t := r.byID[id]
	if t == nil {
		return fmt.Errorf("delete of topic %d, which does not exist", id)
	}
	r.raise(ms)
	t.deleted.Store(pos)
	t.log.abort() // what was reserved for it and never used
	r.bury(t, t.log.list())
	r.mu.Lock()
	delete(r.byID, id)
	r.mu.Unlock()
	r.dying = append(r.dying, t)
	return nil
}

// reap takes deleted topics out of sight, at publication.
func (r *Registry) reap() {
	for _, t := range r.dying {
		r.mu.Lock()
		if r.byName[t.name] == t {
			delete(r.byName, t.name)
		}
		r.mu.Unlock()
		t.signal()
	}
	r.dying = r.dying[:0]
}
