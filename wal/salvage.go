package wal

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"github.com/pipeproc/pipeproc/vfs"
)

// Salvage calls fn for every intact frame in file cfg.Number and later ones
// whose position is above after, in order of position. It is for repair: unlike Replay, it skips damage. It leaves out frames
// that a recovery has cut off, as far as an intact chain of file headers shows
// that. It writes nothing.
func Salvage(cfg ReplayConfig, after uint64, fn func(*Entry) error) error {
	if cfg.MaxFrame <= 0 || cfg.MaxFrame > maxFrame {
		cfg.MaxFrame = maxFrame
	}
	r := &replay{cfg: cfg}
	var err error
	if r.cat, err = readCatalog(&cfg); err != nil {
		return err
	}
	files := slices.Clone(r.cat.from(cfg.Number))
	// The names of two files may have been swapped.
	slices.SortStableFunc(files, func(a, b *entry) int { return cmp.Compare(a.order(), b.order()) })
	for _, e := range files {
		if e.bad == "" && e.head.prev.Number != 0 && r.cat.successor(e.head.prev.Number) != e {
			continue // superseded: a recovery has voided it
		}
		keys := r.cat.keys(e, &cfg)
		if e.moved {
			keys = []key{e.head.key()}
		}
		if len(keys) == 0 || e.size <= headerSize {
			continue
		}
		limit := e.size
		if next := r.cat.successor(e.number); next != nil {
			limit = min(limit, next.head.prev.End)
		}
		if after, err = r.salvageFile(e, keys, limit, after, fn); err != nil {
			return err
		}
	}
	return nil
}

// order is the number under which the frames of e were written.
func (e *entry) order() uint64 {
	if e.moved {
		return e.head.number
	}
	return e.number
}

func (r *replay) salvageFile(e *entry, keys []key, limit int64, after uint64, fn func(*Entry) error) (uint64, error) {
	f, err := r.cfg.FS.Open(path.Join(r.cfg.Dir, e.name), vfs.Read)
	if err != nil {
		return after, fmt.Errorf("wal: %w", err)
	}
	defer f.Close()
	r.win.reset(f, e.size)
	for off := int64(headerSize); off <= limit-frameHead; {
		h, ok, err := r.frameAt(keys, off, limit)
		if err != nil {
			return after, err
		}
		if !ok {
			off += frameAlign
			continue
		}
		b, err := r.win.at(off, h.size)
		if err != nil {
			return after, err
		}
		meta, parts, what := h.body(b[:h.size], r.parts[:0])
		r.parts = parts
		if what != "" {
			off += frameAlign
			continue
		}
		if h.position > after {
			after = h.position
			if err := fn(&Entry{Position: h.position, Meta: meta, Parts: parts, Number: e.number, Off: off}); err != nil {
				return after, err
			}
		}
		off += h.size
	}
	return after, nil
}

// frameAt looks for a frame header with one of the keys at off.
func (r *replay) frameAt(keys []key, off, limit int64) (head, bool, error) {
	b, err := r.win.at(off, frameHead)
	if err != nil {
		return head{}, false, err
	}
	for _, k := range keys {
		if h, ok := k.head(b, off, min(limit-off, r.cfg.MaxFrame)); ok && h.flags == 0 {
			return h, true, nil
		}
	}
	return head{}, false, nil
}
