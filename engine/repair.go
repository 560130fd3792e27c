package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

// Dropped is something that a repair could not keep.
type Dropped struct {
	Topic       string
	First, Next uint64 // sequences [First, Next), if they are known
	What        string
}

// RepairReport says what a repair did.
type RepairReport struct {
	Before  *VerifyReport
	Actions []string
	Dropped []Dropped
	Changed bool
}

// ErrNotConfirmed is returned by Repair if confirm returned false.
var ErrNotConfirmed = errors.New("the repair was not confirmed; nothing was changed")

// repairer is a repair under way. It works on an engine of its own, which has no
// background goroutines. Before it replaces anything, the originals are in the
// quarantine folder: see repair_aside.go.
type repairer struct {
	e        *Engine
	ctx      context.Context
	rep      *RepairReport
	folder   string            // for the originals, in the quarantine folder
	replaced []string          // segment files that are not needed any more
	growing  []string          // those of them that were not sealed
	segments map[uint64]uint64 // the highest number of a segment file, by topic
	// noSnapshot means that STORE was rebuilt without a snapshot. Segments and the WAL
	// may then hold the same records.
	noSnapshot bool
	names      map[uint64]string // of topics, in the snapshot before; nil: not read yet
}

// Repair verifies the store in cfg.Dir. If it is damaged and confirm is nil or returns
// true, Repair rewrites the store without the damage and keeps everything intact
// outside it.
func Repair(ctx context.Context, cfg Config, confirm func(*VerifyReport) bool, progress func(VerifyProgress)) (*RepairReport, error) {
	r := &repairer{ctx: ctx, rep: &RepairReport{}}
	if ctx.Err() != nil {
		return r.rep, context.Cause(ctx)
	}
	before, err := r.verify(cfg, progress)
	if err != nil {
		return r.rep, err
	}
	r.rep.Before = before
	if len(before.Damage) == 0 {
		return r.rep, nil
	}
	if confirm != nil && !confirm(before) {
		return r.rep, ErrNotConfirmed
	}
	if ctx.Err() != nil { // meanwhile
		return r.rep, context.Cause(ctx)
	}
	defer r.close()
	err = r.open(cfg)
	if err == nil {
		err = r.run()
	}
	if isSyncFailure(err) && r.e.fs != nil {
		r.e.suspect()
	}
	return r.rep, err
}

// verify verifies the store as it is.
func (r *repairer) verify(cfg Config, progress func(VerifyProgress)) (*VerifyReport, error) {
	cfg.ReadOnly = true
	e, err := Open(cfg)
	if err != nil {
		if c, ok := errors.AsType[*errs.CorruptError](err); ok {
			return &VerifyReport{Damage: []*errs.CorruptError{c}}, nil
		}
		return nil, err
	}
	defer e.Close()
	return e.Verify(r.ctx, progress)
}

func (r *repairer) did(format string, a ...any) {
	r.rep.Actions = append(r.rep.Actions, fmt.Sprintf(format, a...))
}

func (r *repairer) lost(topic string, first, next uint64, what string) {
	if mutate.SkipRepairList {
		return
	}
	r.rep.Dropped = append(r.rep.Dropped, Dropped{topic, first, next, what})
}

// open restores as much of the state as it can.
func (r *repairer) open(cfg Config) error {
	cfg.MustExist = true
	e := &Engine{cfg: cfg, codecs: segment.NewCodecs(), ckptDone: make(chan struct{}), broken: make(chan struct{})}
	e.guardLogger()
	r.e = e
	if err := e.lockDir(); err != nil {
		return err
	}
	if err := e.checkKinds(); err != nil {
		return err
	}
	if err := r.makeAside(); err != nil {
		return err
	}
	if err := r.keepOriginals(); err != nil {
		return err
	}
	st, _, err := readStore(e.fs)
	if err == nil {
		e.store = st
		cfg := e.replayConfig()
		var found wal.Traces
		if found, err = wal.Trace(cfg); err != nil {
			return err
		}
		if e.outdated(found.Epoch, found.Generation) {
			err = errs.ErrCorrupt // an earlier copy
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, errs.ErrCorrupt) || errors.Is(err, errNotExist):
		if err := r.rebuildStore(); err != nil {
			return err
		}
	default:
		return err
	}
	e.pos = e.store.Position
	if err := e.makeFolders(); err != nil {
		return err
	}
	if err := e.dirs.openSegments(); err != nil {
		return err
	}
	e.store.Epoch++
	e.files = segment.NewFiles(e.dirs.segments, ".", cfg.MaxOpenFiles, cfg.MaxMapped)
	e.machines = newMachines(topics.Config{FS: e.dirs.segments, Dir: ".", Store: e.store.ID, Epoch: e.store.Epoch,
		Files: e.files, Codecs: e.codecs, Default: cfg.Topic, MaxBody: cfg.MaxBody, MaxBatch: cfg.MaxBatch, MaxFuture: cfg.MaxFuture,
		KeepMax: keepMax(cfg)})
	if err := e.loadSnapshot(); err != nil {
		return err
	}
	e.publish(e.pos, nil)
	return nil
}

