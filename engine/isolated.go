package engine

import (
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/topics"
)

// keepBytes is how much a snapshot keeps, besides as much as the WAL may hold, of what
// the files of damaged topics lack, in bytes. So whatever is not in files when they
// fail can be kept.
const keepBytes = 64 << 20

func keepMax(c Config) int64 { return keepBytes + c.MaxWAL }

// isolated are the topics whose files could not be written at the last checkpoint. The
// error may pass, so a checkpoint tries again, less and less often, and the first one
// after Open does so at once.
type isolated struct {
	stuck atomic.Bool // there are such topics
	due   atomic.Bool // it is time to try again
	armed atomic.Bool // due will be set
	wait  time.Duration
}

// retryMax is the longest wait before a topic's file is tried again.
const retryMax = time.Minute

// retryStuck has the first checkpoint after Open try again at once.
func (e *Engine) retryStuck() {
	for _, t := range e.reg.Topics() {
		if t.Stuck() != nil {
			e.isolated.stuck.Store(true)
			e.isolated.due.Store(true)
		}
	}
}

// noteIsolated reports the topics that a checkpoint has just found damaged, or mended,
// and notes in st that its snapshot keeps blocks. The caller holds ckptMu.
func (e *Engine) noteIsolated(st *storeState, c *topics.Checkpoint) {
	for _, d := range c.Damaged {
		e.cfg.Logger.Error("pipeproc: a topic takes no commits, as its file cannot be used; what the file lacks is kept and can be read, and other topics go on; run 'pipeproc repair'",
			"topic", d.Topic, "err", d)
		e.event(Event{Kind: EventDamage, Name: d.Topic, File: d.File, Err: d})
	}
	for _, name := range c.Mended {
		e.cfg.Logger.Info("pipeproc: a topic's file can be written again, and the topic takes commits", "topic", name)
	}
	if c.Keeps && !mutate.SkipIsolatedFlag {
		st.Features |= featureIsolated
	}
	i := &e.isolated
	i.stuck.Store(c.Stuck > 0)
	if c.Stuck == 0 {
		i.wait = 0
		return
	}
	if st.Clean || i.armed.Swap(true) { // the last checkpoint has no other after it
		return
	}
	i.wait = min(max(2*i.wait, retryAfter), retryMax)
	time.AfterFunc(i.wait, func() {
		i.armed.Store(false)
		i.due.Store(true)
		e.wakeKeeper()
	})
}
