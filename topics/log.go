package topics

import (
	"fmt"
	"math"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/index"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// CarryMax is the largest unwritten tail, in bytes, that a checkpoint copies
// into the snapshot instead of writing it to the segment file. A topic below
// this size has no file at all.
const CarryMax = 16 << 10

// A file costs as much as some hundred KiB of writing: for a tail of at most TinyMax
// bytes that is more than to write it with a hundred snapshots. So a checkpoint may
// carry TinyBudget bytes of such tails beyond its budget: 50,000 topics of one record
// make one file and not 50,000.
const (
	TinyMax    = 4 << 10
	TinyBudget = 128 << 20
)

// indexSpacing is the least distance in bytes between entries of the index. The
// points of a growing segment and the footer of a sealed one locate the blocks in
// between.
const indexSpacing = 64 << 10

// firstReserve is the size of a new segment file; it doubles as it fills.
const firstReserve = 32 << 10

// blockUp rounds n up to the block size of file systems, 4 KiB.
func blockUp(n int64) int64 { return (n + 4095) &^ 4095 }

// seg is one segment of a topic.
type seg struct {
	number uint64
	base   uint64 // sequence of its first record
	time   int64  // time of its first record
	place  segment.Place

	flushed atomic.Int64 // bytes [FileHeaderSize, flushed) are in the file
	sealed  atomic.Bool  // has a footer and never changes again
	hasFile atomic.Bool
	// kept is set if the snapshot keeps its blocks, because its file cannot be used.
	kept   atomic.Bool
	handle atomic.Pointer[segment.Handle] // the last reader's; may be closed

	tail     tail
	points   points
	end      atomic.Int64 // offset past its last block; final once a later segment exists
	reserved atomic.Int64 // preallocated size of the file; changed under log.mu

	// Leader only until a later segment exists.
	lastIdx  int64 // offset of its latest index entry
	blocks   uint64
	records  uint64
	digest   segment.Digest
	next     uint64 // sequence after its newest record
	lastTime int64

	// mu is held by the goroutine that writes the tail to the file and drops it:
	// the checkpoint, the keeper, or the leader if both lag.
	mu     sync.Mutex
	dirty  *segment.Handle // held while the file has unsynced writes
	pinned bool            // a checkpoint in progress carries the tail
	pruned bool            // the file must not be created again
}

// log is a topic's storage: its segments in order, the growing one last.
//
// The commit leader calls plan, apply and discardPlan. flush and seal run under the
// segment's own lock. Readers use only what is published through an atomic.
type log struct {
	meta    segment.Meta // Store, Topic and Name of every file
	fs      vfs.FS
	dir     string
	files   *segment.Files
	segSize int64
	epoch   uint64
	room    func() int64
	disk    *atomic.Int64 // bytes reserved by all segment files of the store
	pool    *chunkPool    // of the chunks of tails

	idx  *index.Index
	segs atomic.Pointer[[]*seg]
	mu   sync.Mutex // serializes leader and checkpoint when they create or extend files

	// Leader only.
	cur        *seg
	number     uint64 // of the next segment that apply opens
	planned    []*seg // created by plan, not applied yet
	hot        bool   // the tail should be written soon
	lagging    bool   // the tail has grown so much that the leader should write it
	lagAgainAt int64  // end of cur below which lagging is not set again
	planSeg    *seg
	planEnd    int64
}

func newLog(meta segment.Meta, env *env, segSize int64) *log {
	return &log{meta: meta, fs: env.FS, dir: env.Dir, files: env.Files, segSize: segSize,
		epoch: env.Epoch, room: env.Room, disk: &env.disk, pool: &env.pool, idx: index.New(), number: 1}
}

func (l *log) list() []*seg {
	if p := l.segs.Load(); p != nil {
		return *p
	}
	return nil
}

func (l *log) newSeg(number, base uint64, time int64) *seg {
	m := l.meta
	m.Number = number
	s := &seg{number: number, base: base, time: time, place: m.Place(), lastIdx: -indexSpacing}
	s.flushed.Store(segment.FileHeaderSize)
	s.end.Store(segment.FileHeaderSize)
	return s
}

// rolls reports whether a block of size bytes must open a new segment, given
// the end of the growing one. It depends on state alone, so that replay places
// every block at its old offset.
func (l *log) rolls(s *seg, end, size int64) bool {
	return s == nil || end+size > l.segSize && end > segment.FileHeaderSize
}

// plan is the outcome of log.plan, for acceptPlan.
type plan struct {
	seg *seg
	end int64
}

// plan reserves space for blocks, placed after everything planned before, and
// changes nothing else. Their Base and Time must be set.
func (l *log) plan(blocks []Block) (plan, error) {
	s, end := l.planSeg, l.planEnd
	for i := range blocks {
		h := &blocks[i].Header
		if l.rolls(s, end, h.Size()) {
			if s != nil { // it is full and will get a footer
				if err := l.reserve(s, end+footerRoom(end), true); err != nil {
					return plan{}, err
				}
			}
			s, end = l.planNext(s, h), segment.FileHeaderSize
		}
		end += h.Size()
	}
	if err := l.reserve(s, end, false); err != nil {
		return plan{}, err
	}
	return plan{s, end}, nil
}

// acceptPlan makes p the base of the next plan.
func (l *log) acceptPlan(p plan) { l.planSeg, l.planEnd = p.seg, p.end }

// planNext returns the segment after s in the plan, and creates it if necessary.
func (l *log) planNext(s *seg, h *segment.Header) *seg {
	number := l.number
	if s != nil && s != l.cur { // s is planned too and will be the growing one by then
		number = s.number + 1 // wrong for cur: after a repair its number may be far below
	}
	i := slices.IndexFunc(l.planned, func(a *seg) bool { return a.number == number })
	if i >= 0 && l.planned[i].base == h.Base && l.planned[i].time == h.Time {
		return l.planned[i]
	}
	if i >= 0 { // left by a plan that was not accepted
		l.discard(l.planned[i:])
		l.planned = l.planned[:i]
	}
	s = l.newSeg(number, h.Base, h.Time)
	l.planned = append(l.planned, s)
	return s
}

func (l *log) discard(segs []*seg) {
	for _, s := range segs {
		if s.hasFile.Load() {
			l.files.Forget(l.meta.Topic, s.number)
			l.disk.Add(-s.reserved.Load())
			// Garbage until it is made anew; best effort.
			_ = l.fs.Remove(path.Join(l.dir, segment.FileName(l.meta.Topic, s.number)))
		}
	}
}

// discardPlan forgets everything that was planned and not applied.
func (l *log) discardPlan() {
	l.discard(l.planned)
	l.planned = nil
	l.planSeg, l.planEnd = l.cur, 0
	if l.cur != nil {
		l.planEnd = l.cur.end.Load()
	}
}

// reserve makes sure that the file of s has disk blocks for [0, end), so that a
// checkpoint cannot run out of space for acknowledged data. A growing segment that
// has no file yet and still fits in a snapshot needs none.
func (l *log) reserve(s *seg, end int64, full bool) error {
	if end <= s.reserved.Load() || !full && !s.hasFile.Load() && end-segment.FileHeaderSize <= CarryMax {
		return nil
	}
	room := int64(math.MaxInt64)
	if l.room != nil {
		room = l.room() + s.reserved.Load()
	}
	return l.extend(s, end, room)
}

// footerRoom returns the largest size of the footer of a segment of size bytes.
func footerRoom(size int64) int64 {
	return (size/pointSpacing+2)*segment.EntrySize + segment.TrailerSize
}

// extend creates the file of s or extends it, so that [0, end) has disk blocks.
// It doubles the file, up to the segment size, unless that exceeds room, the
// largest size that the file may have; then it reserves only what end needs. The
// error is ErrDiskLimit if even that exceeds room.
func (l *log) extend(s *seg, end, room int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.reserved.Load() >= end {
		return nil
	}
	size := blockUp(max(firstReserve, 2*s.reserved.Load()))
	for size < end {
		size *= 2
	}
	if size > l.segSize {
		size = max(l.segSize, end)
	}
	if size > room {
		size = blockUp(end)
	}
	if size > room {
		return errs.DiskLimit.With(fmt.Sprintf("topic %q needs another %d bytes, and the limit on disk space allows %d; prune or raise it",
			l.meta.Name, size-s.reserved.Load(), max(room-s.reserved.Load(), 0)))
	}
	return l.allocate(s, size)
}

// extendExact is extend without doubling: many small topics that never grow again
// must not take many times the size of their data.
func (l *log) extendExact(s *seg, end int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.reserved.Load() >= end {
		return nil
	}
	return l.allocate(s, blockUp(end))
}

// allocate creates the file of s or extends it to size bytes that are backed by
// disk blocks. The caller holds l.mu.
func (l *log) allocate(s *seg, size int64) error {
	if !s.hasFile.Load() {
		return l.create(s, size)
	}
	h, err := l.open(s)
	if err != nil {
		return err
	}
	defer h.Release()
	if err := h.File().Preallocate(size); err != nil {
		return fmt.Errorf("topic %q: reserving space for segment %d: %w", l.meta.Name, s.number, err)
	}
	l.disk.Add(size - s.reserved.Swap(size))
	return nil
}

// open returns a handle of the file of s, which the caller releases.
func (l *log) open(s *seg) (*segment.Handle, error) {
	h, err := l.files.Acquire(l.meta.Topic, s.number)
	if err != nil {
		return nil, fmt.Errorf("topic %q: opening segment %d: %w", l.meta.Name, s.number, err)
	}
	return h, nil
}

// create creates the file of s with size bytes that are backed by disk blocks. The
// caller holds l.mu.
func (l *log) create(s *seg, size int64) error {
	m := l.meta
	m.Number, m.Base, m.Epoch = s.number, s.base, l.epoch
	f, err := segment.Create(l.fs, l.dir, m, size)
	if err != nil {
		return fmt.Errorf("topic %q: reserving space for segment %d: %w", l.meta.Name, s.number, err)
	}
	l.files.Forget(l.meta.Topic, s.number) // a handle of a stale file of that name
	l.files.Add(l.meta.Topic, s.number, f).Release()
	l.disk.Add(size)
	s.reserved.Store(size)
	s.hasFile.Store(true)
	return nil
}

// apply appends one block. It cannot fail: it only writes to memory.
func (l *log) apply(h *segment.Header, body []byte) {
	s, size := l.cur, h.Size()
	var end int64
	if s != nil {
		end = s.end.Load()
	}
	if l.rolls(s, end, size) {
		if len(l.planned) > 0 && l.planned[0].number == l.number {
			s, l.planned = l.planned[0], l.planned[1:]
		} else {
			s = l.newSeg(l.number, h.Base, h.Time)
		}
		l.number++
		l.cur, l.lagAgainAt = s, 0
		list := append(slices.Clip(l.list()), s)
		l.segs.Store(&list)
		end = segment.FileHeaderSize
	}
	if end-s.lastIdx >= indexSpacing {
		l.idx.Add(index.Entry{Seq: h.Base, Time: h.Time, Segment: s.number, Off: end})
		s.lastIdx = end
	}
	s.points.add(s, h.Base, h.Time, end)
	b := s.tail.grow(l.pool, end, int(size))
	h.Put(b, s.place, end)
	copy(b[segment.HeaderSize:], body)
	s.blocks++
	s.records += uint64(h.Count)
	s.digest.Add(segment.HeadSum(b))
	s.next, s.lastTime = h.Next(), h.Time
	s.end.Store(end + size)
	lag := end + size - s.flushed.Load()
	if lag >= hotBytes {
		l.hot = true
	}
	if lag >= lagBytes && end+size >= l.lagAgainAt {
		l.lagging, l.lagAgainAt = true, end+size+hotBytes
	}
}

// hotBytes is the tail size, in bytes, from which a tail is written to its file
// before a checkpoint asks for it, so that memory stays small and disks stay busy.
const hotBytes = 1 << 20

// lagBytes is the tail size, in bytes, from which the leader itself writes the
// tail to its file: the goroutine that should is busy, and touching fresh memory
// costs more than writing.
const lagBytes = 16 << 20

// resetPlan makes the applied state the base of the next plan, after apply ran
// without plan (replay).
func (l *log) resetPlan() {
	l.planSeg, l.planEnd = l.cur, 0
	if l.cur != nil {
		l.planEnd = l.cur.end.Load()
	}
}

// segNumbered returns the segment with the given number, or nil.
func (l *log) segNumbered(number uint64) *seg {
	for _, s := range l.list() {
		if s.number == number {
			return s
		}
	}
	return nil
}

// segAt returns the segment that holds sequence seq: the last one whose base is
// at or below it. It returns nil if the log starts after seq.
func (l *log) segAt(seq uint64) *seg {
	list := l.list()
	i, ok := slices.BinarySearchFunc(list, seq, func(s *seg, seq uint64) int {
		switch {
		case s.base < seq:
			return -1
		case s.base > seq:
			return 1
		}
		return 0
	})
	if ok {
		return list[i]
	}
	if i == 0 {
		return nil
	}
	return list[i-1]
}

// segAfter returns the segment after the one with base sequence base, or nil.
func (l *log) segAfter(base uint64) *seg {
	list := l.list()
	i, ok := slices.BinarySearchFunc(list, base, func(s *seg, seq uint64) int {
		if s.base < seq {
			return -1
		} else if s.base > seq {
			return 1
		}
		return 0
	})
	if ok {
		i++
	}
	if i < len(list) {
		return list[i]
	}
	return nil
}
