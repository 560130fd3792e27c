package pipeproc

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/clock"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/worker"
)

// SyncMode says when commits become durable, that is, survive a power cut. A
// killed process loses nothing acknowledged in any mode.
//
//	mode              a power cut can lose
//	SyncAlways        nothing that was acknowledged
//	SyncInterval(d)   what was acknowledged in the last d, and while its sync ran
//	SyncNever         what the operating system has not written, some 30 seconds
//
// What survives is a prefix of the order of commits: never a later batch
// without an earlier one, never half a batch.
type SyncMode time.Duration

// Sync modes. SyncInterval makes the third kind.
const (
	SyncAlways SyncMode = 0
	SyncNever  SyncMode = -1
)

// SyncInterval returns the mode that syncs at most d after a commit.
func SyncInterval(d time.Duration) SyncMode { return SyncMode(max(d, 1)) }

// Options configure a node. The zero value is the best default.
type Options struct {
	// Sync says when commits become durable. Default SyncAlways.
	Sync SyncMode

	// ReadOnly opens an existing directory without writing to it. It still
	// takes the directory's lock: a directory has one owner at a time.
	ReadOnly bool
	// MustExist makes Open fail for a directory without a store instead of
	// creating one.
	MustExist bool

	// Topic holds the options of topics that are created by their first
	// commit. Default: 64 MiB segments, no compression.
	Topic TopicOptions

	// MaxBody is the largest body of a record, in bytes. Default 16 MiB, at
	// most 256 MiB, or 64 MiB in a process of 32 bits.
	MaxBody int
	// MaxBatch is the largest batch, in bytes of its encoded records. It is
	// held in memory and written as one. Default 64 MiB, at most 1 GiB, or
	// 128 MiB in a process of 32 bits.
	MaxBatch int
	// MaxDisk bounds the bytes that segments and the records in the write-ahead log
	// take together. Preallocated and spare log files (a quarter of WALSize each, 16
	// MiB at most) and snapshots are not included. Commits that would exceed it fail
	// with ErrDiskLimit; reads and everything that frees space continue to work. 0
	// means no bound.
	MaxDisk int64
	// WALSize is the size of the write-ahead log, in bytes, at which its
	// contents are brought to the segments. It bounds the time that opening
	// takes after a crash, and the memory for records that are not in a
	// segment yet. Commits wait at four times that size. Default 32 MiB, at
	// least 64 KiB, at most 1 TiB, or 64 MiB in a process of 32 bits.
	WALSize int64
	// MaxOpenFiles and MaxMapped bound the segment files held open and mapped.
	// Default 512 each. In a process of 32 bits the mappings together are bounded,
	// too: 512 MiB.
	MaxOpenFiles int
	MaxMapped    int
	// MaxFuture is how far ahead of the clock the time in the id of an imported
	// record may be. Later records of its topic have no lower one. Default 24 hours.
	MaxFuture time.Duration

	// GC makes the node prune records that no proc of their topic needs any more and,
	// on topics without procs, old records. Default: off. Retention set with
	// SetRetention applies in any case.
	GC *GCOptions

	// Processors are attached to the system procs that name them, as with
	// Register, before Open returns.
	Processors map[string]Processor `json:"-"`
	// Programs runs system procs that have a Command, in worker processes: what
	// program.NewRunner of package worker/program returns. The node closes it. Without
	// one such procs wait, and ProcInfo.Waiting says so.
	Programs worker.Runner `json:"-"`
	// Workers is how many processors run at once in this process. Default
	// GOMAXPROCS.
	Workers int
	// CloseGrace is how long Close waits for processors that run. Default 10 s.
	CloseGrace time.Duration

	// Logger receives what an operator should read. Default: nothing is logged.
	Logger *slog.Logger `json:"-"`
	// OnEvent is called for every Event, on the goroutine that causes it. It must
	// return soon and must not call the node. If it panics, or Clock or the handler of
	// Logger do, the node fails: Err is ErrLogFailed and says what panicked.
	OnEvent func(Event) `json:"-"`
	// Clock gives the time. Default: the system's; a change of it takes effect within
	// 100 ms. Ids never go back, whatever the clock does. A reading more than a minute
	// ahead of what has elapsed is believed when another one, at least a second later,
	// agrees; while the clock is behind the newest id, time goes on a little slower than
	// what elapses. So a test that sets a clock ahead by hand has to let a second pass, as
	// in a bubble of testing/synctest.
	Clock func() time.Time `json:"-"`
	// FS is the file system. Default: the operating system's.
	FS vfs.FS `json:"-"`
}

