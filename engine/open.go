package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/internal/clock"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

// Open opens the store in cfg.Dir, creates it if it does not exist, and restores the
// state of the last command that survived.
//
// A damaged store still opens: a damaged topic refuses commits, damage of the WAL or
// the snapshot makes the whole node read-only, and everything else can be read.
// Recovery lists the damage.
func Open(cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg, codecs: segment.NewCodecs(), ckptDone: make(chan struct{}), released: make(chan struct{}), broken: make(chan struct{}), kick: make(chan struct{}, 1)}
	e.group = wal.NewGroup(maxGroup, cfg.Sync == SyncAlways, e.leadSafely)
	e.guardLogger()
	if cfg.Elapsed == nil {
		system := clock.New()
		e.cfg.Elapsed = func() time.Duration { _, d := system.Read(); return d }
	}
	start := e.read()
	err := e.open()
	if p := e.failed.Load(); err == nil && p != nil {
		err = *p
	}
	if err != nil {
		if isSyncFailure(err) && e.fs != nil {
			e.suspect()
		}
		if isNoSpace(err) {
			err = noSpace(err, "the store can be opened read-only; make room on the disk to open it for writing")
		}
		if errors.Is(err, syscall.EROFS) && !e.cfg.ReadOnly {
			err = fmt.Errorf("%w; a store that is there can be opened with the option ReadOnly", err)
		}
		if e.files != nil {
			_ = e.files.Close()
		}
		if e.log != nil {
			_ = e.log.Close(1)
		}
		e.site.close()
		e.dirs.close()
		_ = e.lock.close()
		return nil, err
	}
	e.openClock(start)
	e.recovery.Duration = e.read().elapsed - start.elapsed
	e.report()
	e.startKeeper()
	if e.readOnly == nil {
		e.wakeProcs()
		ctx, cancel := context.WithCancel(context.Background())
		e.gcStop, e.gcKick, e.gcDone = cancel, make(chan struct{}, 1), make(chan struct{})
		go e.collector(ctx)
		e.wakeKeeper() // the WAL may be past its size, or a spare may be missing
	}
	return e, nil
}

func (e *Engine) open() error {
	if err := e.lockDir(); err != nil {
		return err
	}
	if err := e.readOrCreate(); err != nil {
		return err
	}
	segments, dir, err := e.segmentFolder()
	if err != nil {
		return err
	}
	e.files = segment.NewFiles(segments, dir, e.cfg.MaxOpenFiles, e.cfg.MaxMapped)
	e.files.Elapsed = e.cfg.Elapsed
	e.machines = newMachines(topics.Config{FS: segments, Dir: dir, Store: e.store.ID, Epoch: e.store.Epoch + 1,
		Files: e.files, Codecs: e.codecs, Default: e.cfg.Topic, MaxBody: e.cfg.MaxBody, MaxBatch: e.cfg.MaxBatch,
		MaxFuture: e.cfg.MaxFuture, Room: e.segmentRoom, Admit: e.admit, Spare: e.cfg.CheckpointBytes,
		KeepMax: keepMax(e.cfg)})
	if err := e.loadSnapshot(); err != nil {
		return err
	}
	e.publish(e.pos, nil)
	e.covered.Store(e.store.Position)
	if err := e.replay(); err != nil {
		return err
	}
	e.publish(e.pos, nil)
	for _, t := range e.reg.Topics() {
		if d := t.Damage(); d != nil { // found before, and not repaired since
			e.damaged(d)
		}
	}
	if err := e.checkFiles(); err != nil {
		return err
	}
	if e.cfg.ReadOnly && e.readOnly == nil {
		e.readOnly = errs.ReadOnly.With("the node was opened read-only")
	}
	if e.readOnly != nil {
		return nil
	}
	// From here on the directory is written. STORE comes first: after a failed sync
	// what it says may not be durable, and it decides which WAL files are old.
	if !mutate.KeepEpoch {
		e.store.Epoch++
	}
	if err := e.makeFolders(); err != nil {
		return err
	}
	if err := e.checkKinds(); err != nil {
		return err
	}
	if err := e.dirs.openSegments(); err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	if err := e.beginStore(); err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	if err := e.dirs.top.Sync(); err != nil { // its name may not be durable either
		return fmt.Errorf("opening: %w", &syncError{err})
	}
	if err := e.site.settle(e.dirs.top); err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	e.removeFiles(&e.stale)
	if mutate.GarbageFirst {
		e.removeFiles(&e.garbage)
	}
	if err := e.beginLog(); err != nil {
		if isSyncFailure(err) || !isNoSpace(err) {
			return err
		}
		e.cfg.Logger.Warn("pipeproc: no room for a write-ahead log, commits will fail until there is", "err", err)
		e.event(Event{Kind: EventFull, Err: err})
	}
	e.retryStuck()
	return nil
}

