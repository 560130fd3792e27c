package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"syscall"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// Create opens a log for writing. It creates cfg.Dir if needed (the caller
// makes its entry in the parent durable) and starts file number, which must be
// above every file in the directory. The next frame gets the given position, at
// least 1, and follows prev: the tail that Replay found, zero if there is none.
// spares are the numbers of files whose content is void; they are recycled or
// removed.
//
// When Create returns, the first file and everything that was already in the
// directory are durable, even if they were written and never synced: frames
// that Replay has delivered cannot vanish any more.
//
// The caller ensures that no other process writes the directory. It makes the epoch
// and number durable, in the file that names the log, before the log is used, and
// tells it so with [Log.Named]: later they are evidence of what must be there.
func Create(cfg Config, number uint64, position uint64, prev Tail, spares []uint64) (*Log, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if number == 0 || position == 0 || prev.Number >= number || (prev.Number == 0) != (prev.End == 0) {
		return nil, errors.New("wal: first file number, position or tail cannot be")
	}
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	l := &Log{cfg: cfg, next: number}
	l.guard = l.storeBatch
	l.position.Store(position - 1)
	l.durable.Store(position - 1)

	if l.dir, err = cfg.FS.OpenDir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	l.cfg.FS, l.cfg.Dir = l.dir, "." // all names from here on
	surplus, err := l.takeOver(number, prev, spares)
	if err != nil {
		l.abandon()
		return nil, fmt.Errorf("wal: taking over old files: %w", err)
	}
	for _, f := range surplus { // first, since the new file may need the space
		l.discard(f)
	}
	l.lastSum = prev.Sum
	if err := l.roll(0, prev); err != nil {
		l.abandon()
		return nil, fmt.Errorf("wal: making the first file: %w", err)
	}
	l.cfg.Mapped = l.cur.m != nil // the others can be mapped if this one can
	k, err := openMark(&l.cfg)
	if err != nil {
		l.abandon()
		return nil, fmt.Errorf("wal: opening the mark: %w", err)
	}
	if err := l.Sync(); err != nil {
		k.close()
		l.abandon()
		return nil, fmt.Errorf("wal: making the first file durable: %w", err)
	}
	l.mark = k // it must not speak of this epoch before that is named
	return l, nil
}

// abandon closes all files of a log that Create does not return.
func (l *Log) abandon() {
	for _, f := range slices.Concat(l.live, l.spares) {
		_ = f.close()
	}
	_ = l.dir.Close()
}

// takeOver takes over the files in the directory. Files in spares become
// spares, or surplus if there are enough or they do not have the usual size.
// The others become live and are synced.
func (l *Log) takeOver(number uint64, prev Tail, spares []uint64) (surplus []*file, err error) {
	infos, err := l.cfg.FS.ReadDir(l.cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		n, ok := parseName(info.Name)
		if !ok || !info.Regular {
			continue
		}
		if n >= number && n-number > numberSpan {
			continue // not of the log
		}
		if n >= number {
			return nil, fmt.Errorf("%s is not below the first new file, %d", info.Name, number)
		}
		f := &file{number: n, size: info.Size}
		switch {
		case !slices.Contains(spares, n):
			if err := l.inherit(f); err != nil {
				return nil, err
			}
			if n == prev.Number {
				f.end.Store(prev.End)
			}
			l.live = append(l.live, f)
		case info.Size == l.cfg.FileSize && len(l.spares) < l.cfg.Spares:
			l.spares = append(l.spares, f)
		default:
			surplus = append(surplus, f)
		}
	}
	slices.SortFunc(l.live, byNumber)
	return surplus, nil
}

// inherit syncs a live file that an earlier Log wrote. It corrects the end of
// the file's predecessor, which the file's header has.
func (l *Log) inherit(f *file) error {
	h, err := l.cfg.FS.Open(l.path(f.number), vfs.Write)
	if err != nil {
		return err
	}
	defer h.Close()
	f.end.Store(f.size)
	f.synced = math.MaxInt64 // however large end becomes
	if l.cfg.Rewrite {
		if err := l.renew(f.number, h, f.size); err != nil {
			return err
		}
	}
	if !mutate.SkipInheritSync {
		if err := syncData(h); err != nil {
			return fmt.Errorf("%w: %w", ErrFailed, err) // the next attempt must write it again
		}
	}
	if n, err := h.ReadAt(l.header[:], 0); n < headerSize {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if head, what, err := parseHeader(l.header[:]); err == nil && what == "" && head.number == f.number {
		for _, p := range l.live {
			if p.number == head.prev.Number {
				p.end.Store(head.prev.End)
			}
		}
	}
	return nil
}

// renewed is the name of a live file that is being made again.
const renewed = "renewed.tmp"

// renew puts a copy of a file in its place, durably but for the name: neither its pages
// nor its name may be on disk, whatever a sync says, unless they are written again. If
// there is no room for a copy the content is written again in place.
func (l *Log) renew(number uint64, h vfs.File, size int64) error {
	if mutate.KeepNames {
		return copyAll(h, h, size)
	}
	if err := l.cfg.FS.Remove(renewed); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := l.cfg.FS.Open(renewed, vfs.Create)
	if err != nil {
		return err
	}
	if err = out.Preallocate(size); err == nil {
		err = copyAll(out, h, size)
	}
	if err == nil {
		if err = out.Sync(); err != nil {
			err = fmt.Errorf("%w: %w", ErrFailed, err)
		}
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		return l.cfg.FS.Rename(renewed, l.path(number))
	}
	_ = l.cfg.FS.Remove(renewed)
	if errors.Is(err, syscall.ENOSPC) {
		return copyAll(h, h, size)
	}
	return err
}

// copyAll writes the content of h to out, which may be h, so that its pages are dirty
// again.
func copyAll(out, h vfs.File, size int64) error {
	buf := make([]byte, min(size, 1<<20))
	for off := int64(0); off < size; {
		n, err := h.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if n == 0 {
			return fmt.Errorf("reading what is to be rewritten: %w", err)
		}
		if _, err := out.WriteAt(buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// byNumber orders files.
func byNumber(a, b *file) int {
	switch {
	case a.number < b.number:
		return -1
	case a.number > b.number:
		return 1
	}
	return 0
}
