package wal

import (
	"errors"
	"io/fs"
)

// Check reads a log like Replay, without delivering it, and calls fn for all
// damage: what Replay finds, and files after the end of the log that hold
// frames but have a damaged header. It writes nothing. The error is that of the
// file system, or wraps ErrVersion or ErrTooLarge.
//
// A file whose header a crash kept from being written looks like the latter. So
// Check of a log that was not closed properly may report what Replay rightly
// cuts off.
func Check(cfg ReplayConfig, fn func(*CorruptError)) error {
	r := &replay{cfg: cfg}
	if err := r.run(); err != nil {
		return err
	}
	if r.res.Damage != nil {
		fn(r.res.Damage)
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