// lockDir creates the data directory and takes its lock.
func (e *Engine) lockDir() error {
	if !e.cfg.ReadOnly && !e.cfg.MustExist {
		if err := e.cfg.FS.MkdirAll(e.cfg.Dir); err != nil {
			return fmt.Errorf("making the data directory: %w", notFolder(e.cfg.FS, err))
		}
	} else if info, err := e.cfg.FS.Stat(e.cfg.Dir); err != nil {
		return noStore(e.cfg.Dir, err)
	} else if err := folderOf(e.cfg.Dir, info); err != nil {
		return noStore(e.cfg.Dir, err)
	}
	top, err := e.cfg.FS.OpenDir(e.cfg.Dir)
	if err != nil {
		return fmt.Errorf("opening the data directory: %w", err)
	}
	e.fs, e.dirs.top = top, top
	e.boot = bootNumber(e.cfg.FS)
	// The lock on the directory holds whatever becomes of the file LOCK, which is for
	// programs that know only that, and tells who it is.
	if !mutate.SkipDirLock {
		if e.lock.dir, err = top.LockDir(lockName); err != nil {
			return e.inUse(err)
		}
	}
	if err := e.checkDir(); err != nil {
		return err
	}
	if e.lock.file, err = top.Lock(lockName); err != nil {
		return e.inUse(err)
	}
	return nil
}

// folderOf says what stands in place of a directory, if anything does.
func folderOf(name string, info vfs.Info) error {
	switch {
	case info.Dir:
		return nil
	case info.Symlink:
		return fmt.Errorf("%s is a symbolic link that does not lead to a directory: %w", name, errNotExist)
	}
	return fmt.Errorf("%s: %w", name, syscall.ENOTDIR)
}

// notFolder adds to an error of making a directory what stands in its place, or in that
// of one above it.
func notFolder(fsys vfs.FS, err error) error {
	pe, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return err
	}
	if info, serr := fsys.Stat(pe.Path); serr == nil && info.Symlink {
		return folderOf(pe.Path, info)
	}
	return err
}

// inUse is the error of a lock that could not be had.
func (e *Engine) inUse(err error) error {
	if l, ok := errors.AsType[*vfs.LockedError](err); ok {
		return fmt.Errorf("the data directory %s is %w; stop that process or use another directory", e.cfg.Dir, &vfs.LockedError{PID: l.PID, Path: l.Path})
	}
	return fmt.Errorf("locking the data directory %s: %w", e.cfg.Dir, err)
}

// settle makes the names of dir and of all directories above it durable. The process
// that created them may have been killed before it did so. A directory that another
// user owns, or that is on a file system that cannot be written, was not made by this
// program: then there is nothing to make durable, and that it refuses is no failure.
func settle(fsys vfs.FS, dir string) error {
	for _, d := range parents(dir) {
		err := fsys.SyncDir(d)
		if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
			return &syncError{err}
		}
	}
	return nil
}

