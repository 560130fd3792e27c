package wal

import (
	"fmt"
	"path"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// ReplayConfig says which part of a log to read.
type ReplayConfig struct {
	FS    vfs.FS
	Dir   string   // as in Config; a missing directory counts as an empty one
	Store [16]byte // files of other stores are void

	Number   uint64 // first file to read
	Position uint64 // position that its first frame must have

	// AllowMissing allows that there is no log: neither file Number nor a frame
	// in a later file. If file Number is void, a later file that claims to be
	// the first and starts at Position takes its place.
	AllowMissing bool

	// Epoch and First are what the file that names the log (STORE) knows: the
	// epoch in which it was last begun, and the number of the file that it began
	// with then. That file and its header, and everything before them, were
	// durable. If Epoch is 0 neither is known, and no mark is believed.
	Epoch, First uint64
	// Boot is as in Config. What was acknowledged under another one, and not
	// synced, may be gone.
	Boot uint64
	// Live is the log itself if it is open for writing and its leader waits. It
	// knows its end, so that the mark, which a sync may just be storing, is not read.
	Live *Log

	// MaxFrame is the size of the largest frame to read, 0 for DefaultMaxFrame.
	// It bounds the memory used. A larger frame is an error that wraps
	// ErrTooLarge.
	MaxFrame int64
}

// Entry is one frame of a log. Its memory is valid only during the call.
type Entry struct {
	Position uint64
	Meta     []byte
	Parts    []Part // sums have been checked
	Number   uint64 // file
	Off      int64  // offset in it
}

// Cut is a range of bytes of frames that are not part of the log: they were
// being written when the process or machine died, and were never reported
// durable.
type Cut struct {
	File     string // base name
	Number   uint64 // of the file
	From, To int64  // the range is [From,To); To is a guess if a length is lost
	What     string
}

// Result is what Replay found.
type Result struct {
	Position uint64 // of the next frame, the one after the last delivered
	Tail     Tail   // where the valid log ends; zero if there is no file
	// Highest is the highest file number in use or used in the directory, 0 if
	// there is none. New files must be above it.
	Highest uint64
	Files   []uint64 // files that were read, ascending
	Size    int64    // of these files, unused space included
	// Void lists the other files, whose content is void: spares. With Damage,
	// the files after the last one read are in neither list.
	Void   []uint64
	Cut    []Cut
	Frames uint64 // number of frames delivered
	Bytes  int64  // their size
	// Damage is set if frames that had been reported durable are missing or
	// damaged. Frames before them were delivered, later ones were not.
	Damage *CorruptError
	// Proven is the highest position that something else than its frame says to
	// be in the log; 0 if nothing does. If Position is not above it, that is damage.
	Proven uint64
	// Newest is the newest epoch that a file or the mark has, and Generation the
	// newest one of STORE that the mark knows in that epoch, 0 if none.
	Newest, Generation uint64
}

// replay is one run of Replay.
type replay struct {
	cfg   ReplayConfig
	fn    func(*Entry) error // nil: do not deliver
	cat   *catalog
	win   window
	parts []Part // scratch space, as is entry
	entry Entry
	res   Result

	lastSum uint64 // of the header of the last frame delivered
	marks   []mark // whose frames must be there, with the sums that they say
	seen    uint64 // the highest durable field of the file being read
}

// Replay reads a log from the start of file cfg.Number to its end and calls fn
// for every frame, in order. The delivered frames are always a prefix of the
// appended ones, and include all that were ever durable unless Result.Damage is
// set. It writes nothing, and does all work on the calling goroutine.
//
// The error is that of fn, unchanged, or that of the file system, or wraps
// ErrVersion or ErrTooLarge; Result then says how far Replay got, but not which
// files are void. Damage is not an error.
func Replay(cfg ReplayConfig, fn func(*Entry) error) (Result, error) {
	r := &replay{cfg: cfg, fn: fn}
	err := r.run()
	return r.res, err
}

func (r *replay) run() error {
	if r.cfg.MaxFrame <= 0 {
		r.cfg.MaxFrame = DefaultMaxFrame
	}
	r.cfg.MaxFrame = min(r.cfg.MaxFrame, maxFrame)
	r.res.Position = r.cfg.Position
	if err := r.survey(); err != nil {
		return err
	}
	e, err := r.start()
	for e != nil && err == nil {
		e, err = r.file(e)
	}
	if err != nil {
		return err
	}
	if r.res.Damage == nil && r.res.Proven >= r.res.Position { // there is no file at all
		r.damage(fileName(r.cfg.Number), 0, r.missing())
	}
	r.listVoid()
	return nil
}

// survey reads the mark and the headers of all files.
func (r *replay) survey() (err error) {
	r.witness()
	r.cat, err = readCatalog(&r.cfg)
	if err != nil {
		return err
	}
	r.res.Highest = r.cat.highest
	for _, e := range r.cat.files {
		if e.bad == "" && e.head.epoch > r.res.Newest {
			r.res.Newest, r.res.Generation = e.head.epoch, 0
		}
	}
	return nil
}

// witness reads what the mark says.
func (r *replay) witness() {
	if l := r.cfg.Live; l != nil {
		r.res.Proven = l.Position()
		return
	}
	for _, m := range readMark(r.cfg.FS, r.cfg.Dir, r.cfg.Store) {
		if m.epoch > r.res.Newest {
			r.res.Newest, r.res.Generation = m.epoch, 0
		}
		if m.epoch == r.res.Newest {
			r.res.Generation = max(r.res.Generation, m.generation)
		}
		if r.cfg.Epoch == 0 || m.epoch != r.cfg.Epoch {
			continue
		}
		r.res.Proven = max(r.res.Proven, m.durable)
		if m.position > m.durable && (m.boot == 0 || m.boot != r.cfg.Boot) {
			continue
		}
		r.res.Proven = max(r.res.Proven, m.position)
		if m.sum != 0 {
			r.marks = append(r.marks, m)
		}
	}
}

// otherFrame reports whether a mark says that another frame has h's position.
func (r *replay) otherFrame(h *head) bool {
	for i := range r.marks {
		if m := &r.marks[i]; m.position == h.position && m.sum != h.sum {
			return true
		}
	}
	return false
}

// missing says that a frame is not there although it must be.
func (r *replay) missing() string {
	return fmt.Sprintf("frame is missing: the log's mark says that frames up to position %d were acknowledged", r.res.Proven)
}

// start returns the first file to read, or nil if there is none or it is
// damaged.
func (r *replay) start() (*entry, error) {
	e := r.cat.find(r.cfg.Number)
	if e != nil && e.bad == "" {
		return e, nil
	}
	if r.cfg.AllowMissing {
		var first *entry
		for _, o := range r.cat.from(r.cfg.Number) {
			if o.bad == "" && o.head.prev.Number == 0 && o.head.first == r.cfg.Position {
				first = o
			}
		}
		if first != nil {
			return first, nil
		}
		frames := 0
		for _, o := range r.cat.from(r.cfg.Number) {
			f, err := r.searchFile(o)
			if err != nil {
				return nil, err
			}
			frames += f.frames
		}
		if frames == 0 {
			return nil, nil
		}
	}
	what := "file is missing"
	if e != nil {
		what = e.bad
	}
	r.damage(fileName(r.cfg.Number), 0, what)
	return nil, nil
}

// damage records that a file lacks what must lie at offset off.
func (r *replay) damage(name string, off int64, what string) {
	r.res.Damage = &CorruptError{File: name, Offset: off, What: what}
}

// file reads the frames of e and returns the next file, or nil at the end of
// the log.
func (r *replay) file(e *entry) (next *entry, err error) {
	if e.head.first != r.res.Position {
		r.damage(e.name, 56, fmt.Sprintf("first position is %d instead of %d", e.head.first, r.res.Position))
		return nil, nil
	}
	if sum := e.head.prev.Sum; sum != 0 && r.lastSum != 0 && sum != r.lastSum && !mutate.SkipFrameChain {
		r.damage(e.name, 80, "it does not follow the last frame of the file before it, which is another one than when this file was begun")
		return nil, nil
	}
	f, err := r.cfg.FS.Open(path.Join(r.cfg.Dir, e.name), vfs.Read)
	if err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	defer f.Close()
	r.win.reset(f, e.size)
	r.seen = 0
	r.res.Files = append(r.res.Files, e.number)
	r.res.Size += e.size

	// The end of the file must be known before it is read: beyond it there may
	// be void frames that look valid.
	next = r.cat.successor(e.number)
	limit := e.limit()
	if next != nil {
		limit = next.head.prev.End
	}
	stop, err := r.frames(e, min(limit, e.limit()))
	if err != nil {
		return nil, err
	}
	r.res.Tail = Tail{Number: e.number, End: stop.off, Sum: r.lastSum}
	if next != nil && stop.off == limit {
		return next, nil
	}
	return nil, r.judge(e, next, stop)
}

// stop is where and why the frames of a file end.
type stop struct {
	off   int64
	end   int64  // of the frame at off, 0 if it has no valid header
	torn  bool   // part of a frame is at off
	what  string // what is wrong with the frame at off
	never bool   // cannot be caused by a crash
}

// frames delivers the frames of e that lie before limit.
func (r *replay) frames(e *entry, limit int64) (stop, error) {
	k := e.head.key()
	off := int64(headerSize)
	for off <= limit-frameHead {
		b, err := r.win.at(off, frameHead)
		if err != nil {
			return stop{}, err
		}
		h, ok := k.head(b, off, limit-off)
		if !ok {
			return stop{off: off, torn: k.hasTag(b) || k.lostTag(b, off, limit-off), what: "frame header is not valid"}, nil
		}
		if h.size > r.cfg.MaxFrame {
			return stop{}, fmt.Errorf("%w: %s at offset %d: %d bytes, limit %d", ErrTooLarge, e.name, off, h.size, r.cfg.MaxFrame)
		}
		if h.flags != 0 {
			return stop{}, fmt.Errorf("wal: %s at offset %d: %w: frame flags %#x", e.name, off, ErrVersion, h.flags)
		}
		if h.position != r.res.Position {
			what := fmt.Sprintf("frame has position %d instead of %d", h.position, r.res.Position)
			return stop{off: off, end: off + h.size, torn: true, what: what, never: true}, nil
		}
		if b, err = r.win.at(off, h.size); err != nil {
			return stop{}, err
		}
		meta, parts, what := h.body(b[:h.size], r.parts[:0])
		r.parts = parts
		if what != "" {
			return stop{off: off, end: off + h.size, torn: true, what: what}, nil
		}
		if r.otherFrame(&h) {
			return stop{off: off, end: off + h.size, torn: true, what: "it is not the frame that was acknowledged with its position", never: true}, nil
		}
		if r.fn != nil {
			r.entry = Entry{Position: h.position, Meta: meta, Parts: parts, Number: e.number, Off: off}
			if err := r.fn(&r.entry); err != nil {
				return stop{}, err
			}
		}
		off += h.size
		r.lastSum, r.seen = h.sum, max(r.seen, h.durable)
		r.res.Frames++
		r.res.Bytes += h.size
		r.res.Position++
	}
	return stop{off: off, what: "frame is missing"}, nil
}

// listVoid fills in Result.Void.
func (r *replay) listVoid() {
	last := r.cfg.Number
	read := make(map[uint64]bool, len(r.res.Files))
	for _, n := range r.res.Files {
		read[n] = true
		last = n
	}
	for _, e := range r.cat.files {
		if read[e.number] || r.res.Damage != nil && e.number >= last {
			continue
		}
		r.res.Void = append(r.res.Void, e.number)
	}
}