// close releases what open acquired, even if open failed halfway.
func (r *repairer) close() {
	if r.e.files != nil {
		_ = r.e.files.Close()
	}
	if r.e.reg != nil {
		r.e.reg.ReleaseDirty()
	}
	r.e.dirs.close()
	_ = r.e.lock.close()
}

// rebuildStore rebuilds the content of the STORE file from the headers of other files.
func (r *repairer) rebuildStore() error {
	e := r.e
	best := storeState{CreatedTime: e.read().wall, WALAbsent: true}
	for i := range uint64(2) {
		f, err := e.fs.Open(snapName(i), vfs.Read)
		if err != nil {
			continue
		}
		b := make([]byte, snapHeader)
		n, err := f.ReadAt(b, 0)
		_ = f.Close()
		if err != nil && !errors.Is(err, io.EOF) {
			continue
		}
		h, err := parseSnapHead(b[:n])
		if errors.Is(err, errs.Version) {
			return err
		}
		if err != nil || h.Number&1 != i || h.Number <= best.Checkpoint {
			continue
		}
		best = storeState{ID: h.Store, Epoch: h.Epoch + 1<<20, Checkpoint: h.Number, Position: h.Position, WAL: h.WAL,
			WALAbsent: true, SnapLen: h.Length, SnapSum: h.Sum, CreatedTime: best.CreatedTime, Features: h.Features}
	}
	if best.Checkpoint == 0 {
		id, ok := r.anyID()
		if !ok {
			return fmt.Errorf("there is nothing in %s to rebuild the store from", e.cfg.Dir)
		}
		best.ID, best.WAL, best.Epoch = id, 1, 1<<20
		r.noSnapshot = true
	}
	found, err := wal.Trace(wal.ReplayConfig{FS: e.fs, Dir: walDir, Store: best.ID, Number: best.WAL})
	if err != nil {
		return err
	}
	best.Epoch = max(best.Epoch, found.Epoch)
	best.LogEpoch, best.LogFirst = found.Epoch, found.First
	// It is written with the checkpoint that ends the repair, and not before: cut off
	// until then, the repair finds what it found this time.
	e.store, e.noStore = best, true
	if mutate.RepairFirst {
		if err := createStore(e.fs, &best); err != nil {
			return err
		}
		e.noStore = false
	}
	r.did("rebuilt the STORE file from checkpoint %d", best.Checkpoint)
	return nil
}

// anyID returns the store id in the first readable segment or WAL file.
func (r *repairer) anyID() (id [16]byte, ok bool) {
	for _, d := range []string{segmentDir, walDir} {
		infos, _ := r.e.fs.ReadDir(d)
		for _, i := range infos {
			b := make([]byte, segment.FileHeaderSize)
			f, err := r.e.fs.Open(d+"/"+i.Name, vfs.Read)
			if err != nil {
				continue
			}
			n, _ := f.ReadAt(b, 0)
			_ = f.Close()
			if m, err := segment.ParseMeta(b[:n]); err == nil {
				return m.Store, true
			}
			if id, ok := wal.StoreOf(b[:n]); ok && d == walDir {
				return id, true
			}
		}
	}
	return id, false
}