const (
	defaultSegment = 64 << 20
	defaultBody    = 16 << 20
	maxBody        = 256 << 20 // anywhere; see sizesFor
	defaultBatch   = 64 << 20
	defaultWAL     = 32 << 20
	walFile        = 16 << 20
	defaultFiles   = 512
)

// Validate reports what is wrong with o. Open checks it itself.
func (o *Options) Validate() error {
	_, err := o.config("a directory that is not looked at")
	return err
}

// sizes are the largest values of the options that take memory or address space.
type sizes struct{ body, batch, wal int64 }

// sizesFor returns the sizes for a process whose addresses go up to about twice
// maxInt. A batch is held in memory several times over, encoded, in its frame and
// in the tails of its topics, and of a log that is not synced six times WALSize may
// be mapped.
func sizesFor(maxInt int64) sizes {
	return sizes{body: min(maxBody, maxInt>>5+1), batch: min(1<<30, maxInt>>4+1), wal: min(1<<40, maxInt>>5+1)}
}

// config checks o and fills in defaults.
func (o *Options) config(dir string) (engine.Config, error) {
	if o == nil {
		o = &Options{}
	}
	bad := func(name, format string, a ...any) (engine.Config, error) {
		return engine.Config{}, errs.InvalidOptions.With(name + ": " + fmt.Sprintf(format, a...))
	}
	c := engine.Config{FS: o.FS, Dir: dir, Sync: engine.SyncMode(o.Sync), Logger: o.Logger, Clock: o.Clock, Event: eventFunc(o.OnEvent),
		ReadOnly: o.ReadOnly, MustExist: o.MustExist, Topic: o.Topic.options(), MaxDisk: o.MaxDisk,
		MaxBody: cmp.Or(o.MaxBody, defaultBody), MaxBatch: cmp.Or(o.MaxBatch, max(defaultBatch, o.MaxBody+1<<20)),
		CheckpointBytes: cmp.Or(o.WALSize, defaultWAL), MaxOpenFiles: cmp.Or(o.MaxOpenFiles, defaultFiles),
		MaxMapped: cmp.Or(o.MaxMapped, defaultFiles), MaxFuture: cmp.Or(o.MaxFuture, 24*time.Hour)}
	most := sizesFor(math.MaxInt)
	var gcErr error
	c.GC, gcErr = o.GC.settings()
	for name, p := range o.Processors {
		if err := checkProcessor(name, p); err != nil {
			return engine.Config{}, err
		}
	}
	switch {
	case dir == "":
		return bad("dir", "it is empty")
	case c.MaxBody < 0 || int64(c.MaxBody) > most.body:
		return bad("MaxBody", "%d is not between 1 and %d", c.MaxBody, most.body)
	case c.MaxBatch < c.MaxBody || int64(c.MaxBatch) > most.batch:
		return bad("MaxBatch", "%d is not between MaxBody (%d) and %d", c.MaxBatch, c.MaxBody, most.batch)
	case c.MaxDisk < 0:
		return bad("MaxDisk", "%d is negative", c.MaxDisk)
	case c.CheckpointBytes < 64<<10 || c.CheckpointBytes > most.wal:
		return bad("WALSize", "%d is not between 64 KiB and %d MiB", c.CheckpointBytes, most.wal>>20)
	case c.MaxOpenFiles < 1 || c.MaxMapped < 0:
		return bad("MaxOpenFiles", "the limits on files must be positive")
	case gcErr != nil:
		return engine.Config{}, gcErr
	case o.Workers < 0:
		return bad("Workers", "%d is negative", o.Workers)
	case o.CloseGrace < 0:
		return bad("CloseGrace", "%v is negative", o.CloseGrace)
	case c.MaxFuture < 0:
		return bad("MaxFuture", "%v is negative", c.MaxFuture)
	}
	system := clock.New()
	c.Elapsed = func() time.Duration { _, d := system.Read(); return d }
	c.Topic.SegmentSize = cmp.Or(c.Topic.SegmentSize, defaultSegment)
	if c.Topic.SegmentSize < 64<<10 || c.Topic.SegmentSize > topics.MaxSegment {
		return bad("Topic.SegmentSize", "%d is not between 64 KiB and %d MiB", c.Topic.SegmentSize, topics.MaxSegment>>20)
	}
	if o.Topic.Compression > Zstd {
		return bad("Topic.Compression", "unknown")
	}
	c.MaxWAL = 4 * c.CheckpointBytes
	c.WALFileSize = min(walFile, max(c.CheckpointBytes/4, 32<<10))
	if c.FS == nil {
		c.FS = vfs.OS()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock, c.Read = system.Now, system.Read
	}
	return c, nil
}
