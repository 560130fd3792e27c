package wal

import (
	"fmt"
	"path"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// judge decides why the frames of e end at s, before the end that its successor
// next says, or with no successor: after a crash, whose traces it records as
// cuts, or because of damage. The window is still on e.
func (r *replay) judge(e, next *entry, s stop) error {
	limit := e.limit()
	if next != nil {
		limit = next.head.prev.End
	}
	rest, err := r.win.search([]key{e.head.key()}, s.off+frameAlign, limit)
	if err != nil {
		return err
	}
	// A file of a later epoch was created only after everything before it was
	// made durable.
	proof := s.never || rest.durable >= r.res.Position ||
		next != nil && next.head.epoch != e.head.epoch
	switch {
	case r.res.Proven >= r.res.Position:
		proof, s.what = true, s.what+"; "+r.missing()
	case r.cfg.Epoch != 0 && e.number < r.cfg.First && !mutate.SkipLogFirst:
		proof, s.what = true, fmt.Sprintf("%s; %s, with which the log was last begun, should follow", s.what, fileName(r.cfg.First))
	case e.size < e.head.size && r.settled(e, next) && !mutate.SkipLogFirst:
		proof, s.what = true, fmt.Sprintf("%s; the file has %d bytes instead of %d", s.what, e.size, e.head.size)
	}

	later := r.cat.from(e.number + 1)
	if next != nil {
		later = r.cat.from(next.number)
	}
	var cuts []Cut
	for _, o := range later {
		f, err := r.searchFile(o)
		if err != nil {
			return err
		}
		proof = proof || f.durable >= r.res.Position
		if f.frames > 0 {
			cuts = append(cuts, Cut{File: o.name, Number: o.number, From: headerSize, To: f.end, What: "follows frames that were lost"})
		}
	}
	if proof {
		r.damage(e.name, s.off, s.what)
		return nil
	}
	to := max(rest.end, s.end)
	if s.torn {
		to = max(to, min(s.off+frameHead, e.limit()))
	}
	if to > s.off {
		r.res.Cut = append(r.res.Cut, Cut{File: e.name, Number: e.number, From: s.off, To: to, What: s.what})
	}
	r.res.Cut = append(r.res.Cut, cuts...)
	return nil
}

// settled reports whether the name, size and header of e were once durable. Until
// then a file is a spare, which a crash can leave in any state.
func (r *replay) settled(e, next *entry) bool {
	return next != nil || r.seen >= e.head.first ||
		r.cfg.Epoch != 0 && e.number <= r.cfg.First ||
		e.number == r.cfg.Number && !r.cfg.AllowMissing
}

// searchFile looks for frames in a file that is not being read.
func (r *replay) searchFile(e *entry) (found, error) {
	keys := r.cat.keys(e, &r.cfg)
	if len(keys) == 0 || e.size <= headerSize {
		return found{}, nil
	}
	f, err := r.cfg.FS.Open(path.Join(r.cfg.Dir, e.name), vfs.Read)
	if err != nil {
		return found{}, fmt.Errorf("wal: %w", err)
	}
	defer f.Close()
	r.win.reset(f, e.size)
	return r.win.search(keys, headerSize, e.limit())
}
