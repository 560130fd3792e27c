package topics

import (
	"fmt"
	"math"
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
// it has no file at all.
const CarryMax = 16 << 10

// indexSpacing is the distance in bytes between entries of the index. What lies
// in between is found by the points of a growing segment and by the footer of a
// sealed one.
const indexSpacing = 64 << 10

// firstReserve is the size of a new segment file; it doubles as it fills.
const firstReserve = 32 << 10

// blockUp rounds up to what file systems give at the least.
func blockUp(n int64) int64 { return (n + 4095) &^ 4095 }

// seg is one segment of a topic.
type seg struct {
	number uint64
	base   uint64 // sequence of its first record
	time   int64  // time of its first record
	place  segment.Place

	flushed atomic.Int64 // bytes [FileHeaderSize, flushed) are in the file
	sealed  atomic.Bool  // has a footer, never changes again
	hasFile atomic.Bool
	handle  atomic.Pointer[segment.Handle] // what the last reader had; perhaps closed

	tail     tail
	points   points
	end      atomic.Int64 // where its blocks end: final once a later segment exists
	reserved atomic.Int64 // preallocated size of the file; changed under log.mu

	// Leader only until a later segment exists.
	lastIdx  int64 // offset of its latest index entry
	blocks   uint64
	records  uint64
	digest   segment.Digest
	next     uint64 // sequence after its newest record
	lastTime int64

	// mu is held by whoever writes the tail to the file and drops it: the
	// checkpoint, the keeper, or the leader when both lag behind.
	mu     sync.Mutex
	dirty  *segment.Handle // held while the file has unsynced writes
	pinned bool            // a checkpoint under way carries what the file lacks
	pruned bool            // pruned: the file must not be made again
}

// log is a topic's storage: its segments in order, the growing one last.
//
// Who touches what: plan, apply and abort are the commit leader's; flush and seal
// are done under the segment's own lock; everything a reader needs is behind an
// atomic.
type log struct {
	meta    segment.Meta // Store, Topic and Name of every file
	fs      vfs.FS
	dir     string
	files   *segment.Files
	segSize int64
	epoch   uint64
	room    func() int64
	disk    *atomic.Int64 // bytes reserved by all segment files of the store
	pool    *chunkPool    // of chunks

	idx  *index.Index
	segs atomic.Pointer[[]*seg]
	mu   sync.Mutex // making and extending files: leader and checkpoint

	// Leader only.
	cur      *seg
	number   uint64 // of the next segment to be applied
	planned  []*seg // made by plan, not applied yet
	hot      bool   // the tail should be written soon
	lagging  bool   // it has grown so much that the leader should do it
	reliefAt int64  // offset in cur below which that is not asked again
	planSeg  *seg
	planEnd  int64
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
// every block where it was.
func (l *log) rolls(s *seg, end, size int64) bool {
	return s == nil || end+size > l.segSize && end > segment.FileHeaderSize
}

// plan is the outcome of log.plan, for commitPlan.
type plan struct {
	seg *seg
	end int64
}

// plan reserves the space that blocks need, as if they came after everything
// planned before, and changes nothing else. Their Base and Time must be set.
func (l *log) plan(blocks []Block) (plan, error) {
	s, end := l.planSeg, l.planEnd
	for i := range blocks {
		h := &blocks[i].Header
		if l.rolls(s, end, h.Size()) {
			if s != nil { // it is full: it will get a footer
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

// acceptPlan makes a plan the base of the next one.
func (l *log) acceptPlan(p plan) { l.planSeg, l.planEnd = p.seg, p.end }

// planNext returns the segment that follows s in the plan, making it if need be.
func (l *log) planNext(s *seg, h *segment.Header) *seg {
	number := l.number
	if s != nil && s != l.cur { // it will be the growing one by then
		number = s.number + 1 // the growing one's own number may be far below, after a repair
	}
	i := slices.IndexFunc(l.planned, func(a *seg) bool { return a.number == number })
	if i >= 0 && l.planned[i].base == h.Base && l.planned[i].time == h.Time {
		return l.planned[i]
	}
	if i >= 0 { // left by a plan that came to nothing
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
			_ = l.fs.Remove(l.dir + "/" + segment.FileName(l.meta.Topic, s.number))
		}
	}
}

// discardPlan forgets all that was planned and not applied.
func (l *log) discardPlan() {
	l.discard(l.planned)
	l.planned = nil
	l.planSeg, l.planEnd = l.cur, 0
	if l.cur != nil {
		l.planEnd = l.cur.end.Load()
	}
}

// reserve makes sure that the file of s has blocks for [0, end), unless all of
// it still fits a snapshot. It is why a checkpoint cannot run out of space for
// data that was acknowledged.
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

// footerRoom returns the most that the footer of a segment of the given size
// takes.
func footerRoom(size int64) int64 {
	return (size/pointSpacing+2)*segment.EntrySize + segment.TrailerSize
}

// extend makes the file of s, or makes it longer, so that [0, end) has blocks.
// It doubles, up to the size of a segment, but takes no more than is needed
// when the file may only have room bytes.
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

// extendExact is extend without room for more than end: many small topics that
// never grow again are not to take many times what is in them.
func (l *log) extendExact(s *seg, end int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.reserved.Load() >= end {
		return nil
	}
	return l.allocate(s, blockUp(end))
}

// allocate makes the file of s, or makes it longer, with size bytes of real
// blocks. Callers hold l.mu.
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

// open returns a held handle of the file of s.
func (l *log) open(s *seg) (*segment.Handle, error) {
	h, err := l.files.Acquire(l.meta.Topic, s.number)
	if err != nil {
		return nil, fmt.Errorf("topic %q: opening segment %d: %w", l.meta.Name, s.number, err)
	}
	return h, nil
}

// create makes the file of s with size bytes of real blocks. Callers hold l.mu.
func (l *log) create(s *seg, size int64) error {
	m := l.meta
	m.Number, m.Base, m.Epoch = s.number, s.base, l.epoch
	f, err := segment.Create(l.fs, l.dir, m, size)
	if err != nil {
		return fmt.Errorf("topic %q: reserving space for segment %d: %w", l.meta.Name, s.number, err)
	}
	l.files.Forget(l.meta.Topic, s.number) // a handle of a void file of that name
	l.files.Add(l.meta.Topic, s.number, f).Release()
	l.disk.Add(size)
	s.reserved.Store(size)
	s.hasFile.Store(true)
	return nil
}

// apply places one block. It cannot fail: it only writes to memory.
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
		l.cur, l.reliefAt = s, 0
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
	if lag >= lagBytes && end+size >= l.reliefAt {
		l.lagging, l.reliefAt = true, end+size+hotBytes
	}
}

// hotBytes is the size of a tail that is worth writing to its file before a
// checkpoint asks for it, so that memory stays small and disks stay busy.
const hotBytes = 1 << 20

// lagBytes is the size of a tail at which the leader writes it to its file
// itself: whoever should is busy, and memory that is touched for the first time
// costs more than writing.
const lagBytes = 16 << 20

// settle makes the applied state the base of the next plan, after apply was
// used without plan (replay).
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

// segAt returns the segment that holds sequence seq: the last one with a base at
// or below it. nil when the log starts after seq.
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

// segAfter returns the segment that follows one with base sequence base.
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
