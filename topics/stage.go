package topics

import (
	"fmt"
	"math"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/record"
)

// Prepare does the checks of a batch that need no lock, and encodes, compresses
// and checksums its blocks.
func (r *Registry) Prepare(b *Batch) error {
	if b.err != nil {
		return b.err
	}
	if b.count == 0 {
		return errs.Uncommitted.With("the batch holds no record")
	}
	if b.largest > r.MaxBody && !b.unbounded {
		return errs.TooLarge.With(fmt.Sprintf("a body of %d bytes is over the limit of %d (Options.MaxBody)", b.largest, r.MaxBody))
	}
	if b.bytes > r.MaxBatch && !b.unbounded {
		return errs.TooLarge.With(fmt.Sprintf("a batch of %d bytes is over the limit of %d (Options.MaxBatch)", b.bytes, r.MaxBatch))
	}
	for i := range b.slots {
		s := &b.slots[i]
		if s.topic == nil || s.topic.reg != r || s.topic.deleted.Load() != 0 {
			s.topic = r.lookup(s.name)
		}
		codec := r.Default.Compression
		if s.topic != nil {
			codec = s.topic.opts.Compression
		}
		s.prepare(codec, r.Codecs)
	}
	return nil
}

// Stage checks a prepared batch against the applied state and everything staged
// before it, reserves disk space, and assigns topics, time and sequences. It
// returns the time of the command in unix milliseconds. On error it changes
// nothing. Commit leader only.
func (r *Registry) Stage(b *Batch, now int64) (int64, error) {
	ms := max(now, r.stagedTime)
	if err := CheckTime(ms); err != nil {
		return 0, err
	}
	for i := range b.slots {
		if err := r.stageSlot(&b.slots[i], ms, now, b.force); err != nil {
			r.unstage(b.slots[:i+1])
			return 0, err
		}
	}
	r.stagedTime = ms
	for i := range b.slots {
		s := &b.slots[i]
		t := s.topic
		if s.created {
			r.stagedID = t.id + 1
		}
		if len(s.blocks) == 0 {
			continue
		}
		last := &s.blocks[len(s.blocks)-1]
		t.staged.next, t.staged.time, t.staged.empty = last.Next(), last.Time, false
		t.log.acceptPlan(s.plan)
	}
	return ms, nil
}

// StagedTime returns the least time of the next command in unix milliseconds,
// given all commands in flight. Leader only.
func (r *Registry) StagedTime() int64 { return r.stagedTime }

// StagedNext returns the next sequence of a topic, including all commands in
// flight, or 0 if the topic does not exist. Leader only.
func (r *Registry) StagedNext(name string) uint64 {
	t := r.fresh[name]
	if t == nil {
		t = r.lookup(name)
	}
	if t == nil || t.deleted.Load() != 0 {
		return 0
	}
	return t.staged.next
}

// First returns the first sequence of a topic, or 0 if the topic does not exist.
// Leader only: prunes are never in flight.
func (r *Registry) First(name string) uint64 {
	if t := r.lookup(name); t != nil {
		return t.first
	}
	return 0
}

// maxImportSeq bounds imported sequences; it leaves a topic more than it can use.
const maxImportSeq = 1 << 63

// CheckTime refuses times, in unix milliseconds, that the format cannot hold.
func CheckTime(ms int64) error {
	if ms < 0 || ms >= 1<<47 {
		return errs.InvalidOptions.With(fmt.Sprintf("Clock: %d milliseconds since 1970 are out of range", ms))
	}
	return nil
}

// unstage forgets the topics that a failed batch would have created.
func (r *Registry) unstage(slots []slot) {
	for i := range slots {
		s := &slots[i]
		if s.created {
			s.topic.log.discardPlan()
			r.unstageTopic(s)
		}
	}
}

