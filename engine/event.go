package engine

import (
	"sync/atomic"
	"time"
)

// EventKind names what happened.
type EventKind string

// Kinds of events.
const (
	EventOpened     EventKind = "opened"     // Open finished
	EventRecovered  EventKind = "recovered"  // a WAL was replayed after a crash
	EventCut        EventKind = "cut"        // a torn frame was cut off; File, Err say which
	EventCheckpoint EventKind = "checkpoint" // a checkpoint is durable
	EventDamage     EventKind = "damage"     // damage was found; Err is a *CorruptError
	EventFailed     EventKind = "failed"     // the node stops acknowledging writes
	EventFull       EventKind = "disk_full"  // there was no space; Err says for what
	EventMoved      EventKind = "moved"      // the directory was moved or replaced; File is its name, or "LOCK", if that was removed and made again

	EventPruned       EventKind = "pruned"        // a collection removed records; Name is the topic
	EventClaimTimeout EventKind = "claim_timeout" // a claim timed out; Name is the proc
	EventClock        EventKind = "clock"         // the clock cannot be right; Err says why
)

// Event is something that an operator may want to know. Fields that do not apply to
// its kind are zero.
type Event struct {
	Kind     EventKind
	Position uint64 // of the newest command concerned
	File     string
	Name     string // of the proc or topic concerned
	Err      error
}

type counters struct {
	commits, records, bytes, groups, syncs uint64 // under commitMu

	checkpoints, rejected atomic.Uint64
}

// Stats holds counters since Open and current sizes.
type Stats struct {
	Commits, Records, Bytes uint64 // acknowledged
	Groups                  uint64 // group commits
	Syncs                   uint64 // WAL syncs by commits
	Rejected                uint64 // refused commands
	Checkpoints             uint64
	Position                uint64 // newest visible command
	Durable                 uint64 // newest durable command
	Topics                  int
	WALBytes, WALFiles      int64
	WALMapped               bool  // short commits are stored to mapped memory
	SegmentBytes            int64 // on disk
	TailBytes               int64 // records in memory that are not in segment files yet
	IndexBytes              int64 // on the heap
	OpenFiles, Mapped       int
	// Ahead is how far the store's time is ahead of the clock. It is negative while the
	// clock is so far ahead that it is not believed yet.
	Ahead time.Duration
	Err   error // why writes are refused, or nil
}

// Stats returns the engine's counters. It waits for the commit that is being written.
func (e *Engine) Stats() Stats {
	c := &e.stats
	s := Stats{Rejected: c.rejected.Load(), Checkpoints: c.checkpoints.Load(),
		Position: e.reg.Published(), Durable: e.Durable(), SegmentBytes: e.reg.DiskBytes()}
	for _, t := range e.reg.Topics() {
		s.Topics++
		s.TailBytes += t.TailBytes()
		s.IndexBytes += int64(t.IndexBytes())
	}
	e.lockedStats(&s)
	s.OpenFiles, s.Mapped = e.files.Stats()
	return s
}

// lockedStats sets what the commit leader changes.
func (e *Engine) lockedStats(s *Stats) {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	c := &e.stats
	s.Commits, s.Records, s.Bytes, s.Groups, s.Syncs = c.commits, c.records, c.bytes, c.groups, c.syncs
	if e.log != nil {
		s.WALBytes, s.WALFiles, s.WALMapped = e.log.Size(), int64(e.log.Files()), e.log.Mapped()
	}
	ms, wall := e.now()
	s.Ahead = millis(ms - wall)
	s.Err = e.writable()
}
