package pipeproc

import (
	"context"
	"iter"
)

// Committer appends records.
type Committer interface {
	Commit(ctx context.Context, recs ...Record) ([]ID, error)
	CommitBatch(ctx context.Context, b *Batch) error
	Sync(ctx context.Context) error
}

// Reader reads records.
type Reader interface {
	Range(ctx context.Context, topic string, o RangeOptions) iter.Seq2[Record, error]
	Get(ctx context.Context, topic string, seq uint64) (Record, error)
	Length(ctx context.Context, topic string) (uint64, error)
	Follow(ctx context.Context, topic string, from uint64) iter.Seq2[Record, error]
	WaitForRecord(ctx context.Context, topic string, seq uint64) error
}

// Admin administers topics.
type Admin interface {
	Topic(ctx context.Context, name string) (TopicInfo, error)
	Topics(ctx context.Context) ([]TopicInfo, error)
	CreateTopic(ctx context.Context, name string, o TopicOptions) error
	DeleteTopic(ctx context.Context, name string) error
	Prune(ctx context.Context, topic string, first uint64) error
	SetRetention(ctx context.Context, topic string, r Retention) error
	Retention(ctx context.Context, topic string) (Retention, error)
	GC(ctx context.Context, o GCOptions) ([]Pruned, error)
}

// Procs consumes topics: it claims records for named, persisted positions,
// acknowledges them, or gives them back.
type Procs interface {
	EnsureProc(ctx context.Context, o ProcOptions) (ProcInfo, error)
	Claim(ctx context.Context, o ProcOptions) (Claim, error)
	ClaimAny(ctx context.Context, list ...ProcOptions) (Claim, error)
	Ack(ctx context.Context, proc string, t Token) (IDRange, error)
	AckCommit(ctx context.Context, proc string, t Token, recs ...Record) (IDRange, []ID, error)
	AckCommitBatch(ctx context.Context, proc string, t Token, b *Batch) (IDRange, error)
	Reclaim(ctx context.Context, proc string, t Token, reason string) (IDRange, error)
	InspectProc(ctx context.Context, name string) (ProcInfo, error)
	Procs(ctx context.Context) ([]ProcInfo, error)
	DisableProc(ctx context.Context, name string) (ProcInfo, error)
	ResumeProc(ctx context.Context, name string) (ProcInfo, error)
	DestroyProc(ctx context.Context, name string) (ProcInfo, error)
	SeekProc(ctx context.Context, name, offset string) (ProcInfo, error)
	WaitForProcs(ctx context.Context, names ...string) error
	WaitForWork(ctx context.Context, name string) error
}

// Pipelines runs processors over topics.
type Pipelines interface {
	DefineSystemProc(ctx context.Context, o SystemProcOptions) ([]ProcInfo, error)
	SystemProcs(ctx context.Context) ([]SystemProcInfo, error)
	Register(name string, p Processor) error
	OpenLiveProc(ctx context.Context, o LiveOptions) (*LiveProc, error)
}

// Store is what an application needs of a node. It is satisfied by a Node in the
// same process and by a client of a node in another one (package rpc), so code
// written against it runs with both. Later versions of the module may add methods to
// it, through further embedded interfaces; a type that implements Store should embed
// one to stay complete.
type Store interface {
	Committer
	Reader
	Procs
	Pipelines
	Admin
	Close() error
}

var _ Store = (*Node)(nil)
