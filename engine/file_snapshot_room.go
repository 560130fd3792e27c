package engine

import (
	"fmt"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// snapRoom is what is known of the space for the next snapshot. A checkpoint
// must work on a full disk, since it is what gives space back: so the snapshot's
// space is reserved before what it will hold is acknowledged. It is reserved by
// the number of topics, each with the largest tail that a snapshot carries. All
// of it is under commitMu.
type snapRoom struct {
	topics  int   // as many have room; 0: not known
	rest    int64 // bytes of the last snapshot besides tails
	counted int   // topics in it
	running bool  // a checkpoint has captured its state, and writes its file
}

// topicState is the most that a small topic takes in a snapshot besides its tail.
const topicState = 1 << 10

// size returns how large a snapshot of count topics may become: what is not
// about small topics has a quarter more than last time.
func (s *snapRoom) size(count int) int64 {
	more := int64(max(count-s.counted, 0)) * topicState
	return max(snapSpace, s.rest+s.rest/4+more+min(carryBudget, topics.CarryMax*int64(count)))
}

// admit makes sure that the next snapshot has room for count topics, before one
// more is made: some ahead, if the disk has space for those.
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

// reserveSnapshot makes room for a snapshot of count topics in the file of the
// next one that captures its state. While a checkpoint writes its own, that is
// the file of the latest durable one, which gets longer behind its end only.
func (e *Engine) reserveSnapshot(count int) error {
	number := e.store.Checkpoint + 1
	if e.snapRoom.running {
		number++
	}
	f, err := e.fs.Open(e.cfg.Dir+"/"+snapName(number), vfs.Create)
	if err != nil {
		return err
	}
	err = f.Preallocate(e.snapRoom.size(count))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// last notes what the latest durable snapshot has.
func (s *snapRoom) last(st *storeState, tails int64, count int) {
	s.rest, s.counted = max(int64(st.SnapLen)-tails, 0), count
}

// captured notes that the snapshot being written takes what there is now.
func (s *snapRoom) captured() { s.running, s.topics = true, 0 }

// checkpointed notes how a checkpoint ended, and reserves for the next one, as
// far as there is space: what is missing is asked for with the next topic. c is
// nil if it failed.
func (e *Engine) checkpointed(c *topics.Checkpoint, final bool) {
	s := &e.snapRoom
	s.running, s.topics = false, 0
	if c == nil {
		return // the file of the next attempt may lack what was reserved since
	}
	s.last(&e.store, c.Carried, len(c.Topics))
	if final {
		_ = e.reserveSnapshot(s.counted)
		return
	}
	_ = e.admit(e.reg.Count())
}
