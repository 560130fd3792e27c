package message

import (
	"encoding/json"
	"time"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
)

// Access is what a client may do. Each right includes those before it.
type Access uint8

// Rights. The zero value allows only greeting and pinging.
const (
	AccessNone  Access = iota
	AccessRead         // read topics and inspect procs
	AccessWrite        // also commit, consume, acknowledge
	AccessAll          // also create, delete and prune topics, define system procs, collect
)

// Call is the declaration of one JSON call: its name, the right that it needs, and
// whether it is a command, which must not be done twice and so needs a key. A is the
// type of its arguments, R that of its result.
type Call[A, R any] struct {
	Name  string
	Need  Access
	Keyed bool
}

// Declaration holds the fields that all calls share.
type Declaration interface {
	Declared() (name string, need Access, keyed bool)
}

// Declared returns the fields.
func (c Call[A, R]) Declared() (name string, need Access, keyed bool) { return c.Name, c.Need, c.Keyed }

// Args decodes the arguments.
func (c Call[A, R]) Args(p []byte) (a A, err error) {
	if err := json.Unmarshal(p, &a); err != nil {
		return a, errs.InvalidOptions.Wrap(err, "the arguments of the call")
	}
	return a, nil
}

// Result decodes a result.
func (c Call[A, R]) Result(p []byte) (r R, err error) { return r, json.Unmarshal(p, &r) }

// None is the arguments of a call without any, or its result.
type None = *struct{}

// Calls are the JSON calls by what they do.
var Calls = struct {
	Ping         Call[NoArgs, string]
	Stats        Call[NoArgs, Stats]
	Topic        Call[NameArgs, Topic]
	Topics       Call[NoArgs, []Topic]
	CreateTopic  Call[CreateTopicArgs, None]
	DeleteTopic  Call[NameArgs, None]
	Prune        Call[PruneArgs, None]
	SetRetention Call[RetentionArgs, None]
	Retention    Call[NameArgs, Retention]
	GC           Call[GCArgs, []Pruned]
	Checkpoint   Call[NoArgs, None]
	InspectProc  Call[NameArgs, Proc]
	Procs        Call[NoArgs, []Proc]
	DisableProc  Call[NameArgs, Proc]
	ResumeProc   Call[NameArgs, Proc]
	DestroyProc  Call[NameArgs, Proc]
	SeekProc     Call[SeekArgs, Proc]
	EnsureProc   Call[ProcArgs, Proc]
	SystemProc   Call[SystemProcArgs, []Proc]
	SystemProcs  Call[NoArgs, []SystemProc]
	Definitions  Call[NamesArgs, []*procstate.System]
}{
	Ping:         Call[NoArgs, string]{Name: "ping"},
	Stats:        Call[NoArgs, Stats]{Name: "stats", Need: AccessRead},
	Topic:        Call[NameArgs, Topic]{Name: "topic", Need: AccessRead},
	Topics:       Call[NoArgs, []Topic]{Name: "topics", Need: AccessRead},
	CreateTopic:  Call[CreateTopicArgs, None]{Name: "createTopic", Need: AccessAll, Keyed: true},
	DeleteTopic:  Call[NameArgs, None]{Name: "deleteTopic", Need: AccessAll, Keyed: true},
	Prune:        Call[PruneArgs, None]{Name: "prune", Need: AccessAll, Keyed: true},
	SetRetention: Call[RetentionArgs, None]{Name: "setRetention", Need: AccessAll, Keyed: true},
	Retention:    Call[NameArgs, Retention]{Name: "retention", Need: AccessRead},
	GC:           Call[GCArgs, []Pruned]{Name: "gc", Need: AccessAll},
	Checkpoint:   Call[NoArgs, None]{Name: "checkpoint", Need: AccessAll},
	InspectProc:  Call[NameArgs, Proc]{Name: "inspectProc", Need: AccessRead},
	Procs:        Call[NoArgs, []Proc]{Name: "procs", Need: AccessRead},
	DisableProc:  Call[NameArgs, Proc]{Name: "disableProc", Need: AccessWrite, Keyed: true},
	ResumeProc:   Call[NameArgs, Proc]{Name: "resumeProc", Need: AccessWrite, Keyed: true},
	DestroyProc:  Call[NameArgs, Proc]{Name: "destroyProc", Need: AccessWrite, Keyed: true},
	SeekProc:     Call[SeekArgs, Proc]{Name: "seekProc", Need: AccessWrite, Keyed: true},
	EnsureProc:   Call[ProcArgs, Proc]{Name: "ensureProc", Need: AccessWrite},
	SystemProc:   Call[SystemProcArgs, []Proc]{Name: "systemProc", Need: AccessAll},
	SystemProcs:  Call[NoArgs, []SystemProc]{Name: "systemProcs", Need: AccessRead},
	Definitions:  Call[NamesArgs, []*procstate.System]{Name: "definitions", Need: AccessRead},
}

