package engine

import (
	"fmt"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// snapRoom describes the space reserved for the next snapshot. A checkpoint must work on
// a full disk, because it is what frees space. So the snapshot's space is reserved before
// anything that it will hold is acknowledged. It is reserved by the number of topics,
// each with the largest tail that a snapshot carries. All fields are guarded by commitMu.
type snapRoom struct {
	topics  int   // number of topics that have room; 0: unknown
	rest    int64 // bytes of the last snapshot besides tails
	counted int   // topics in the last snapshot
}

// topicState bounds the bytes that a small topic takes in a snapshot besides its tail.
const topicState = 1 << 10

// size returns how large a snapshot of count topics may become, in bytes. Everything but
// new topics and tails may take a quarter more than last time.
func (s *snapRoom) size(count int) int64 {
	more := int64(max(count-s.counted, 0)) * topicState
	tails := min(carryBudget, topics.CarryMax*int64(count)) + min(topics.TinyBudget, topics.TinyMax*int64(count))
	return max(snapSpace, s.rest+s.rest/4+more+tails)
}

// admit makes sure, before a topic is created and before the first batch after a capture,
// that the next snapshot has room for count topics. If the disk has space, it reserves room for more. The caller holds commitMu.
func (e *Engine) admit(count int) error {
	if count <= e.snapRoom.topics || mutate.SkipSnapshotRoom {
		return nil
	}
	for _, n := range []int{count + count/4 + 8, count} {
		err := e.reserveSnapshot(n)
		if err == nil {
			e.snapRoom.topics = n
			return nil
		}
		if n == count || !isNoSpace(err) {
			return fmt.Errorf("reserving space for the next snapshot: %w", err)
		}
	}
	return nil
}

// reserveSnapshot makes room for a snapshot of count topics in both files: commits go on
// while a checkpoint is being written to one, and when it has ended the other one must
// have its room already. The file of the latest durable snapshot only grows past its end.
func (e *Engine) reserveSnapshot(count int) error {
	for number := range uint64(2) {
		f, err := e.fs.Open(snapName(number), vfs.Create)
		if err != nil {
			return err
		}
		err = f.Preallocate(e.snapRoom.size(count))
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// last notes the size of the latest durable snapshot.
func (s *snapRoom) last(st *storeState, tails int64, count int) {
	s.rest, s.counted = max(int64(st.SnapLen)-tails, 0), count
}

// checkpointed notes how a checkpoint ended, and reserves room for the next one. c is
// nil if it failed. If there is too little space, admit tries again with the next batch.
func (e *Engine) checkpointed(c *topics.Checkpoint, final bool) {
	s := &e.snapRoom
	if c == nil {
		return
	}
	s.topics = 0
	s.last(&e.store, c.Carried, len(c.Topics))
	if final {
		_ = e.reserveSnapshot(s.counted)
		return
	}
	_ = e.admit(e.reg.Count())
}