// stageSlot checks one slot, assigns its topic, time and sequences, and plans its
// blocks. On error it may leave a staged topic: see unstage.
func (r *Registry) stageSlot(s *slot, ms, now int64, force bool) error {
	t := s.topic
	s.created = false
	if t == nil || t.deleted.Load() != 0 {
		if t = r.fresh[s.name]; t == nil {
			t = r.lookup(s.name)
		}
	}
	if t == nil || t.deleted.Load() != 0 {
		if s.expects && s.expect != 0 {
			return &ConflictError{Topic: s.name, Expect: s.expect}
		}
		if len(s.blocks) == 0 {
			return nil
		}
		if r.Admit != nil {
			if err := r.Admit(r.Count() + 1); err != nil {
				return err
			}
		}
		t = r.newTopic(r.freshID(), s.name, r.Default, 0, ms)
		r.fresh[s.name] = t
		s.created = true
	}
	s.topic = t
	if d := t.damage.Load(); d != nil {
		return errs.Damaged.Wrap(d, fmt.Sprintf("topic %q takes no commits until it is repaired; run 'pipeproc repair'", t.name))
	}
	if s.expects && s.expect != t.staged.next && !mutate.SkipExpect {
		return &ConflictError{Topic: t.name, Expect: s.expect, Next: t.staged.next}
	}
	if len(s.blocks) == 0 {
		return nil
	}
	if s.explicit {
		if err := r.checkExplicit(s, ms, now, force); err != nil {
			return err
		}
	} else {
		next := t.staged.next
		if next+s.count < next {
			return errs.TooLarge.With(fmt.Sprintf("topic %q is at sequence %d: there are no more", t.name, next))
		}
		s.base, s.time = next, max(ms, t.staged.time) // an import may have taken the topic ahead
		for i := range s.blocks {
			h := &s.blocks[i].Header
			h.Base, h.Time = next, s.time
			next = h.Next()
		}
	}
	var err error
	s.plan, err = t.log.plan(s.blocks)
	return err
}

// checkExplicit checks ids that came with the records. Adding them has checked
// that they rise within the batch. An id ahead of now takes only its own topic ahead.
func (r *Registry) checkExplicit(s *slot, ms, now int64, force bool) error {
	t := s.topic
	first := s.blocks[0].Header
	last := s.blocks[len(s.blocks)-1].Header
	s.base, s.time = first.Base, first.Time
	if !t.staged.empty && !s.expects {
		return errs.InvalidImport.With(fmt.Sprintf("topic %q has records; an import needs a topic without any", t.name))
	}
	if !t.staged.empty && (first.Base < t.staged.next || first.Time < t.staged.time) {
		return errs.InvalidImport.With(fmt.Sprintf("topic %q: id %s is not above the newest record", t.name, ID{Millis: first.Time, Seq: first.Base}))
	}
	if limit := max(ms, now+r.MaxFuture.Milliseconds()); last.Time > limit && !force {
		return errs.InvalidImport.With(fmt.Sprintf("id %s lies more than %v in the future; later records of the topic could not have lower ones", ID{Millis: last.Time, Seq: last.Base}, r.MaxFuture))
	}
	if last.Base >= maxImportSeq {
		return errs.InvalidImport.With(fmt.Sprintf("sequence %d is out of range", last.Base))
	}
	return nil
}

// freshID returns a topic id that no staged topic uses.
func (r *Registry) freshID() uint64 { return max(r.stagedID, r.nextID) + uint64(len(r.fresh)) }

// Slots calls fn for each topic of a staged batch that has blocks, in order.
func (b *Batch) Slots(fn func(t *Topic, created bool, blocks []Block)) {
	for i := range b.slots {
		if s := &b.slots[i]; len(s.blocks) > 0 {
			fn(s.topic, s.created, s.blocks)
		}
	}
}

// Begins calls fn for each topic whose first record is in the staged batch, if an
// import gives that record a sequence other than 0.
func (b *Batch) Begins(fn func(topic string, base uint64)) {
	for i := range b.slots {
		if s := &b.slots[i]; s.explicit && len(s.blocks) > 0 && s.base > 0 && s.topic.empty {
			fn(s.topic.name, s.base)
		}
	}
}

