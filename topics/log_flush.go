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

// Hot returns a channel that delivers when FlushHot has work.
func (r *Registry) Hot() <-chan struct{} { return r.hotWake }

// FlushHot writes the full chunks of large tails to their files, unsynced, and
// leaves those alone that a checkpoint carries. An error loses nothing: the bytes
// stay in the tail, and the next checkpoint reports it.
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
				continue // it is full, and being sealed, which takes a while
			}
			if err := t.log.flush(s, to); err != nil && first == nil {
				first = err
			}
			s.mu.Unlock()
		}
	}
	return first
}

// Relieve is FlushHot for the tails that have grown far beyond what is hot,
// because nobody came round to it: commits are not to take ever more memory while
// a checkpoint waits for the disk. Leader only.
func (r *Registry) Relieve() {
	for i, t := range r.lagging {
		r.lagging[i] = nil
		if s := t.log.cur; s != nil && s.mu.TryLock() {
			_ = t.log.flush(s, s.tail.full()) // as FlushHot
			s.mu.Unlock()
		}
	}
	r.lagging = r.lagging[:0]
}

// full returns the offset up to which all chunks are complete.
func (t *tail) full() int64 {
	p := t.chunks.Load()
	if p == nil || len(*p) == 0 {
		return 0
	}
	return (*p)[len(*p)-1].off
}

// flush writes the tail of s up to file offset to, a block boundary, and lets
// go of what it wrote. The file stays open until sync. The caller holds s.mu, as
// for all that follows.
func (l *log) flush(s *seg, to int64) error {
	from := s.flushed.Load()
	if to <= from || s.pruned || s.pinned && !mutate.SkipPin {
		return nil
	}
	// Reserved already, but for a small tail that is not carried, and for a
	// segment that was restored or replayed, whose reservation is not known.
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

// trim cuts the file of a growing segment to what is in it, if that frees a
// block of the disk.
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

// trimmable reports whether the file of s has blocks behind end that a trim frees.
// A file that was only reserved is left as it is: it does not count yet.
func (s *seg) trimmable(end int64) bool {
	return s.hasFile.Load() && end > segment.FileHeaderSize && s.reserved.Load() > blockUp(end)
}

// seal writes the footer of a segment that no block will be added to, all of
// whose blocks are in its file.
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

// setSealed makes the footer of s what readers search from now on.
func (l *log) setSealed(s *seg) {
	l.files.Forget(l.meta.Topic, s.number) // its mapping has the old size
	s.sealed.Store(true)
	l.idx.Thin(s.number, s.base)
	s.points.drop()
}

// SyncError is a failed sync of a segment file: what the file holds on disk is
// not known any more.
type SyncError struct{ Err error }

func (e *SyncError) Error() string { return "sync failed: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SyncError) Unwrap() error { return e.Err }

// sync makes what was written to the file of s durable. It waits for the disk
// without s.mu, so that the tail can be written on meanwhile. After a failure the
// file stays open, and dirty, until LetGo.
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
		if all {
			err = h.File().Sync()
		} else {
			err = h.File().SyncData()
		}
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.dirty != nil { // written to meanwhile
			h.Release()
		} else {
			s.dirty = h
		}
		return &SyncError{err}
	}
	h.Release()
	return nil
}

// bury lets go of a pruned segment, whose file is about to be unlinked.
func (s *seg) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruned = true
	s.releaseDirtyLocked()
	s.tail.release()
}

// forget lets go of what is held for a sync that will not come.
func (s *seg) releaseDirtyLocked() {
	if s.dirty != nil {
		s.dirty.Release()
		s.dirty = nil
	}
}

// LetGo closes the segment files that are held for a sync that will not come: of
// a node that is being closed after its last checkpoint failed. The caller holds
// off checkpoints and commits.
func (r *Registry) LetGo() {
	for _, t := range r.Topics() {
		for _, s := range t.log.list() {
			s.releaseDirty()
		}
	}
	for _, d := range r.dead {
		d.seg.releaseDirty()
	}
}

func (s *seg) releaseDirty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseDirtyLocked()
}

// freeTail lets go of the tail of s when the node is closed.
func (s *seg) freeTail() {
	s.mu.Lock()
	s.tail.release()
	s.mu.Unlock()
}

// unpin lets the tails be written again that a checkpoint carried.
func (c *Checkpoint) unpin() {
	for i := range c.Topics {
		if s := c.Topics[i].growing(); s != nil {
			s.mu.Lock()
			s.pinned = false
			s.mu.Unlock()
		}
	}
}
