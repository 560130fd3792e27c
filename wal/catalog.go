package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// entry is a file in a log's directory.
type entry struct {
	name   string
	number uint64 // from the name
	size   int64
	head   fileHeader
	bad    string // why the header is not valid here, "" if it is
	epoch  uint64 // as in the header, even if that is damaged
	// unreadable means that there is no intact header at all: one may have been
	// lost.
	unreadable bool
	// moved means that the header is intact, and of another number: a spare that
	// was being renumbered, or a file that was given the name of another.
	moved bool
}

// catalog is the files in a log's directory, ascending.
type catalog struct {
	files   []*entry
	highest uint64 // number in any name or header
}

// numberSpan is how far a file's number may be above every one that is known to
// be in use. A file beyond is not of the log, whatever its name: nothing follows
// from it, and it is left alone.
const numberSpan = 1 << 32

// readCatalog reads the headers of all files in the directory. A missing
// directory is an empty one. The error wraps ErrVersion if a file that may
// matter, numbered cfg.Number or above, cannot be understood.
func readCatalog(cfg *ReplayConfig) (*catalog, error) {
	fsys, dir, store, from := cfg.FS, cfg.Dir, cfg.Store, cfg.Number
	infos, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &catalog{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	c := &catalog{}
	buf := make([]byte, headerSize)
	for _, info := range infos {
		number, ok := parseName(info.Name)
		if !ok {
			continue
		}
		if !info.Regular {
			continue
		}
		e := &entry{name: info.Name, number: number, size: info.Size}
		if err := e.read(fsys, dir, store, buf); err != nil {
			if errors.Is(err, fs.ErrNotExist) && !mutate.KeepGone {
				// A log that is being written may rename or remove a spare, which holds
				// nothing. Any other file is missed as one that was never listed.
				continue
			}
			if !errors.Is(err, ErrVersion) || number >= from {
				return nil, fmt.Errorf("wal: %s: %w", info.Name, err)
			}
			e.bad = "unknown version"
		}
		c.highest = max(c.highest, e.head.number)
		c.files = append(c.files, e)
	}
	c.highest = max(c.highest, from-min(from, 1), cfg.First)
	c.files = slices.DeleteFunc(c.files, func(e *entry) bool { return e.number > c.highest && e.number-c.highest > numberSpan })
	for _, e := range c.files {
		c.highest = max(c.highest, e.number)
	}
	slices.SortFunc(c.files, func(a, b *entry) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	return c, nil
}

// read reads the header of e, using buf, and corrects its size.
func (e *entry) read(fsys vfs.FS, dir string, store [16]byte, buf []byte) error {
	f, err := fsys.Open(path.Join(dir, e.name), vfs.Read)
	if err != nil {
		return err
	}
	defer f.Close()
	if e.size, err = f.Size(); err != nil {
		return err
	}
	if e.size < headerSize {
		e.bad, e.unreadable = "shorter than a header", true
		return nil
	}
	if n, err := f.ReadAt(buf, 0); n < headerSize && !errors.Is(err, io.EOF) {
		return err
	} else if n < headerSize {
		e.bad, e.unreadable = "shorter than a header", true
		return nil
	}
	e.epoch = headerEpoch(buf)
	h, what, err := parseHeader(buf)
	switch {
	case err != nil:
		return err
	case what != "":
		e.bad, e.unreadable = what, true
	case h.store != store:
		e.bad = "header of another store"
	case h.number != e.number:
		e.head, e.moved = h, true // its number counts as used
		e.bad = fmt.Sprintf("header of file %d", h.number)
	default:
		e.head = h
	}
	return nil
}

// limit returns the offset at which the file's frames must end at the latest.
func (e *entry) limit() int64 {
	if e.bad == "" {
		return min(e.size, e.head.size)
	}
	return e.size
}

// find returns file number, or nil if it is missing.
func (c *catalog) find(number uint64) *entry {
	for _, e := range c.files {
		if e.number == number {
			return e
		}
	}
	return nil
}

// successor returns the file that follows file number, or nil if there is none:
// of the files whose header says so, the one with the highest number.
func (c *catalog) successor(number uint64) *entry {
	var last *entry
	for _, e := range c.files {
		if e.bad == "" && e.head.prev.Number == number {
			last = e
		}
	}
	return last
}

// from returns the files numbered number or above.
func (c *catalog) from(number uint64) []*entry {
	for i, e := range c.files {
		if e.number >= number {
			return c.files[i:]
		}
	}
	return nil
}

// keys returns the keys that frames in e may have. If the header is unreadable,
// the epoch follows from the number if the file was made since the log was last
// begun. Otherwise there are guesses: from the epoch in the header, and from those
// of the nearest intact files.
func (c *catalog) keys(e *entry, cfg *ReplayConfig) []key {
	if e.bad == "" {
		return []key{e.head.key()}
	}
	if !e.unreadable {
		return nil // a spare that is being renumbered
	}
	store := cfg.Store
	if cfg.Epoch != 0 && e.number >= cfg.First && !mutate.SkipLogFirst {
		return []key{newKey(store, cfg.Epoch, e.number)}
	}
	epochs := []uint64{e.epoch}
	add := func(o *entry) {
		if o != nil && !slices.Contains(epochs, o.head.epoch) {
			epochs = append(epochs, o.head.epoch)
		}
	}
	var before, after *entry
	for _, o := range c.files {
		switch {
		case o.bad != "":
		case o.number < e.number:
			before = o
		case after == nil:
			after = o
		}
	}
	add(before)
	add(after)
	keys := make([]key, len(epochs))
	for i, epoch := range epochs {
		keys[i] = newKey(store, epoch, e.number)
	}
	return keys
}