// parents names the directories above dir that may have been made with it, the nearest
// first. What ".." leads to where there are links only the system can tell: so for a
// name that has it, they are named by climbing from dir.
func parents(dir string) (list []string) {
	if elements := strings.Split(dir, "/"); slices.Contains(elements, "..") {
		up := dir
		for _, e := range elements {
			if e != "" && e != "." && e != ".." {
				up += "/.."
				list = append(list, up)
			}
		}
		return list
	}
	for d := path.Clean(dir); d != path.Dir(d); d = path.Dir(d) {
		list = append(list, path.Dir(d))
	}
	return list
}

func noStore(dir string, err error) error {
	if err == nil {
		err = errNotExist
	}
	return fmt.Errorf("there is no pipeproc store in %s: %w", dir, err)
}

// readOrCreate reads the STORE file, or creates it in a new directory.
func (e *Engine) readOrCreate() error {
	st, bad, err := readStore(e.fs)
	if err == nil {
		e.store, e.pos = st, st.Position
		for _, b := range bad { // a crash can do that; the next write repairs it
			e.recovery.Mended = append(e.recovery.Mended, b)
		}
		return nil
	}
	if !errors.Is(err, errNotExist) {
		return err
	}
	// Without STORE nothing says what the other files are. So they are never
	// removed as garbage.
	if s, _ := look(e.dirs.top); s.proof != "" {
		return &errs.CorruptError{File: storeName, Offset: -1, What: fmt.Sprintf("it is missing, but %s is there; run 'pipeproc repair'", s.proof)}
	}
	if e.cfg.ReadOnly || e.cfg.MustExist {
		return noStore(e.cfg.Dir, err)
	}
	st = storeState{WAL: 1, WALAbsent: true, Clean: true, CreatedTime: e.read().wall}
	if _, err := rand.Read(st.ID[:]); err != nil {
		return err
	}
	e.forgetFolders()
	if err := e.makeFolders(); err != nil {
		return err
	}
	// The folders must be durable before STORE says that they exist.
	if err = e.dirs.top.Sync(); err != nil {
		err = &syncError{err}
	} else {
		err = settle(e.cfg.FS, e.cfg.Dir)
	}
	if err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if err := createStore(e.fs, &st); err != nil {
		return err
	}
	e.store = st
	return nil
}

// segmentFolder returns where the segment files are: in the folder itself, or, if it
// is missing, where it will be.
func (e *Engine) segmentFolder() (fsys vfs.FS, dir string, err error) {
	switch err := e.dirs.openSegments(); {
	case err == nil:
		return e.dirs.segments, ".", nil
	case errors.Is(err, errNotExist):
		return e.fs, segmentDir, nil
	default:
		return nil, "", fmt.Errorf("opening %s: %w", segmentDir, err)
	}
}

// makeFolders creates the folders in the data directory.
func (e *Engine) makeFolders() error {
	for _, d := range []string{walDir, segmentDir} {
		if err := e.fs.MkdirAll(d); err != nil {
			return fmt.Errorf("making the data directory: %w", err)
		}
	}
	return nil
}

// loadSnapshot restores the state of the last checkpoint. If it is damaged, the node
// has what could be restored and is read-only.
func (e *Engine) loadSnapshot() error {
	if e.store.Checkpoint == 0 {
		return nil
	}
	damage := func(err error) error {
		c, ok := errors.AsType[*errs.CorruptError](err)
		if !ok {
			return err
		}
		e.damaged(c)
		e.makeReadOnly(c)
		return nil
	}
	r, err := openSnapshot(e.fs, &e.store)
	if err != nil {
		return damage(err)
	}
	defer r.close()
	for {
		off := r.off
		kind, payload, skip, err := r.next()
		if err == nil && kind == 0 {
			e.snapRoom.last(&e.store, e.reg.CarriedBytes(), e.reg.Count())
			if err := e.reg.KeptWhole(); err != nil {
				return damage(r.corrupt(off, "", err))
			}
			return nil
		}
		if err == nil {
			err = e.restoreSection(kind, payload, e.store.Position)
			if errors.Is(err, errs.Version) {
				return err
			}
			if err != nil {
				err = r.corrupt(off, "", err)
				skip = true
			}
		}
		if err != nil {
			e.lostSections++
			if err := damage(err); err != nil {
				return err
			}
			if !skip {
				return nil
			}
		}
	}
}

