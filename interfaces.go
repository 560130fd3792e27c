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
	RevRange(ctx context.Context, topic string, o RangeOptions) iter.Seq2[Record, error]
	Get(ctx context.Context, topic string, seq uint64) (Record, error)
	Length(ctx context.Context, topic string) (uint64, error)
	Follow(ctx context.Context, topic string, from uint64) iter.Seq2[Record, error]
	WaitFor(ctx context.Context, topic string, seq uint64) error
}

// Admin looks after topics.
type Admin interface {
	Topic(ctx context.Context, name string) (TopicInfo, error)
	Topics(ctx context.Context) ([]TopicInfo, error)
	CreateTopic(ctx context.Context, name string, o TopicOptions) error
	DeleteTopic(ctx context.Context, name string) error
	Prune(ctx context.Context, topic string, first uint64) error
}

// Store is what an application needs of a node. It is satisfied by a Node in
// the same process; code written against it will run against a node in another
// one as it is.
type Store interface {
	Committer
	Reader
	Admin
	Close() error
}

var _ Store = (*Node)(nil)
