package topics

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// One topic's file that is missing, damaged or cannot be written must not hold up the
// checkpoint, which all topics need. So what such a file lacks is kept in the snapshot:
// the checkpoint covers it, and the WAL can be recycled. The topic is damaged, which
// makes it refuse commits, so that no more is kept. A repair writes the kept blocks to
// a new file. Until then each checkpoint tries the old file again.
//
// Errors that may concern every file, like a full disk or a failed sync, fail the
// checkpoint as before, and so does more than Config.KeepMax.

// keptSeg is a segment whose blocks [from, to) the snapshot keeps.
type keptSeg struct {
	s        *seg
	from, to int64
}

// ConcernsFile reports whether err, which opening, extending or writing a segment file
// returned, concerns this file alone.
func ConcernsFile(err error) bool {
	for _, all := range []error{
		syscall.ENOSPC, syscall.EDQUOT, // space
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, fs.ErrClosed, // the process
		syscall.EROFS, // the file system
	} {
		if errors.Is(err, all) {
			return false
		}
	}
	_, sync := errors.AsType[*SyncError](err)
	return !sync
}

// notWritable returns why the file of s cannot be written, given the error of an
// attempt. A file that may only be read is open nevertheless, for readers, and a write
// to it fails without saying why: perhaps the whole file system is read-only by now.
func (l *log) notWritable(s *seg, err error) error {
	if !errors.Is(err, syscall.EBADF) {
		return err
	}
	l.files.Forget(l.meta.Topic, s.number) // it may be writable when it is tried again
	f, cause := l.fs.Open(path.Join(l.dir, segment.FileName(l.meta.Topic, s.number)), vfs.Write)
	if cause == nil {
		_ = f.Close()
		return err
	}
	return fmt.Errorf("topic %q: writing segment %d: %w", l.meta.Name, s.number, cause)
}

// mayPass reports whether a file that could not be written because of err is whole,
// so that a write that succeeds later ends the damage. What takes the place of a
// missing file has to be verified first.
func mayPass(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, fs.ErrPermission)
}

// keep makes the snapshot hold what the file of s lacks because of err, and marks the
// topic damaged. What is in the file has to be synced all the same.
func (k *Captured) keep(list []written, s *seg, full bool, err error) []written {
	kept := keptSeg{s: s, to: k.last.end}
	if full {
		kept.to = s.end.Load()
	}
	s.mu.Lock()
	s.pinned = true // until the snapshot is written
	flushed := s.flushed.Load()
	if s.dirty != nil {
		list = append(list, written{l: k.t.log, s: s, all: true})
	}
	s.mu.Unlock()
	kept.from = min(flushed, kept.to)
	k.kept = append(k.kept, kept)
	s.kept.Store(true)
	c := &errs.CorruptError{File: segment.FileName(k.t.id, s.number), Topic: k.t.name, Segment: s.number,
		Offset: flushed, What: "it cannot be written", Err: err}
	if isNotExist(err) {
		c.Offset, c.What, c.Err = -1, "the file is missing", nil
	}
	if k.t.damage.CompareAndSwap(nil, c) {
		k.found = c
		if mayPass(err) {
			k.t.stuck.Store(c)
		}
	}
	return list
}

// noteKept is the end of WriteBack, which returns err. It ends the damage of topics all of
// whose files could be written.
func (c *Checkpoint) noteKept(limit int64, err error) error {
	var most *Captured
	for i := range c.Topics {
		k := &c.Topics[i]
		if d := k.t.stuck.Load(); d != nil && len(k.kept) == 0 && err == nil {
			k.t.stuck.Store(nil)
			if k.t.damage.CompareAndSwap(d, nil) {
				c.Mended = append(c.Mended, k.t.name)
			}
			for _, s := range k.segs {
				s.kept.Store(false)
			}
		} else if d != nil {
			c.Stuck++
		}
		if k.found != nil && k.t.deleted.Load() == 0 {
			c.Damaged = append(c.Damaged, k.found)
		}
		k.damage = k.t.damage.Load()
		for _, s := range k.kept {
			c.Keeps, most = true, k
			c.Kept += s.to - s.from
		}
	}
	if err == nil && c.Kept > limit && most != nil {
		return fmt.Errorf("topics whose files cannot be used have %d bytes that only the write-ahead log holds, and a snapshot keeps at most %d of those; repair the store, or prune or delete such a topic: %w",
			c.Kept, limit, most.damage)
	}
	return err
}

// keptSeg returns what is kept of s, or nil.
func (k *Captured) keptSeg(s *seg) *keptSeg {
	for i := range k.kept {
		if k.kept[i].s == s {
			return &k.kept[i]
		}
	}
	return nil
}

func (k *Captured) stuckFlag() byte {
	if k.damage != nil && k.damage == k.t.stuck.Load() {
		return flagStuck
	}
	return 0
}

// EachKept calls fn for each payload of kept blocks; fill appends it.
func (k *Captured) EachKept(fn func(fill func(dst []byte) []byte)) {
	if mutate.SkipKept {
		return
	}
	for _, kept := range k.kept {
		_ = kept.s.tail.each(kept.from, kept.to, func(off int64, b []byte) error {
			fn(func(dst []byte) []byte {
				dst = enc.AppendUvarints(dst, k.t.id, kept.s.number)
				dst = binary.AppendUvarint(dst, uint64(off))
				return append(dst, b...)
			})
			return nil
		})
	}
}

// why says in a few words what the damage is.
func why(d *errs.CorruptError) string {
	if d.Err == nil {
		return cmp.Or(d.What, "damaged")
	}
	if d.What == "" {
		return d.Err.Error()
	}
	return d.What + ": " + d.Err.Error()
}

// keeping is a segment whose kept blocks are being restored.
type keeping struct {
	next int64 // offset past those that are
	hole bool
}

// expectKept makes RestoreKept accept the kept blocks of s, if it has any.
func (r *Registry) expectKept(s *seg) {
	if !s.kept.Load() {
		return
	}
	if r.keeping == nil {
		r.keeping = map[*seg]*keeping{}
	}
	r.keeping[s] = &keeping{next: s.flushed.Load()}
}

// RestoreKept restores a payload of kept blocks, after that of its topic. What is
// between it and the one before was lost with a damaged section.
func (r *Registry) RestoreKept(b []byte) error {
	d := enc.Reader{B: b}
	id, number, off := d.Uvarint(), d.Uvarint(), int64(d.Uvarint())
	t := r.byID[id]
	if d.Err != nil || t == nil {
		return fmt.Errorf("kept blocks of topic %d: %w", id, enc.ErrMalformed)
	}
	s := t.log.segNumbered(number)
	k := r.keeping[s]
	if k == nil || off < k.next || off > s.end.Load() || int64(len(d.B)) > s.end.Load()-off || len(d.B) == 0 {
		return fmt.Errorf("topic %q: kept blocks of segment %d at offset %d: %w", t.name, number, off, enc.ErrMalformed)
	}
	if off > k.next {
		k.hole = true
		s.tail.cur = nil // they go to a chunk of their own
	}
	copy(s.tail.grow(t.log.pool, off, len(d.B)), d.B)
	k.next = off + int64(len(d.B))
	return nil
}

// KeptWhole returns an error if kept blocks are missing in the snapshot. It is called
// when all of it is restored.
func (r *Registry) KeptWhole() error {
	for s, k := range r.keeping {
		if k.hole || k.next != s.end.Load() {
			return fmt.Errorf("kept blocks of segment %d are missing", s.number)
		}
	}
	r.keeping = nil
	return nil
}