// replay applies the commands of the WAL that follow the checkpoint.
func (e *Engine) replay() error {
	var blocks []topics.Block
	res, err := wal.Replay(e.replayConfig(), func(w *wal.Entry) error {
		if e.readOnly != nil {
			return errStop // the snapshot is damaged, so commands may not fit the state
		}
		err := decodeCommand(w.Meta, w.Parts, &blocks, func(ms int64, op *decodedOp) error {
			return e.applyDecoded(op, w.Position, ms)
		})
		if err == nil {
			e.pos = w.Position
			e.publish(e.pos, nil)
			return nil
		}
		if errors.Is(err, errs.Version) {
			return err
		}
		return &errs.CorruptError{File: fmt.Sprintf("wal-%016x.log", w.Number), Offset: w.Off, What: "a command does not fit the state", Err: err}
	})
	e.recovery.Commands, e.recovery.Bytes = res.Frames, res.Bytes
	e.ended = endedLog{tail: res.Tail, void: res.Void, held: res.Size, next: max(res.Highest+1, e.store.WAL)}
	e.recovery.Clean = e.store.Clean && res.Frames == 0
	for _, c := range res.Cut {
		e.recovery.Cut = append(e.recovery.Cut, Cut{File: c.File, From: c.From, To: c.To, What: c.What})
	}
	damage, ok := errors.AsType[*errs.CorruptError](err)
	switch {
	case ok, errors.Is(err, errStop):
	case err != nil:
		return fmt.Errorf("replaying the write-ahead log: %w", err)
	default:
		damage = res.Damage
	}
	if damage != nil {
		e.damaged(damage)
		e.makeReadOnly(damage)
	}
	if e.outdated(res.Newest, res.Generation) {
		c := &errs.CorruptError{File: storeName, Offset: -1, What: fmt.Sprintf("it is older than the write-ahead log, which knows of epoch %d and generation %d: an earlier copy of it has been put in its place", res.Newest, res.Generation)}
		e.damaged(c)
		e.makeReadOnly(c)
	}
	return nil
}

// replayConfig says what STORE knows of the WAL.
func (e *Engine) replayConfig() wal.ReplayConfig {
	return wal.ReplayConfig{FS: e.fs, Dir: walDir, Store: e.store.ID, Number: e.store.WAL, Position: e.store.Position + 1,
		AllowMissing: e.store.WALAbsent, Epoch: e.store.LogEpoch, First: e.store.LogFirst, Boot: e.boot, MaxFrame: anyFrame}
}

// outdated reports whether STORE is older than the WAL, whose newest epoch is given, and
// the generation of STORE that it knows in that epoch. A file of the WAL is made, and its
// mark written, only once STORE is durable.
func (e *Engine) outdated(epoch, generation uint64) bool {
	newer := epoch > e.store.Epoch || epoch == e.store.Epoch && generation > e.store.Generation
	return newer && !mutate.SkipStoreAge
}

// bootNumber returns a number for the time since the machine was started, 0 if that
// cannot be told.
func bootNumber(fsys vfs.FS) uint64 {
	id := vfs.BootID(fsys)
	if id == "" {
		return 0
	}
	return xxhash.Sum64String(id)
}

var errStop = errors.New("stop")

func (e *Engine) damaged(c *errs.CorruptError) {
	for _, d := range e.recovery.Damage { // what a snapshot knows may have been found again
		if d.Error() == c.Error() {
			return
		}
	}
	e.recovery.Damage = append(e.recovery.Damage, c)
}

