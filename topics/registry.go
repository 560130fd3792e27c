package topics

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// Config configures a registry. It does not change the outcome of a command,
// except through the options of a new topic, which the command carries.
type Config struct {
	FS     vfs.FS
	Dir    string // of the segment files
	Store  [16]byte
	Epoch  uint64
	Files  *segment.Files
	Codecs *segment.Codecs
	// Default are the options of topics that their first commit creates.
	Default Options
	// MaxBody bounds the body of one record, in bytes.
	MaxBody int
	// MaxBatch bounds the encoded records of one batch, in bytes.
	MaxBatch int
	// MaxFuture bounds how far an imported id may be ahead of the clock.
	MaxFuture time.Duration
	// Room returns by how many bytes segment files may still grow. It is called
	// when a batch is staged. nil means that only the disk limits them.
	Room func() int64
	// Admit is asked before a batch creates a topic; count includes it. nil
	// admits every topic.
	Admit func(count int) error
	// Spare bounds the unused tail memory that is kept for reuse, in bytes.
	Spare int64
	// KeepMax bounds the blocks that one snapshot holds because their files cannot
	// be used, in bytes.
	KeepMax int64
}

type env struct {
	Config
	disk atomic.Int64
	pool chunkPool
}

// Registry holds all topics of a node. The commit leader stages and applies; any
// goroutine reads.
type Registry struct {
	env
	published atomic.Uint64 // position of the newest visible command: the only switch of visibility
	timeFloor atomic.Int64  // time of the newest command, unix milliseconds
	closed    chan struct{}

	mu     sync.RWMutex
	byName map[string]*Topic
	byID   map[uint64]*Topic
	wake   chan struct{} // closed when a new topic is published

	hotMu   sync.Mutex
	hot     []*Topic
	hotWake chan struct{}

	// Leader only.
	nextID      uint64
	stagedID    uint64
	stagedTime  int64
	fresh       map[string]*Topic // staged, not applied yet
	dead        []deadSeg         // pruned segments whose files are not unlinked yet
	deleting    []*Topic          // deleted, still visible until publication
	topicsAdded bool              // topics were added since the last publication
	lagging     []*Topic          // topics whose tails FlushLagging will write
	restored    bool              // the registry's own state came from a snapshot
	keeping     map[*seg]*keeping // segments whose kept blocks are being restored
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

// Close wakes all waiters. It touches no file.
func (r *Registry) Close() { close(r.closed) }

// Free releases the memory of all tails. Only readers may still be running; one
// that needs a tail gets an error that says that the node is closed.
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

// TimeFloor returns the time of the newest command in unix milliseconds. No later
// id has a lower time.
func (r *Registry) TimeFloor() int64 { return r.timeFloor.Load() }

// DiskBytes returns how many bytes all segment files have reserved.
func (r *Registry) DiskBytes() int64 { return r.disk.Load() }

// Topic returns the visible topic with the given name. The error is
// ErrInvalidTopicFormat or ErrInvalidTopic.
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

// Topics returns all visible topics, sorted by name.
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

// WaitTopic returns the topic once it is visible. The error is
// ErrInvalidTopicFormat, the cause of ctx, or ErrClosed.
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

// Count returns the number of topics, including those in flight. Leader only.
func (r *Registry) Count() int { return len(r.byID) + len(r.fresh) }

func (r *Registry) newTopic(id uint64, name string, o Options, pos uint64, ms int64) *Topic {
	t := &Topic{id: id, name: name, opts: o, createdPos: pos, createdMs: ms, reg: r, empty: true}
	t.log = newLog(segment.Meta{Store: r.Store, Topic: id, Name: name}, &r.env, o.SegmentSize)
	t.staged.empty = true
	return t
}

// add registers an applied topic. The topic becomes visible once the position of
// its command is published.
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
	if r.topicsAdded { // after the store, so that waiters see the topic
		r.topicsAdded = false
		r.mu.Lock()
		if r.wake != nil {
			close(r.wake)
			r.wake = nil
		}
		r.mu.Unlock()
	}
}

// MaxSegment is the largest SegmentSize of a new topic: 2 GiB, or 512 MiB in a
// process of 32 bits, which could not map more.
const MaxSegment = min(1<<31, math.MaxInt>>2+1)

// CheckOptions fills in defaults and refuses what cannot be.
func (r *Registry) CheckOptions(o Options) (Options, error) {
	if o.SegmentSize == 0 {
		o.SegmentSize = r.Default.SegmentSize
	}
	if o.SegmentSize < 64<<10 || o.SegmentSize > MaxSegment {
		return o, errs.InvalidOptions.With(fmt.Sprintf("SegmentSize %d is not between 64 KiB and %d MiB", o.SegmentSize, MaxSegment>>20))
	}
	if o.Compression > segment.Zstd {
		return o, errs.InvalidOptions.With("unknown Compression")
	}
	return o, nil
}