// ApplyBatch applies a staged batch as the command at pos. It cannot fail.
func (r *Registry) ApplyBatch(b *Batch, pos uint64, ms int64) {
	b.committed = true
	for i := range b.slots {
		s := &b.slots[i]
		if len(s.blocks) == 0 {
			continue
		}
		if s.created {
			s.topic.createdPos = pos
			delete(r.fresh, s.name)
			r.add(s.topic)
		}
		s.topic.apply(s.blocks, pos, r.published.Load())
	}
	r.raiseTimeFloor(ms)
}

// raiseTimeFloor makes ms the time floor if it is above it.
func (r *Registry) raiseTimeFloor(ms int64) {
	if ms > r.timeFloor.Load() {
		r.timeFloor.Store(ms)
	}
	r.stagedTime = max(r.stagedTime, ms)
}

// Signal wakes the goroutines that wait for records of the batch's topics.
func (b *Batch) Signal() {
	for i := range b.slots {
		if s := &b.slots[i]; len(s.blocks) > 0 {
			s.topic.signal()
		}
	}
}

// Abort resets the staged state of the batch's topics to the applied state. The
// leader calls it for every staged batch that will not be applied.
func (r *Registry) Abort(b *Batch) {
	for i := range b.slots {
		s := &b.slots[i]
		t := s.topic
		if t == nil {
			continue
		}
		t.resetStaged()
		if s.created {
			r.unstageTopic(s)
		}
	}
	r.stagedID = r.nextID
	r.stagedTime = r.timeFloor.Load()
}

// unstageTopic drops a staged topic that will not be created. It marks the topic
// deleted for reused batches that were staged on it too.
func (r *Registry) unstageTopic(s *slot) {
	s.topic.deleted.Store(math.MaxUint64)
	delete(r.fresh, s.name)
	s.topic, s.created = nil, false
}

func (t *Topic) resetStaged() {
	t.log.discardPlan()
	t.staged.next, t.staged.time, t.staged.empty = t.next, t.time, t.empty
}

// StageCreate checks the explicit creation of a topic and returns its future id
// and its options with defaults filled in.
func (r *Registry) StageCreate(name string, o Options) (uint64, Options, error) {
	if err := record.CheckName(name); err != nil {
		return 0, o, err
	}
	if r.fresh[name] != nil || r.lookup(name) != nil {
		return 0, o, errs.TopicExists.With(fmt.Sprintf("there is a topic %q already", name))
	}
	o, err := r.CheckOptions(o)
	if err != nil {
		return 0, o, err
	}
	return r.freshID(), o, nil
}

// ApplyCreate creates a topic.
func (r *Registry) ApplyCreate(id uint64, name string, o Options, pos uint64, ms int64) *Topic {
	t := r.newTopic(id, name, o, pos, ms)
	t.setEnd(pos, 0, r.published.Load())
	r.add(t)
	r.raiseTimeFloor(ms)
	return t
}

// ApplyAppend applies the blocks of one topic during replay. It fails only if the
// command does not fit the state, which is damage.
func (r *Registry) ApplyAppend(id uint64, blocks []Block, pos uint64, ms int64) error {
	t := r.byID[id]
	if t == nil {
		return fmt.Errorf("the command names topic %d, which does not exist", id)
	}
	for i := range blocks {
		h := &blocks[i].Header
		if !t.empty && (h.Base < t.next || h.Time < t.time) || h.Count == 0 || h.Base+uint64(h.Count) < h.Base {
			return fmt.Errorf("topic %q: a block at %s follows %s", t.name, ID{Millis: h.Time, Seq: h.Base}, ID{Millis: t.time, Seq: t.next})
		}
		t.apply(blocks[i:i+1], pos, r.published.Load())
	}
	t.log.resetPlan()
	t.resetStaged()
	r.raiseTimeFloor(ms)
	return nil
}
