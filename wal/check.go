package wal

import (
	"errors"
	"io/fs"
)

// Check reads a log like Replay, without delivering it, and calls fn for all
// damage. It writes nothing. The error is that of the
// file system, or wraps ErrVersion or ErrTooLarge.
//
// Of a log whose Epoch is not known, it also reports files after its end that hold
// frames but have a damaged header. A file whose header a crash kept from being
// written looks like that, so that Check may report what Replay rightly cuts off.
func Check(cfg ReplayConfig, fn func(*CorruptError)) error {
	r := &replay{cfg: cfg}
	if err := r.run(); err != nil {
		return err
	}
	if r.res.Damage != nil {
		fn(r.res.Damage)
	}
	if cfg.Epoch != 0 {
		return nil // Replay has looked at what is there from STORE and the mark
	}
	for _, e := range r.cat.from(max(r.res.Tail.Number+1, cfg.Number)) {
		if !e.unreadable || r.res.Damage != nil && r.res.Damage.File == e.name {
			continue
		}
		f, err := r.searchFile(e)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a spare that was renamed meanwhile
		}
		if err != nil {
			return err
		}
		if f.frames > 0 {
			fn(&CorruptError{File: e.name, What: e.bad})
		}
	}
	return nil
}
