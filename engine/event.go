package engine

import "sync/atomic"

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
	EventFull       EventKind = "disk_full"  // space could not be had; Err says for what

	EventPruned       EventKind = "pruned"        // a collection took records; Name is the topic
	EventClaimTimeout EventKind = "claim_timeout" // a claim was taken back; Name is the proc
)

// Event is something that an operator may want to know.
type Event struct {
	Kind     EventKind
	Position uint64 // command position, where there is one
	File     string
	Name     string // of the proc or topic concerned, where there is one
	Err      error
}

func (e *Engine) event(ev Event) {
	if e.cfg.Event != nil {
		e.cfg.Event(ev)
	}
}

type counters struct {
	commits, records, bytes, groups, syncs uint64 // under commitMu

	checkpoints, rejected atomic.Uint64
}

// Stats are counters since Open, and present sizes.
type Stats struct {
	Commits, Records, Bytes uint64 // acknowledged
	Groups                  uint64 // group commits
	Syncs                   uint64 // WAL syncs by commits
	Rejected                uint64 // commands refused
	Checkpoints             uint64
	Position                uint64 // newest visible command
	Durable                 uint64 // newest durable command
	Topics                  int
	WALBytes, WALFiles      int64
	SegmentBytes            int64 // on disk
	TailBytes               int64 // records in memory, not yet in segment files
	IndexBytes              int64 // heap
	OpenFiles, Mapped       int
	Err                     error // why writes are refused, or nil
}

// Stats returns the engine's counters.
func (e *Engine) Stats() Stats {
	c := &e.stats
	s := Stats{Rejected: c.rejected.Load(), Checkpoints: c.checkpoints.Load(),
		Position: e.reg.Published(), Durable: e.Durable(), SegmentBytes: e.reg.DiskBytes(), Err: e.writable()}
	for _, t := range e.reg.Topics() {
		s.Topics++
		s.TailBytes += t.TailBytes()
		s.IndexBytes += int64(t.IndexBytes())
	}
	e.commitMu.Lock()
	s.Commits, s.Records, s.Bytes, s.Groups, s.Syncs = c.commits, c.records, c.bytes, c.groups, c.syncs
	if e.log != nil {
		s.WALBytes, s.WALFiles = e.log.Size(), int64(e.log.Files())
	}
	e.commitMu.Unlock()
	s.OpenFiles, s.Mapped = e.files.Stats()
	return s
}