// JSON is the request of a JSON call.
type JSON struct {
	Key  once.Key
	Name string
	Args []byte
}

// Append appends the encoding.
func (m *JSON) Append(dst []byte) []byte {
	return enc.AppendBytes(enc.AppendString(appendKey(dst, m.Key), m.Name), m.Args)
}

// Take decodes p. Args alias it.
func (m *JSON) Take(p []byte) error {
	d := enc.Reader{B: p}
	m.Key, m.Name, m.Args = takeKey(&d), string(d.Bytes()), d.Bytes()
	if d.Err != nil {
		return malformed("call")
	}
	return nil
}

// Arguments and results. Times are unix milliseconds, 0 for none; durations are
// nanoseconds.
type (
	NoArgs   struct{}
	NameArgs struct {
		Name string `json:"name"`
	}
	NamesArgs struct {
		Names []string `json:"names"`
	}
	CreateTopicArgs struct {
		Name    string       `json:"name"`
		Options TopicOptions `json:"options"`
	}
	PruneArgs struct {
		Topic string `json:"topic"`
		First uint64 `json:"first"`
	}
	RetentionArgs struct {
		Topic     string    `json:"topic"`
		Retention Retention `json:"retention"`
	}
	SeekArgs struct {
		Name   string `json:"name"`
		Offset string `json:"offset"`
	}
	SystemProcArgs struct {
		Options SystemProcOptions `json:"options"`
	}

	// TopicOptions are pipeproc.TopicOptions.
	TopicOptions struct {
		SegmentSize int64
		Compression uint8
	}
	// Topic is pipeproc.TopicInfo, with its error as text.
	Topic struct {
		Name                           string
		ID, First, Next, Records       uint64
		CreatedAt, FirstTime, LastTime int64
		Bytes, DiskBytes               int64
		Segments                       int
		Options                        TopicOptions
		Damaged                        string `json:",omitempty"`
	}
	// Retention is pipeproc.Retention.
	Retention struct {
		GC             uint8
		MinPruneTime   time.Duration
		IgnoreDisabled uint8
		MaxAge         time.Duration
		MaxBytes       int64
		Force          bool
	}
	// GCArgs are pipeproc.GCOptions.
	GCArgs struct {
		Interval       time.Duration
		MinPruneTime   time.Duration
		IgnoreDisabled bool
	}
	// Pruned is pipeproc.Pruned.
	Pruned struct {
		Topic       string
		First, Next uint64
		Reason      uint8
		Passed      []string
	}
	// Stats are pipeproc.Stats, with the error as text.
	Stats struct {
		Commits, Records, Bytes, Groups, Syncs, Rejected, Checkpoints, Position, Durable uint64
		Topics                                                                           int
		WALBytes, WALFiles, SegmentBytes, TailBytes, IndexBytes                          int64
		WALMapped                                                                        bool
		OpenFiles, Mapped                                                                int
		Ahead                                                                            time.Duration `json:",omitempty"`
		Err                                                                              string        `json:",omitempty"`
	}
	// SystemProc is pipeproc.SystemProcInfo.
	SystemProc struct {
		Name      string   `json:"name"`
		Processor string   `json:"processor"`
		From      []string `json:"from"`
		To        []string `json:"to"`
		Procs     []string `json:"procs"`
		Command   []string `json:"command,omitempty"`
		Count     int      `json:"count"`
		Lanes     int      `json:"lanes"`
		CreatedAt int64    `json:"createdAt"`
		Running   bool     `json:"running"`
	}
)

// Retry is pipeproc.RetryPolicy.
type Retry struct {
	MaxReclaims         int
	ReclaimTimeout      time.Duration
	OnMaxReclaims       uint8
	DeadLetterTopic     string
	Backoff, MaxBackoff time.Duration
}

// ProcArgs are pipeproc.ProcOptions.
type ProcArgs struct {
	Name, Topic, Offset string
	Count               int
	Retry
	Ephemeral bool
}

// SystemProcOptions are pipeproc.SystemProcOptions.
type SystemProcOptions struct {
	Name          string
	From          []string
	PerTopic      bool
	To            []string
	ProcessorName string
	Command       []string
	Source        string
	Count, Lanes  int
	Replace       bool
	Offset        string
	Retry
}

// Proc is pipeproc.ProcInfo. Ranges are objects, not text.
type Proc struct {
	Name, Topic, Offset                     string
	CreatedAt, LastClaimedAt, LastAckedAt   int64
	Disabled                                bool
	Reclaims                                int
	Retry                                   // as far as it was given to the proc
	Claim                                   procstate.Token
	Next, Pending, Skipped                  uint64
	RetryAt                                 int64
	Ephemeral                               bool
	System, Waiting                         string
	LastClaimed, PreviousClaimed, LastAcked RangeOf
}

// RangeOf is a record.Range.
type RangeOf struct {
	First, Last record.ID
	Count       uint64
}
