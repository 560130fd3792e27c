package pipeproc

import (
	"context"
	"errors"
	"sync"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/turns"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/worker"
	"github.com/pipeproc/pipeproc/worker/pipeline"
)

// Node is an open store. Its methods are safe for concurrent use. Reading records never
// waits for commits. View, Stats and DurablePosition wait for the commit that is being
// written, and so for its sync.
type Node struct {
	e       *engine.Engine
	batches sync.Pool // *Batch, for Commit
	getters sync.Pool // *getter
	claims  sync.Pool // *engine.Claimed
	turns   turns.Turns
	pipes   *pipeline.Manager
}

// Open opens the store in directory dir, and creates both if they do not exist. A nil
// Options means the defaults. Only one process can hold a directory: the error for a
// second one matches ErrInUse and names the first.
//
// After a crash, Open replays the write-ahead log. A damaged store still opens; see
// Recovery, Verify and Repair.
func Open(dir string, o *Options) (*Node, error) {
	if o == nil {
		o = &Options{}
	}
	c, err := o.config(dir)
	if err != nil {
		return nil, err
	}
	e, err := engine.Open(c)
	if err != nil {
		return nil, err
	}
	return newNode(e, o)
}

// OpenMemory opens a node that lives in memory and is gone when it is closed. Otherwise
// it behaves like any node. It ignores o.Sync.
func OpenMemory(o *Options) (*Node, error) {
	var m Options
	if o != nil {
		m = *o
	}
	m.FS = vfs.NewMem()
	m.Sync = SyncNever
	if m.WALSize == 0 {
		m.WALSize = 16 << 20
	}
	return Open("memory", &m)
}

func newNode(e *engine.Engine, o *Options) (*Node, error) {
	n := &Node{e: e}
	n.batches.New = func() any { return new(Batch) }
	n.getters.New = func() any { return new(getter) }
	n.claims.New = func() any { return new(engine.Claimed) }
	n.pipes = pipeline.New(host{e}, pipeline.Options{
		Pool:     worker.Options{Concurrency: o.Workers, Grace: o.CloseGrace, Logger: o.Logger},
		Programs: o.Programs,
	})
	for name, p := range o.Processors {
		n.pipes.Register(name, p)
	}
	if e.Err() != nil {
		return n, nil //nolint:nilerr // opened for reading
	}
	if err := n.pipes.Attach(context.Background()); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.pipes.LogWaiting(context.Background(), o.Logger)
	return n, nil
}

// Commit appends the records as one atomic batch, to one topic or several, and
// returns their ids in order. A topic is created with its first record. When Commit
// returns without error, the batch is visible and as durable as the node's SyncMode says.
//
// If ctx ends before the batch has reached the write-ahead log, nothing is committed;
// after that, Commit waits for the outcome.
func (n *Node) Commit(ctx context.Context, recs ...Record) ([]ID, error) {
	b := n.batches.Get().(*Batch)
	defer n.batches.Put(b)
	if err := b.fill(recs); err != nil {
		return nil, err
	}
	if err := n.CommitBatch(ctx, b); err != nil {
		return nil, err
	}
	return append([]ID(nil), b.IDs()...), nil
}

// CommitBatch commits a batch as Commit does. The ids are in b.IDs. The batch may be
// committed again, or reset and filled again.
func (n *Node) CommitBatch(ctx context.Context, b *Batch) error {
	b.req.Batch = &b.b
	b.req.Durability = engine.Durability(b.Durability)
	return n.e.Commit(ctx, &b.req)
}

// Sync makes everything acknowledged so far durable.
func (n *Node) Sync(ctx context.Context) error { return n.e.Sync(ctx) }

// DurablePosition returns the position, in the order of all commits, up to
// which everything would survive a power cut. Compare Batch.Position.
func (n *Node) DurablePosition() uint64 { return n.e.Durable() }

// Checkpoint writes everything to its final files, so that the next open has nothing to
// replay. The node does so by itself when the write-ahead log has grown to WALSize.
func (n *Node) Checkpoint(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return n.e.Checkpoint()
}

// Close finishes running commits, writes everything to disk and releases the directory.
// Later calls fail with ErrClosed; closing again does nothing.
//
// Processors of system procs are told to stop first, by the end of their context, and
// have Options.CloseGrace for it. Their claims are acknowledged if they still succeed;
// otherwise they are given back, which does not count as a failure.
func (n *Node) Close() error { return errors.Join(n.pipes.Close(), n.e.Close()) }
