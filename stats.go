package pipeproc

import (
	"time"

	"github.com/pipeproc/pipeproc/engine"
)

// Stats holds a node's counters since Open and its current sizes.
type Stats struct {
	Commits, Records, Bytes uint64 // acknowledged
	Groups                  uint64 // group commits
	Syncs                   uint64 // syncs of the write-ahead log by commits
	Rejected                uint64 // refused commands
	Checkpoints             uint64
	Position                uint64 // newest visible command
	Durable                 uint64 // newest durable command
	Topics                  int
	WALBytes, WALFiles      int64
	WALMapped               bool  // short commits are stored to mapped memory, not written: never with SyncAlways, nor where files cannot be mapped
	SegmentBytes            int64 // on disk
	TailBytes               int64 // records in memory that are not in segment files yet
	IndexBytes              int64 // on the heap
	OpenFiles, Mapped       int
	// Ahead is how far the store's time, which ids go by, is ahead of the clock: of one
	// that was set back, or that was once wrong. Time goes on by what elapses until the
	// clock has caught up. It is negative while the clock is so far ahead that it is not
	// believed yet; see Options.Clock.
	Ahead time.Duration
	Err   error // why writes are refused, or nil
}

// Stats returns the node's counters. It waits for the commit that is being
// written.
func (n *Node) Stats() Stats { return Stats(n.e.Stats()) }

// Recovery says what Open found.
type Recovery struct {
	Clean    bool          // the store was closed properly
	Commands uint64        // commands replayed from the write-ahead log
	Bytes    int64         // size of those commands
	Cut      []Cut         // torn frames, never acknowledged as durable
	Duration time.Duration // how long Open took
	Mended   []error       // damaged copies of STORE whose other copy was intact
	Damage   []error       // other damage: the node is read-only or topics refuse commits
}

// Cut is a torn write: a piece of the write-ahead log that was being written when the
// process or the machine died.
type Cut struct {
	File     string
	From, To int64 // bytes of File
	What     string
	Kept     string // the file in the folder quarantine with its bytes, "" if they could not be copied
}

// Recovery returns what Open found: whether the store had been closed properly, what was
// replayed, what was cut off and what is damaged.
func (n *Node) Recovery() Recovery {
	r := n.e.Recovery()
	out := Recovery{Clean: r.Clean, Commands: r.Commands, Bytes: r.Bytes, Duration: r.Duration, Mended: r.Mended, Damage: r.Damage}
	for _, c := range r.Cut {
		out.Cut = append(out.Cut, Cut(c))
	}
	return out
}

// Err returns why the node accepts no writes, or nil.
func (n *Node) Err() error { return n.e.Err() }

// Event is something that an operator may want to know; see Options.OnEvent.
type Event struct {
	Kind     EventKind
	Position uint64 // of the newest command concerned, if any
	File     string
	Name     string // of the proc or topic concerned, if any
	Err      error
}

// EventKind says what happened.
type EventKind string

// Kinds of events.
const (
	EventOpened       EventKind = "opened"        // Open finished
	EventRecovered    EventKind = "recovered"     // the write-ahead log was replayed after a crash
	EventCut          EventKind = "cut"           // a torn frame was cut off; File and Err say which
	EventCheckpoint   EventKind = "checkpoint"    // a checkpoint is durable
	EventDamage       EventKind = "damage"        // damage was found; Err is a *CorruptError
	EventFailed       EventKind = "failed"        // the node stops acknowledging writes
	EventDiskFull     EventKind = "disk_full"     // there was no space; Err says for what
	EventMoved        EventKind = "moved"         // the directory was moved or replaced: the node goes on in its own; File is its name, or LOCK, if that was removed
	EventPruned       EventKind = "pruned"        // a collection removed records; Name is the topic
	EventClaimTimeout EventKind = "claim_timeout" // the node took a claim back; Name is the proc
	EventClock        EventKind = "clock"         // the clock is far ahead of what has elapsed, or far behind the store; see Err and Stats.Ahead
)

// eventFunc returns a function that converts events of the engine and calls fn, or nil.
func eventFunc(fn func(Event)) func(engine.Event) {
	if fn == nil {
		return nil
	}
	return func(e engine.Event) {
		fn(Event{Kind: EventKind(e.Kind), Position: e.Position, File: e.File, Name: e.Name, Err: e.Err})
	}
}
