package wal

import (
	"fmt"
	"path"

	"github.com/pipeproc/pipeproc/vfs"
)

// Salvage calls fn for every intact frame in file cfg.Number and later ones
// whose position is above after, in order of position as far as the files have
// it. It is for repair: unlike Replay, it skips damage. It leaves out frames
// that a recovery has cut off, as far as an intact chain of file headers shows
// that. It writes nothing.
func Salvage(cfg ReplayConfig, after uint64, fn func(*Entry) error) error {
	if cfg.MaxFrame <= 0 || cfg.MaxFrame > maxFrame {
		cfg.MaxFrame = maxFrame
	}
	r := &replay{cfg: cfg}
	var err error
	if r.cat, err = readCatalog(cfg.FS, cfg.Dir, cfg.Store, cfg.Number); err != nil {
		return err
	}
	for _, e := range r.cat.from(cfg.Number) {
		if e.bad == "" && e.head.prev.Number != 0 && r.cat.successor(e.head.prev.Number) != e {
			continue // superseded: a recovery has voided it
		}
		keys := r.cat.keys(e, cfg.Store)
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