func (r *repairer) run() error {
	e := r.e
	lostState := e.readOnly != nil || r.noSnapshot // the snapshot is damaged, or there is none
	files, err := r.scanSegments()
	if err != nil {
		return err
	}
	r.segments = make(map[uint64]uint64)
	for _, f := range files {
		e.reg.SkipID(f.topic)
		r.segments[f.topic] = max(r.segments[f.topic], f.number)
	}
	if n := e.lostSections; n > 0 {
		r.lost("", 0, 0, fmt.Sprintf("%d sections of the snapshot: the state of as many topics or procs: of a topic its newest records, what was pruned, and its options; a proc begins anew when it is used again", n))
	}
	if lostState {
		if e.lostSections == 0 { // there is not one
			r.lost("", 0, 0, "the snapshot: all of topics without a file of their own, the newest records of others, what was pruned, and options; procs begin anew when they are used again")
		}
		if err := r.lostTopics(files); err != nil {
			return err
		}
	}
	e.readOnly = nil
	if err := r.replay(); err != nil {
		return err
	}
	e.publish(e.pos, nil)
	for _, t := range e.reg.Topics() {
		if err := r.topic(t, files); err != nil {
			return err
		}
		t.ClearDamage()
	}
	for _, p := range e.rules.All() {
		if e.reg.TopicByID(p.Topic) == nil {
			e.rules.TopicGone(p.Topic)
		}
	}
	if mutate.SkipClamp {
		// Procs stay where they are.
	} else if n := e.procs.Clamp(e.endOf); n > 0 {
		r.did("put %d procs back to the end of their topics", n)
	}
	e.publish(e.pos, nil)
	return r.finish()
}

type segFile struct {
	name   string
	topic  uint64
	number uint64
	size   int64
	meta   segment.Meta
	ok     bool // the header is intact and of this store
}

// scanSegments reads the headers of all segment files.
func (r *repairer) scanSegments() ([]segFile, error) {
	infos, err := r.e.fs.ReadDir(segmentDir)
	if err != nil {
		return nil, err
	}
	var out []segFile
	for _, i := range infos {
		t, n, ok := segment.ParseFileName(i.Name)
		if !ok || !i.Regular {
			continue
		}
		s := segFile{name: i.Name, topic: t, number: n, size: i.Size}
		if f, err := r.e.fs.Open(segmentDir+"/"+i.Name, vfs.Read); err == nil {
			b := make([]byte, segment.FileHeaderSize)
			k, _ := f.ReadAt(b, 0)
			_ = f.Close()
			if m, err := segment.ParseMeta(b[:k]); err == nil && m.Store == r.e.store.ID && m.Topic == t && m.Number == n {
				s.meta, s.ok = m, true
			}
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b segFile) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.number, b.number))
	})
	return out, nil
}

// lostTopics restores topics whose state the snapshot lost, from their segment files.
func (r *repairer) lostTopics(files []segFile) error {
	reg := r.e.reg
	for i := 0; i < len(files); {
		j := i
		for j < len(files) && files[j].topic == files[i].topic {
			j++
		}
		group := files[i:j]
		i = j
		k := slices.IndexFunc(group, func(s segFile) bool { return s.ok })
		if k < 0 || !reg.Lost(group[k].meta) {
			continue
		}
		t, err := reg.RestoreLost(group[k].meta)
		if err != nil {
			return err
		}
		r.e.publish(r.e.pos, nil)
		t.SkipNumbers(group[len(group)-1].number)
		for _, s := range group {
			if _, err := r.salvage(t, s.number, s.size); err != nil {
				return err
			}
			r.replaced = append(r.replaced, s.name)
		}
		r.did("topic %q: state rebuilt from %d segment files, %d records", t.Name(), len(group), t.Length())
		r.lost(t.Name(), 0, 0, "its newest records, as far as they were in the damaged snapshot only, and its options")
	}
	return nil
}

// salvage rewrites what is intact in the first to bytes of one segment of t, and
// returns the gaps that the damage leaves.
func (r *repairer) salvage(t *topics.Topic, number uint64, to int64) ([]topics.Gap, error) {
	if r.ctx.Err() != nil {
		return nil, context.Cause(r.ctx)
	}
	src := topics.Source{Number: number, To: to}
	h, err := r.e.files.Acquire(t.ID(), number)
	if err == nil {
		defer h.Release()
		size, err := h.File().Size()
		if err != nil {
			return nil, err
		}
		src.File, src.To = h.File(), min(to, size)
	} else if !topics.ConcernsFile(err) {
		return nil, err
	}
	return t.Salvage(src)
}

