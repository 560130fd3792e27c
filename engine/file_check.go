package engine

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

// checkFiles compares the segment files in the directory with those in the state. It
// compares only names and sizes, so that its cost depends on the number of files. A
// missing or short file damages its topic. A file that the state does not mention is
// garbage from a crash, and is removed once the state is durable: the checkpoint that
// counts now may need it. A file of which the state mentions the name only is stale, and
// is removed before anything else gets that name.
func (e *Engine) checkFiles() error {
	infos, err := e.fs.ReadDir(segmentDir)
	if err != nil && !errors.Is(err, errNotExist) {
		return fmt.Errorf("listing %s: %w", segmentDir, err)
	}
	type key struct{ topic, number uint64 }
	have := make(map[key]vfs.Info, len(infos))
	for _, i := range infos {
		if t, n, ok := segment.ParseFileName(i.Name); ok {
			have[key{t, n}] = i
		}
	}
	for _, t := range e.reg.Topics() {
		for _, s := range t.Files() {
			k := key{t.ID(), s.Number}
			info, ok := have[k]
			delete(have, k)
			switch {
			case !s.Written && info.Regular: // nothing in it counts: left by a crash
				if e.ours(segmentDir + "/" + info.Name) {
					e.stale = append(e.stale, info.Name)
				}
			case mutate.SkipFileCheck:
			case ok && shared(info) && !s.Sealed && !e.cfg.ReadOnly:
				return e.sharedFile(segmentDir + "/" + info.Name)
			case !ok && s.Written:
				e.damageTopic(t.Name(), s.Number, "the file is missing")
			case ok && info.Symlink:
				e.damageTopic(t.Name(), s.Number, "it is a symbolic link, which is not followed; put the file itself there")
			case ok && !info.Regular:
				e.damageTopic(t.Name(), s.Number, "it is not a regular file")
			case ok && (info.Size < s.MinSize || s.Sealed && info.Size != s.MinSize):
				e.damageTopic(t.Name(), s.Number, fmt.Sprintf("the file has %d bytes, %d were expected", info.Size, s.MinSize))
			}
		}
	}
	if e.cfg.ReadOnly || e.readOnly != nil {
		return nil
	}
	for k, info := range have {
		if !info.Regular || !e.ours(segmentDir+"/"+info.Name) {
			continue
		}
		e.garbage = append(e.garbage, segment.FileName(k.topic, k.number))
	}
	return nil
}

// notThere says why a segment's file, which could not be opened because of err, is
// damage: "" if it may well be there.
func notThere(fsys vfs.FS, topic, number uint64, err error) string {
	if errors.Is(err, errNotExist) {
		return "the file is missing"
	}
	info, err := fsys.Stat(segmentDir + "/" + segment.FileName(topic, number))
	if err == nil && !info.Regular {
		return "it is not a regular file"
	}
	return ""
}

// removeFiles removes the segment files that checkFiles has put into list, and empties it.
func (e *Engine) removeFiles(list *[]string) {
	for _, name := range *list {
		e.cfg.Logger.Debug("pipeproc: removing a segment file that nothing refers to", "file", name)
		if err := e.fs.Remove(segmentDir + "/" + name); err != nil {
			e.cfg.Logger.Warn("pipeproc: could not remove garbage", "file", name, "err", err)
		}
	}
	*list = nil
}

// checkKinds refuses anything but a regular file under the name of a snapshot or WAL
// file, which could not be written later.
func (e *Engine) checkKinds() error {
	for _, dir := range []string{".", walDir} {
		infos, err := e.fs.ReadDir(dir)
		if err != nil && !errors.Is(err, errNotExist) { // in a repair
			return fmt.Errorf("listing the data directory: %w", err)
		}
		for _, i := range infos {
			ours := i.Name == snapName(0) || i.Name == snapName(1) || dir == walDir && (i.Name == wal.MarkName || strings.HasPrefix(i.Name, "wal-"))
			if ours && !i.Regular {
				return &errs.CorruptError{File: i.Name, Offset: -1, What: "it is not a regular file; move it away"}
			}
		}
	}
	return nil
}

// ours reports whether a segment file belongs to this store, or was never given a
// header.
func (e *Engine) ours(name string) bool {
	f, err := e.fs.Open(name, vfs.Read)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, segment.FileHeaderSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	if m, err := segment.ParseMeta(b[:n]); err == nil {
		return m.Store == e.store.ID
	}
	for _, c := range b[:n] {
		if c != 0 {
			return false // of unknown origin: not touched
		}
	}
	return true
}

func (e *Engine) damageTopic(name string, number uint64, what string) {
	t, err := e.reg.Topic(name)
	if err != nil {
		return
	}
	c := &errs.CorruptError{File: segment.FileName(t.ID(), number), Topic: name, Segment: number, Offset: -1, What: what}
	t.MarkDamaged(c)
	e.damaged(c)
}

// keepCut copies the bytes of torn frames, which were never acknowledged as durable, to
// the quarantine folder, durably: from now on they may be overwritten.
func (e *Engine) keepCut() error {
	kept := false
	for i := range e.recovery.Cut {
		c := &e.recovery.Cut[i]
		if c.Kept != "" || mutate.SkipQuarantine {
			continue
		}
		name := fmt.Sprintf("torn-%d-%s-%d", e.store.Epoch, c.File, c.From)
		if err := e.quarantine(walDir+"/"+c.File, name, c.From, c.To); err != nil {
			return fmt.Errorf("keeping the bytes of a torn frame of %s in %s: %w", c.File, quarantineName, err)
		}
		c.Kept, kept = name, true
	}
	if kept {
		return e.syncDirs(quarantineName, ".")
	}
	return nil
}

// quarantine copies bytes [from, to) of src, or those that there are, to a file in the
// quarantine folder and makes them durable. Their name is not.
func (e *Engine) quarantine(src, name string, from, to int64) error {
	if err := e.fs.MkdirAll(quarantineName); err != nil {
		return err
	}
	in, err := e.fs.Open(src, vfs.Read)
	if err != nil {
		return err
	}
	defer in.Close()
	size, err := in.Size()
	if err != nil {
		return err
	}
	out, err := e.fs.Open(quarantineName+"/"+name, vfs.Create)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := copyRange(out, in, from, min(to, size), 0); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return &syncError{err}
	}
	return nil
}

// syncDirs makes the entries of folders durable.
func (e *Engine) syncDirs(names ...string) error {
	for _, name := range names {
		if err := e.fs.SyncDir(name); err != nil {
			return &syncError{err}
		}
	}
	return nil
}

// copyRange copies bytes [from, to) of in to out at offset at.
func copyRange(out, in vfs.File, from, to, at int64) error {
	buf := make([]byte, min(1<<20, max(to-from, 1)))
	for from < to {
		n, err := in.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		if _, err := out.WriteAt(buf[:n], at); err != nil {
			return err
		}
		from, at = from+int64(n), at+int64(n)
	}
	return nil
}
