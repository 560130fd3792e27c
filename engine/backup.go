package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// BackupReport says what a backup holds.
type BackupReport struct {
	Files, Linked int
	Bytes         int64 // copied
	Position      uint64
}

// Backup takes a checkpoint and writes a complete, cleanly closed store at its position
// to dest, which must be empty or not exist, and not be in the store. Sealed segments are hard links where the
// file system allows it. Commits continue meanwhile. The STORE file is written last, so
// that an interrupted backup is no store.
func (e *Engine) Backup(ctx context.Context, dest string) (*BackupReport, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if e.cfg.ReadOnly || e.readOnly != nil {
		return nil, errs.ReadOnly.With("a backup needs a node that can take a checkpoint")
	}
	to, err := e.emptyDir(dest)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	e.ckptMu.Lock()
	defer e.ckptMu.Unlock()
	if err := e.checkpointLocked(false); err != nil {
		return nil, err
	}
	e.commitMu.Lock()
	st := e.store
	e.commitMu.Unlock()
	rep := &BackupReport{Position: st.Position}
	b := &backup{from: e.dirs.top, to: to, link: true, ctx: ctx, rep: rep}
	err = b.run(st)
	if err != nil {
		for _, name := range b.made { // so that the next try finds dest empty
			_ = to.Remove(name)
		}
	} else {
		err = settle(e.cfg.FS, dest)
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return rep, nil
}

// emptyDir makes dest a directory, which must be empty and outside of the store, and
// opens it.
func (e *Engine) emptyDir(dest string) (vfs.Dir, error) {
	fsys := e.cfg.FS
	inside := errs.InvalidOptions.With(dest + " is in the store itself, and would be lost with it; use a directory elsewhere")
	if e.holds(existing(fsys, dest)) {
		return nil, inside
	}
	if info, err := fsys.Stat(dest); err == nil {
		if !info.Dir {
			return nil, fmt.Errorf("%s is not a directory", dest)
		}
		list, err := fsys.ReadDir(dest)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			return nil, fmt.Errorf("%s is not empty: %w", dest, fs.ErrExist)
		}
	}
	if err := fsys.MkdirAll(dest); err != nil {
		return nil, err
	}
	if e.holds(dest) { // what led there had to be made first
		_ = fsys.Remove(dest)
		return nil, inside
	}
	return fsys.OpenDir(dest)
}

// existing returns the longest beginning of a path that there is already.
func existing(fsys vfs.FS, name string) string {
	for {
		if _, err := fsys.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			return name
		}
		short := strings.TrimRight(name, "/")
		short = short[:strings.LastIndexByte(short, '/')+1]
		switch short {
		case name: // not even the root
			return name
		case "":
			return "."
		}
		name = short
	}
}

// holds reports whether the directory name is that of the store, or in it, by whatever
// path. Which directories are the same only the system can tell, and on Windows it does
// not.
func (e *Engine) holds(name string) bool {
	own, err := e.dirs.top.Stat(".")
	if err != nil || !own.ID.Known() || mutate.BackupInside {
		return false
	}
	var last vfs.ID
	for {
		info, err := e.cfg.FS.Stat(name)
		switch {
		case err != nil, !info.Dir, !info.ID.Known(), info.ID == last: // what is above it nobody can tell, or it is the root
			return false
		case info.ID == own.ID:
			return true
		}
		last = info.ID
		name += "/.."
	}
}

type backup struct {
	from vfs.Dir
	to   vfs.Dir
	link bool // sealed segments
	ctx  context.Context
	rep  *BackupReport
	made []string // files, and then the folders that hold them
}

// run copies what the snapshot of st speaks of. Nothing of it changes: sealed
// files never do, and of growing ones only the bytes below the snapshot's end
// are taken.
func (b *backup) run(st storeState) error {
	for _, d := range []string{walDir, segmentDir} {
		if err := b.to.MkdirAll(d); err != nil {
			return err
		}
		b.made = append(b.made, d)
	}
	reg, err := readTopics(b.from, &st)
	if err != nil {
		return err
	}
	for _, t := range reg.Topics() {
		for _, f := range t.Files() {
			if !f.Written {
				continue
			}
			if b.ctx.Err() != nil {
				return context.Cause(b.ctx)
			}
			name := segmentDir + "/" + segment.FileName(t.ID(), f.Number)
			if err := b.file(name, f.MinSize, f.Sealed); err != nil {
				return err
			}
			if err := b.check(name, t, f); err != nil {
				return err
			}
		}
	}
	if st.Checkpoint > 0 {
		name := snapName(st.Checkpoint)
		if err := b.file(name, int64(st.SnapLen), false); err != nil {
			return err
		}
	}
	// All names must be durable before that of STORE, which makes the copy count.
	for _, d := range []string{segmentDir, "."} {
		if err := b.to.SyncDir(d); err != nil {
			return err
		}
	}
	st.Clean, st.WALAbsent = true, true
	return createStore(b.to, &st)
}

// check verifies a file of the backup. A backup with unnoticed damage is worse than
// none.
func (b *backup) check(name string, t *topics.Topic, f topics.FileInfo) error {
	file, err := b.to.Open(name, vfs.Read)
	if err != nil {
		return err
	}
	defer file.Close()
	var found error
	if !f.Sealed {
		f, _ = t.Grown(f)
	}
	err = checkSegment(file, t, f, func(c *errs.CorruptError) {
		if found == nil {
			found = fmt.Errorf("the store is damaged, repair it first: %w", c)
		}
	})
	return cmp.Or(err, found)
}

func (b *backup) file(name string, size int64, link bool) error {
	b.rep.Files++
	b.made = append([]string{name}, b.made...)
	if link && b.link && b.from.LinkTo(name, b.to, name) == nil {
		b.rep.Linked++
		return nil
	}
	in, err := b.from.Open(name, vfs.Read)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := b.to.Open(name, vfs.Create|vfs.Exclusive)
	if err != nil {
		return err
	}
	err = copyRange(out, in, 0, size, 0)
	if err == nil {
		err = out.Sync()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	b.rep.Bytes += size
	return err
}

// Restore copies the store in cfg.Dir, which must be undamaged and not in use, to dest,
// which must be empty or not exist.
func Restore(ctx context.Context, cfg Config, dest string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	cfg.ReadOnly = true
	e, err := Open(cfg)
	if err != nil {
		return err
	}
	defer e.Close()
	rep, err := e.Verify(ctx, nil)
	if err != nil {
		return err
	}
	if len(rep.Damage) > 0 {
		return fmt.Errorf("the store to restore from is damaged: %w", rep.Damage[0])
	}
	if !e.store.Clean {
		return errors.New("the store to restore from was not closed properly; open and close it once, or use 'pipeproc backup' to make the copy")
	}
	to, err := e.emptyDir(dest)
	if err != nil {
		return err
	}
	defer to.Close()
	// Not linked: the source must stay what it is, whatever becomes of dest.
	b := &backup{from: e.dirs.top, to: to, ctx: ctx, rep: new(BackupReport)}
	if err := b.run(e.store); err != nil {
		return err
	}
	return settle(cfg.FS, dest)
}