// replay applies the intact frames of the WAL, passing over damage.
func (r *repairer) replay() error {
	e := r.e
	cfg := e.replayConfig()
	var blocks []topics.Block
	skipped := 0
	apply := func(w *wal.Entry) error {
		err := decodeCommand(w.Meta, w.Parts, &blocks, func(ms int64, op *decodedOp) error {
			if r.noSnapshot && e.hasApplied(op) {
				return nil
			}
			if op.kind == opAppend && e.reg.TopicByID(op.id) == nil && !r.nameless(op.id) ||
				e.applyDecoded(op, w.Position, ms) != nil {
				skipped++
			}
			return nil
		})
		if err != nil {
			skipped++
		}
		e.pos = w.Position
		e.publish(e.pos, nil)
		return nil
	}
	res, err := wal.Replay(cfg, apply)
	if err != nil {
		return err
	}
	e.ended.next = max(res.Highest+1, e.store.WAL)
	for _, c := range res.Cut {
		r.did("write-ahead log: cut a torn frame off %s, which was never acknowledged as durable", c.File)
	}
	if res.Damage != nil {
		before := e.pos
		n := 0
		err := wal.Salvage(cfg, e.pos, func(w *wal.Entry) error {
			if w.Position > before+1 {
				r.lost("", 0, 0, fmt.Sprintf("commands %d to %d of the write-ahead log", before+1, w.Position-1))
			}
			before = w.Position
			n++
			return apply(w)
		})
		if err != nil {
			return err
		}
		r.did("write-ahead log: passed over damage in %s, applied %d commands behind it", res.Damage.File, n)
		switch {
		case res.Proven > before:
			r.lost("", 0, 0, fmt.Sprintf("commands %d to %d, the end of the write-ahead log", before+1, res.Proven))
		case n == 0:
			r.lost("", 0, 0, fmt.Sprintf("the end of the write-ahead log, from command %d on", before+1))
		}
		e.pos = max(e.pos, res.Proven) // their positions are not used again
	}
	if skipped > 0 {
		r.lost("", 0, 0, fmt.Sprintf("%d operations of the write-ahead log whose topic is lost", skipped))
	}
	return nil
}

// hasApplied reports whether a topic that was restored from its segments has what op
// adds.
func (e *Engine) hasApplied(op *decodedOp) bool {
	t := e.reg.TopicByID(op.id)
	switch {
	case t == nil:
		return false
	case op.kind == opCreate:
		return t.Name() == op.name
	case op.kind == opAppend:
		return len(op.blocks) > 0 && op.blocks[len(op.blocks)-1].Header.Next() <= t.End()
	}
	return false
}

// topic rewrites the damaged segments of one topic.
func (r *repairer) topic(t *topics.Topic, files []segFile) error {
	for _, s := range files {
		if s.topic == t.ID() {
			t.SkipNumbers(s.number)
		}
	}
	for _, f := range t.Files() {
		if !f.Written && !f.Kept {
			continue
		}
		bad := f.Kept // its file could not be written
		if !bad {
			var err error
			if bad, err = r.damaged(t, f); err != nil {
				return err
			}
		}
		if !bad {
			continue
		}
		gaps, err := r.salvage(t, f.Number, f.DataEnd)
		if err != nil {
			return err
		}
		name := segment.FileName(t.ID(), f.Number)
		r.did("topic %q: rewrote segment %d; the damaged file is in %s/%s", t.Name(), f.Number, r.folder, name)
		for _, g := range gaps {
			r.lost(t.Name(), g.From, g.To, "damaged in "+name)
		}
		r.replaced = append(r.replaced, name)
		if !f.Sealed {
			r.growing = append(r.growing, name)
		}
	}
	return nil
}

// damaged reports whether a segment's file has damage.
func (r *repairer) damaged(t *topics.Topic, f topics.FileInfo) (bool, error) {
	h, err := r.e.files.Acquire(t.ID(), f.Number)
	if err != nil && notThere(r.e.fs, t.ID(), f.Number, err) != "" {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer h.Release()
	bad := false
	if !f.Sealed {
		f, _ = t.Grown(f)
	}
	err = checkSegment(h.File(), t, f, func(*errs.CorruptError) { bad = true })
	return bad, err
}

// finish makes the repaired state durable and removes the names of segment files that
// it has replaced.
func (r *repairer) finish() error {
	e := r.e
	if err := r.keepSegments(); err != nil {
		return err
	}
	e.stop = make(chan struct{})
	e.newNames = true // of the rewritten segments
	if err := e.checkpointLocked(true); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	r.rep.Changed = true
	r.did("wrote checkpoint %d; the originals are in %s", e.store.Checkpoint, r.folder)
	for _, name := range r.replaced {
		err := e.fs.Remove(segmentDir + "/" + name)
		if err != nil && !errors.Is(err, errNotExist) {
			return fmt.Errorf("removing a damaged file, which is in %s: %w", r.folder, err)
		}
	}
	return e.syncDirs(segmentDir)
}
