package topics

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// Config is what a registry needs to know. None of it changes the outcome of a
// command, except through the options that a new topic is created with, which
// the command carries.
type Config struct {
	FS     vfs.FS
	Dir    string // of the segment files
	Store  [16]byte
	Epoch  uint64
	Files  *segment.Files
	Codecs *segment.Codecs
	// Default are the options of topics that come to be by their first commit.
	Default Options
	// MaxBody bounds the body of one record, in bytes.
	MaxBody int
	// MaxBatch bounds the encoded records of one batch, in bytes.
	MaxBatch int
	// MaxFuture bounds how far ahead of the clock an imported id may be.
	MaxFuture time.Duration
	// Room returns how many bytes segment files may still grow by when a batch
	// is staged. nil means as many as the disk has.
	Room func() int64
	// Admit is asked before a batch makes a topic, which will be one of count.
	// nil means yes.
	Admit func(count int) error
	// Spare bounds the memory of tails that is kept for the next ones, in bytes.
	Spare int64
}

type env struct {
	Config
	disk atomic.Int64
	pool chunkPool
}

// Registry holds all topics of a node. The commit leader stages and applies;
// everybody reads.
type Registry struct {
	env
	published atomic.Uint64 // the one switch of visibility: a command position
	timeFloor atomic.Int64  // time of the newest command, unix milliseconds
	closed    chan struct{}

	mu     sync.RWMutex
	byName map[string]*Topic
	byID   map[uint64]*Topic
	wake   chan struct{} // closed when a topic comes to be

	hotMu   sync.Mutex
	hot     []*Topic
	hotWake chan struct{}

	// Leader only.
	nextID      uint64
	stagedID    uint64
	stagedTime  int64
	fresh       map[string]*Topic // staged, not applied yet
	dead        []deadSeg         // pruned segments, files not unlinked yet
	deleting    []*Topic          // deleted, still visible until publication
	topicsAdded bool              // topics were added since the last publication
	lagging     []*Topic          // whose tails Relieve is to write
	restored    bool              // the registry's own state came from a snapshot
}

type deadSeg struct {
	topic uint64
	seg   *seg
}

// NewRegistry returns an empty registry.
func NewRegistry(c Config) *Registry {
	return &Registry{env: env{Config: c, pool: chunkPool{max: c.Spare}}, closed: make(chan struct{}), hotWake: make(chan struct{}, 1),
		byName: map[string]*Topic{}, byID: map[uint64]*Topic{}, fresh: map[string]*Topic{}, nextID: 1, stagedID: 1}
}

// Close wakes everybody who waits. It touches no file.
func (r *Registry) Close() { close(r.closed) }

// Free lets go of the memory of all tails, when nobody but readers is left. Those
// that come to need it are told that the node is closed.
func (r *Registry) Free() {
	r.pool.close()
	for _, d := range r.dead {
		d.seg.freeTail()
	}
	for _, t := range r.byID {
		for _, s := range t.log.list() {
			s.freeTail()
		}
	}
}

func (r *Registry) isClosed() bool {
	select {
	case <-r.closed:
		return true
	default:
		return false
	}
}

// Published returns the position up to which commands are visible.
func (r *Registry) Published() uint64 { return r.published.Load() }

// TimeFloor returns the time of the newest command: no later id is below it.
func (r *Registry) TimeFloor() int64 { return r.timeFloor.Load() }

// DiskBytes returns the bytes reserved by segment files.
func (r *Registry) DiskBytes() int64 { return r.disk.Load() }

// Topic returns a topic by name. The error is ErrInvalidTopicFormat or
// ErrInvalidTopic.
func (r *Registry) Topic(name string) (*Topic, error) {
	if t := r.lookup(name); t != nil {
		return t, nil
	}
	if err := record.CheckName(name); err != nil {
		return nil, err
	}
	return nil, unknownTopic(name)
}

func (r *Registry) lookup(name string) *Topic {
	r.mu.RLock()
	t := r.byName[name]
	r.mu.RUnlock()
	if t == nil || t.createdPos > r.published.Load() {
		return nil
	}
	return t
}

// Topics returns all topics, by name.
func (r *Registry) Topics() []*Topic {
	p := r.published.Load()
	r.mu.RLock()
	list := make([]*Topic, 0, len(r.byName))
	for _, t := range r.byName {
		if t.createdPos <= p {
			list = append(list, t)
		}
	}
	r.mu.RUnlock()
	slices.SortFunc(list, func(a, b *Topic) int { return cmp.Compare(a.name, b.name) })
	return list
}

// WaitTopic returns the topic once it exists.
func (r *Registry) WaitTopic(ctx context.Context, name string) (*Topic, error) {
	if err := record.CheckName(name); err != nil {
		return nil, err
	}
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		r.mu.Lock()
		if r.wake == nil {
			r.wake = make(chan struct{})
		}
		ch := r.wake
		r.mu.Unlock()
		if t := r.lookup(name); t != nil {
			return t, nil
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-r.closed:
			return nil, errs.Closed.With("the node was closed while waiting for a topic")
		}
	}
}

// Count returns how many topics there are, with those that are in flight. Leader
// only.
func (r *Registry) Count() int { return len(r.byID) + len(r.fresh) }

func (r *Registry) newTopic(id uint64, name string, o Options, pos uint64, ms int64) *Topic {
	t := &Topic{id: id, name: name, opts: o, createdPos: pos, createdMs: ms, reg: r, empty: true}
	t.log = newLog(segment.Meta{Store: r.Store, Topic: id, Name: name}, &r.env, o.SegmentSize)
	t.staged.empty = true
	return t
}

// add makes an applied topic known. It is visible once pos is published.
func (r *Registry) add(t *Topic) {
	r.mu.Lock()
	r.byName[t.name] = t
	r.byID[t.id] = t
	r.mu.Unlock()
	r.topicsAdded = true
	r.nextID = max(r.nextID, t.id+1)
	r.stagedID = max(r.stagedID, r.nextID)
}

// Publish makes every command up to pos visible at once.
func (r *Registry) Publish(pos uint64) {
	r.published.Store(pos)
	if len(r.deleting) > 0 {
		r.removeDeleted()
	}
	if r.topicsAdded { // behind the store, so that waiters see the topic
		r.topicsAdded = false
		r.mu.Lock()
		if r.wake != nil {
			close(r.wake)
			r.wake = nil
		}
		r.mu.Unlock()
	}
}

// CheckOptions fills in defaults and refuses what cannot be.
func (r *Registry) CheckOptions(o Options) (Options, error) {
	if o.SegmentSize == 0 {
		o.SegmentSize = r.Default.SegmentSize
	}
	if o.SegmentSize < 64<<10 || o.SegmentSize > 1<<31 {
		return o, errs.InvalidOptions.With(fmt.Sprintf("SegmentSize %d is not between 64 KiB and 2 GiB", o.SegmentSize))
	}
	if o.Compression > segment.Zstd {
		return o, errs.InvalidOptions.With("unknown Compression")
	}
	return o, nil
}
