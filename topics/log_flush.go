package topics

import (
	"fmt"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// queueHot notes that a topic's tail should be written to its file.
func (r *Registry) queueHot(t *Topic) {
	if t.queued.Swap(true) {
		return
	}
	r.hotMu.Lock()
	r.hot = append(r.hot, t)
	r.hotMu.Unlock()
	select {
	case r.hotWake <- struct{}{}:
	default:
	}
}

// Hot returns a channel that delivers a value when FlushHot has work.
func (r *Registry) Hot() <-chan struct{} { return r.hotWake }

// FlushHot writes the full chunks of large tails to their files, without a sync.
// It skips tails that a checkpoint carries. An error loses nothing: the bytes stay
// in the tail, and the next checkpoint reports the error.
func (r *Registry) FlushHot() error {
	r.hotMu.Lock()
	list := r.hot
	r.hot = nil
	r.hotMu.Unlock()
	var first error
	for _, t := range list {
		t.queued.Store(false)
		if t.deleted.Load() != 0 {
			continue
		}
		segs := t.log.list()
		for i, s := range segs {
			to, last := s.end.Load(), i == len(segs)-1
			if s.sealed.Load() || !last && s.flushed.Load() == to {
				continue
			}
			if last {
				s.mu.Lock()
				to = s.tail.full()
			} else if !s.mu.TryLock() {
				continue // it is full and being sealed, which takes a while
			}
			if err := t.log.flush(s, to); err != nil && first == nil {
				first = err
			}
			s.mu.Unlock()
		}
	}
	return first
}

// FlushLagging is FlushHot for tails of at least lagBytes, which no other goroutine
// has written: commits must not take ever more memory while a checkpoint waits for
// the disk. Leader only.
func (r *Registry) FlushLagging() {
	for i, t := range r.lagging {
		r.lagging[i] = nil
		if s := t.log.cur; s != nil && s.mu.TryLock() {
			_ = t.log.flush(s, s.tail.full()) // an error loses nothing, as in FlushHot
			s.mu.Unlock()
		}
	}
	r.lagging = r.lagging[:0]
}

// full returns the file offset up to which all chunks are full.
func (t *tail) full() int64 {
	p := t.chunks.Load()
	if p == nil || len(*p) == 0 {
		return 0
	}
	return (*p)[len(*p)-1].off
}

// flush writes the tail of s up to file offset to, a block boundary, and drops
// what it wrote. It does nothing if s is pruned or pinned. The file stays open
// until sync. The caller holds s.mu, as for openDirty, trim and seal.
func (l *log) flush(s *seg, to int64) error {
	from := s.flushed.Load()
	if to <= from || s.pruned || s.pinned && !mutate.SkipPin {
		return nil
	}
	// The space is reserved already, except for a small tail that is not carried
	// and for a restored or replayed segment, whose reservation is not known.
	if err := l.extendExact(s, to); err != nil {
		return err
	}
	f, err := l.openDirty(s)
	if err != nil {
		return err
	}
	err = s.tail.each(from, to, func(off int64, b []byte) error {
		_, err := f.WriteAt(b, off)
		return err
	})
	if err != nil {
		return fmt.Errorf("topic %q: writing segment %d: %w", l.meta.Name, s.number, err)
	}
	s.flushed.Store(to)
	s.tail.drop(to)
	return nil
}

// openDirty opens the file of s and keeps it open until sync.
func (l *log) openDirty(s *seg) (vfs.File, error) {
	if s.dirty == nil {
		h, err := l.open(s)
		if err != nil {
			return nil, err
		}
		s.dirty = h
	}
	return s.dirty.File(), nil
}

// trim truncates the file of a growing segment to its data, if that frees a disk
// block.
func (l *log) trim(s *seg) error {
	end := s.flushed.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.trimmable(end) {
		return nil
	}
	f, err := l.openDirty(s)
	if err != nil {
		return err
	}
	if err := f.Truncate(end); err != nil {
		return fmt.Errorf("topic %q: trimming segment %d: %w", l.meta.Name, s.number, err)
	}
	l.disk.Add(end - s.reserved.Swap(end))
	return nil
}

// trimmable reports whether the file of s has disk blocks past end that a trim
// frees. A file without data is left as it is: snapshots do not count it yet.
func (s *seg) trimmable(end int64) bool {
	return s.hasFile.Load() && end > segment.FileHeaderSize && s.reserved.Load() > blockUp(end)
}

// seal writes the footer of a full segment, all of whose blocks are in its file.
func (l *log) seal(s *seg) error {
	f, err := l.openDirty(s)
	if err != nil {
		return err
	}
	entries := l.entries(s, pointSpacing)
	sum := segment.Summary{First: s.base, Next: s.next, FirstTime: s.time, LastTime: s.lastTime,
		DataEnd: s.end.Load(), Blocks: s.blocks, Records: s.records, Digest: s.digest.Sum()}
	if err := segment.Seal(f, entries, sum, s.place); err != nil {
		return fmt.Errorf("topic %q: sealing segment %d: %w", l.meta.Name, s.number, err)
	}
	size := sum.DataEnd + int64(len(entries))*segment.EntrySize + segment.TrailerSize
	l.disk.Add(size - s.reserved.Swap(size))
	return nil
}

// setSealed makes readers search the footer of s from now on. The footer is
// durable.
func (l *log) setSealed(s *seg) {
	l.files.Forget(l.meta.Topic, s.number) // its mapping has the old size
	s.sealed.Store(true)
	l.idx.Thin(s.number, s.base)
	s.points.drop()
}

// SyncError is a failed sync of a segment file. The content of the file on disk is
// unknown from then on.
type SyncError struct{ Err error }

func (e *SyncError) Error() string { return "sync failed: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SyncError) Unwrap() error { return e.Err }

// sync makes the file of s durable, with a full sync if all is set, else with one
// of its data. It waits for the disk without s.mu, so that more of the tail can be
// written meanwhile.
// After a failure the file stays open, and dirty, until ReleaseDirty.
func (s *seg) sync(all bool) error {
	s.mu.Lock()
	h := s.dirty
	s.dirty = nil
	s.mu.Unlock()
	if h == nil {
		return nil
	}
	var err error
	if !mutate.SkipSegmentSync {
		if all && !mutate.SyncDataOnly {
			err = h.File().Sync()
		} else {
			err = h.File().SyncData()
		}
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.dirty != nil { // it was written to meanwhile
			h.Release()
		} else {
			s.dirty = h
		}
		return &SyncError{err}
	}
	h.Release()
	return nil
}

// retire releases the tail and the file of a pruned segment. The caller then
// unlinks the file.
func (s *seg) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruned = true
	s.releaseDirtyLocked()
	s.tail.release()
}

// releaseDirtyLocked closes the file that is held open for a sync. The caller
// holds s.mu.
func (s *seg) releaseDirtyLocked() {
	if s.dirty != nil {
		s.dirty.Release()
		s.dirty = nil
	}
}

// ReleaseDirty closes the segment files that are still held open for a sync. It is
// for closing a node whose last checkpoint failed. No checkpoint or commit may run
// meanwhile.
func (r *Registry) ReleaseDirty() {
	for _, t := range r.Topics() {
		for _, s := range t.log.list() {
			s.releaseDirty()
		}
	}
	for _, d := range r.dead {
		d.seg.releaseDirty()
	}
}

// releaseDirty closes the file that is held open for a sync that will not come.
func (s *seg) releaseDirty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseDirtyLocked()
}

// freeTail releases the tail of s when the node is closed.
func (s *seg) freeTail() {
	s.mu.Lock()
	s.tail.release()
	s.mu.Unlock()
}

func (s *seg) unpin() {
	s.mu.Lock()
	s.pinned = false
	s.mu.Unlock()
}

// unpin allows writing the tails that the checkpoint carries or keeps.
func (c *Checkpoint) unpin() {
	for i := range c.Topics {
		k := &c.Topics[i]
		if s := k.growing(); s != nil {
			s.unpin()
		}
		for _, kept := range k.kept {
			kept.s.unpin()
		}
	}
}
