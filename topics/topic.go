package topics

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/segment"
)

// Options are a topic's own settings. They are fixed when the topic is created
// and are part of its durable state, because they change what a command does.
type Options struct {
	// SegmentSize is the size in bytes at which a segment is closed and the next
	// one begins. 0 means the node's default.
	SegmentSize int64
	// Compression is the codec of new blocks.
	Compression segment.Codec
}

// Topic is one log of records.
type Topic struct {
	id         uint64
	name       string
	opts       Options
	createdPos uint64 // position of the command that created it
	createdMs  int64  // that command's time, unix milliseconds
	reg        *Registry
	log        *log

	// Leader only: the applied state plus everything staged.
	staged struct {
		next  uint64
		time  int64
		empty bool // no record was ever committed
	}
	// Leader only: the applied state.
	next  uint64
	time  int64 // of the newest record
	empty bool
	first uint64
	bytes int64 // raw bytes of all records ever committed

	ends     [2]topicEnd
	curEnd   int // the index of the newest end; leader only
	pubFirst atomic.Uint64
	size     atomic.Int64
	lastTime atomic.Int64
	gaps     gaps
	deleted  atomic.Uint64 // position of the command that deleted it, 0 if none
	damage   atomic.Pointer[errs.CorruptError]
	stuck    atomic.Pointer[errs.CorruptError] // damage that a write that succeeds ends

	queued  atomic.Bool // in the registry's list of hot topics
	waiting atomic.Int32
	mu      sync.Mutex
	wake    chan struct{} // closed at the next publication; created by the first waiter
}

// topicEnd is one of the two latest ends of a topic: after the command at pos,
// the next sequence was end. A reader takes the newest one whose pos is
// published.
type topicEnd struct{ pos, end atomic.Uint64 }

// Name returns the topic's name.
func (t *Topic) Name() string { return t.name }

// Is reports whether t, which was visible before, is still the topic of that
// name.
func (t *Topic) Is(name string) bool { return t.name == name && t.deleted.Load() == 0 }

// ID returns the number that names the topic on disk. It is never reused.
func (t *Topic) ID() uint64 { return t.id }

// Options returns the topic's settings.
func (t *Topic) Options() Options { return t.opts }

// NeverWritten reports whether no record was ever committed. Leader only.
func (t *Topic) NeverWritten() bool { return t.empty }

// setEnd records that the command at pos moved the next sequence to end. It
// overwrites the entry that no reader of the published position can need: the
// one set by an unpublished command, or else the older one. It stores pos first:
// pos is not published yet, so no reader takes the entry while it still holds the
// end of another command.
func (t *Topic) setEnd(pos, end, published uint64) {
	s := &t.ends[t.curEnd]
	if s.pos.Load() <= published {
		t.curEnd ^= 1
		s = &t.ends[t.curEnd]
	}
	s.pos.Store(pos)
	s.end.Store(end)
}

// End returns the next sequence as of the published position. It reads both
// positions again after the ends: if they are unchanged, all values were there at
// one moment. It retries only if the writer has made progress.
func (t *Topic) End() uint64 {
	x, y := &t.ends[0], &t.ends[1]
	for {
		p := t.reg.published.Load()
		px, py := x.pos.Load(), y.pos.Load()
		ex, ey := x.end.Load(), y.end.Load()
		if x.pos.Load() != px || y.pos.Load() != py {
			continue
		}
		switch {
		case px <= p && (py > p || px > py || px == py && ex > ey):
			return ex
		case py <= p:
			return ey
		}
	}
}

// First returns the topic's first sequence that is not pruned.
func (t *Topic) First() uint64 { return t.pubFirst.Load() }

// Length returns the number of records that can be read.
func (t *Topic) Length() uint64 {
	first, end := t.First(), t.End()
	if end <= first {
		return 0
	}
	return end - first - t.gaps.missing(first, end)
}

// MarkDamaged makes the topic refuse commits because of err. The first damage
// stays.
func (t *Topic) MarkDamaged(err *errs.CorruptError) { t.damage.CompareAndSwap(nil, err) }

// ClearDamage makes the topic accept commits again, after a repair.
func (t *Topic) ClearDamage() {
	t.damage.Store(nil)
	t.stuck.Store(nil)
}

// Stuck returns why a file of the topic could not be written when that was tried last,
// or nil. Nothing is lost: the snapshot has what the file lacks.
func (t *Topic) Stuck() *errs.CorruptError { return t.stuck.Load() }

// Damage returns the first damage found in the topic, or nil.
func (t *Topic) Damage() *errs.CorruptError { return t.damage.Load() }

// apply appends the blocks of the command at position pos, staged or replayed.
func (t *Topic) apply(blocks []Block, pos, published uint64) {
	for i := range blocks {
		h := &blocks[i].Header
		switch {
		case t.empty:
			t.empty = false
			t.first = h.Base
			t.pubFirst.Store(h.Base)
		case h.Base > t.next:
			t.gaps.add(t.next, h.Base)
		}
		t.log.apply(h, blocks[i].Body)
		t.next = h.Next()
		t.time = h.Time
		t.bytes += int64(h.Raw)
	}
	t.size.Store(t.bytes)
	if t.lastTime.Load() != t.time { // a store costs ten times as much as a load as a load
		t.lastTime.Store(t.time)
	}
	t.setEnd(pos, t.next, published)
	if t.log.hot {
		t.log.hot = false
		t.reg.queueHot(t)
	}
	if t.log.lagging {
		t.log.lagging = false
		t.reg.lagging = append(t.reg.lagging, t)
	}
}

// signal wakes the goroutines that wait for records. It is called after
// publication.
func (t *Topic) signal() {
	if t.waiting.Load() == 0 {
		return
	}
	t.mu.Lock()
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
	t.mu.Unlock()
}

// WaitRecord is Wait. It returns a *PrunedError or errs.InvalidSequence if the topic does
// not have the record seq any more, or never will.
func (t *Topic) WaitRecord(ctx context.Context, seq uint64) error {
	if err := t.Wait(ctx, seq); err != nil {
		return err
	}
	if first := t.First(); seq < first {
		return &PrunedError{Topic: t.name, Seq: seq, First: first}
	}
	if _, gap := t.gaps.at(seq); gap {
		return t.noSequence(seq)
	}
	return nil
}

func (t *Topic) noSequence(seq uint64) error {
	return errs.InvalidSequence.With(fmt.Sprintf("there is no sequence %d in topic %q", seq, t.name))
}

// Wait returns nil once the topic's next sequence is above seq. It returns an error when ctx ends, the topic is deleted or the
// node closes.
func (t *Topic) Wait(ctx context.Context, seq uint64) error {
	if ctx.Err() == nil && t.End() > seq { // no channel that the writer would have to close
		return nil
	}
	t.waiting.Add(1)
	defer t.waiting.Add(-1)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.mu.Lock()
		if t.wake == nil {
			t.wake = make(chan struct{})
		}
		ch := t.wake
		t.mu.Unlock()
		if t.End() > seq {
			return nil
		}
		if d := t.deleted.Load(); d != 0 && d <= t.reg.published.Load() {
			return unknownTopic(t.name)
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.reg.closed:
			return errs.Closed.With("the node was closed while waiting for records")
		}
	}
}
