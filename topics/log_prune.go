package topics

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
)

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func isCorrupt(err error) bool { return errors.Is(err, errs.ErrCorrupt) }

// recheckDamage returns the error for damage that a reader met on its way to
// sequence seq. It is no damage if the records were pruned or the topic was deleted
// while the reader was reading.
func (t *Topic) recheckDamage(seq uint64, err error) error {
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

// StagePrune checks a prune mark, which removes all records below first. It
// returns the topic's id.
func (r *Registry) StagePrune(name string, first uint64) (uint64, error) {
	t, err := r.Topic(name)
	if err != nil {
		return 0, err
	}
	if first > t.staged.next && !mutate.SkipPruneBound {
		return 0, errs.InvalidSequence.With(fmt.Sprintf("topic %q ends at sequence %d, it cannot be pruned to %d", name, t.staged.next, first))
	}
	return t.id, nil
}

// ApplyPrune raises the first sequence of a topic. Segments entirely below it
// leave the topic now; their files are unlinked once a checkpoint covers that.
func (r *Registry) ApplyPrune(id, first uint64, ms int64) error {
	t := r.byID[id]
	if t == nil || first > t.next {
		return fmt.Errorf("prune of topic %d to %d does not fit the state", id, first)
	}
	r.raiseTimeFloor(ms)
	if first <= t.first {
		return nil
	}
	t.first = first
	t.pubFirst.Store(first)
	l := t.log
	list := l.list()
	k := 0
	for k+1 < len(list) && (list[k+1].base <= first || mutate.PruneTooMuch && list[k].base <= first) {
		k++
	}
	if first == t.next {
		k = len(list) // nothing is left: the next record begins a new segment
		l.cur = nil
		l.resetPlan()
	}
	r.addDead(t, list[:k])
	rest := slices.Clone(list[k:])
	l.segs.Store(&rest)
	// The entries of segments that are not sealed stay, for the footers that a
	// checkpoint in progress may be about to write.
	keep := first
	for _, s := range list {
		if !s.sealed.Load() || len(rest) > 0 && s == rest[0] {
			keep = min(keep, s.base)
			break
		}
	}
	l.idx.DropBelow(keep)
	t.gaps.dropBelow(first)
	return nil
}

// HasDead reports whether files of pruned segments are waiting for a checkpoint.
// Leader only.
func (r *Registry) HasDead() bool { return len(r.dead) > 0 }

// addDead notes segments whose files are unlinked after the next checkpoint.
func (r *Registry) addDead(t *Topic, segs []*seg) {
	for _, s := range segs {
		r.dead = append(r.dead, deadSeg{t.id, s}) // also without a file: a checkpoint in progress may still create it
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

// ApplyDelete removes a topic for good. Lookups by name find it until the command
// is published. Readers may finish with the chunks and files that they hold.
func (r *Registry) ApplyDelete(id, pos uint64, ms int64) error {
	t := r.byID[id]
	if t == nil {
		return fmt.Errorf("delete of topic %d, which does not exist", id)
	}
	r.raiseTimeFloor(ms)
	t.deleted.Store(pos)
	t.log.discardPlan() // frees space that was reserved and never used
	r.addDead(t, t.log.list())
	r.mu.Lock()
	delete(r.byID, id)
	r.mu.Unlock()
	r.deleting = append(r.deleting, t)
	return nil
}

// removeDeleted makes deleted topics invisible, at publication.
func (r *Registry) removeDeleted() {
	for _, t := range r.deleting {
		r.mu.Lock()
		if r.byName[t.name] == t {
			delete(r.byName, t.name)
		}
		r.mu.Unlock()
		t.signal()
	}
	r.deleting = r.deleting[:0]
}