func (e *Engine) makeReadOnly(c *errs.CorruptError) {
	if e.readOnly == nil {
		e.readOnly = errs.ReadOnly.Wrap(c, "the store is damaged; run 'pipeproc repair'")
	}
}

// openLog starts a new WAL file after everything that was recovered, copies the bytes
// of torn frames to the quarantine folder, and makes the new epoch durable.
func (e *Engine) openLog() error {
	if err := e.keepCut(); err != nil {
		return err
	}
	cfg := wal.Config{FS: e.fs, Dir: walDir, Store: e.store.ID, Epoch: e.store.Epoch, Boot: e.boot,
		FileSize: e.cfg.WALFileSize, MaxFrame: maxFrame(e.cfg.MaxBatch), Mapped: e.cfg.Sync != SyncAlways, Fill: e.cfg.Sync == SyncNever,
		Spares: int(2*e.cfg.CheckpointBytes/e.cfg.WALFileSize) + 1} // files that a checkpoint frees are reused, and so are those filled meanwhile
	cfg.Rewrite = e.isSuspect()
	number, err := e.unusedWAL()
	if err != nil {
		return err
	}
	l, err := wal.Create(cfg, number, e.pos+1, e.ended.tail, e.ended.void)
	if err != nil {
		if isSyncFailure(err) {
			e.suspect()
		}
		return err
	}
	st := e.store
	st.Clean = false
	st.LogEpoch, st.LogFirst = st.Epoch, l.Number()
	if st.WALAbsent { // the log begins with the file just made
		st.WAL, st.WALAbsent = l.Number(), false
		if e.ended.tail.Number != 0 { // a log that was begun and never noted in STORE
			st.WAL = e.ended.tail.Number
		}
	}
	if err := writeStore(e.fs, &st); err != nil {
		_ = l.Close(1)
		e.ended.next = l.Next()
		e.ended.void = append(e.ended.void, l.Number()) // STORE does not know it
		return err
	}
	l.Named(st.Generation)
	e.store, e.log = st, l
	e.site.mu.Lock()
	e.site.seen = l.Number() // the directory is what it was a moment ago
	e.site.mu.Unlock()
	e.walSize.Store(l.Size())
	if cfg.Rewrite {
		e.clearSuspect()
	}
	// Only now is the replayed state durable, which says that these files are garbage.
	e.removeFiles(&e.garbage)
	return nil
}

// anyFrame is the largest frame that replay accepts, in bytes: a store opens with any
// options, whatever it was written with.
const anyFrame = 1<<32 - 16<<10

// maxFrame returns the size of the largest frame that a batch of the given size can
// make, in bytes: every record may be a block of its own.
func maxFrame(batch int) int64 { return min(1<<32-16<<10, 2*int64(batch)+1<<20) }

// report logs what Open found.
func (e *Engine) report() {
	r := &e.recovery
	log := e.cfg.Logger
	for _, d := range r.Damage {
		log.Error("pipeproc: damage found; run 'pipeproc repair'", "err", d)
		e.event(Event{Kind: EventDamage, Err: d})
	}
	for _, d := range r.Mended {
		log.Warn("pipeproc: one of two copies was damaged, the other one counts", "err", d)
	}
	for _, c := range r.Cut {
		log.Warn("pipeproc: a torn frame was cut off the write-ahead log", "file", c.File, "from", c.From, "to", c.To, "what", c.What, "kept", c.Kept)
		e.event(Event{Kind: EventCut, File: c.File, Err: errors.New(c.What)})
	}
	if r.Commands > 0 {
		log.Info("pipeproc: replayed the write-ahead log", "commands", r.Commands, "bytes", r.Bytes, "took", r.Duration.Round(time.Millisecond))
		e.event(Event{Kind: EventRecovered, Position: e.pos})
	}
	e.event(Event{Kind: EventOpened, Position: e.pos})
}
