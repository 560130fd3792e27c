package topics

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

// A checkpoint of many topics writes a batch of their files and then syncs several
// of them at a time: most of a sync is waiting, and file systems merge concurrent
// syncs, above all the names and sizes of new files. The batch also bounds how
// many files are open for this.
const (
	syncBatch     = 64
	syncers       = 16
	syncSerialMax = 4 // at most this many files are synced one by one
)

// WriteBack writes the tails of the captured topics to their files, except small
// ones, which the snapshot carries, and seals full segments. It returns the number
// of files written. They are synced when it returns; the directory is not. carry
// bounds the bytes of all carried tails together. With trim, growing files give
// back the space that is reserved and not used. An error that concerns one topic's
// file only is not returned: see keep.go.
func (r *Registry) WriteBack(c *Checkpoint, carry int64, trim bool) (files int, err error) {
	c.chooseCarried(carry)
	if trim && r.hasFreeSpace() {
		c.listAllPoints()
	}
	var work []*Captured
	for i := range c.Topics {
		if k := &c.Topics[i]; k.begin(trim) {
			work = append(work, k)
		}
	}
	// In the order of their names on disk, so that new files are adjacent.
	slices.SortFunc(work, func(a, b *Captured) int { return cmp.Compare(a.t.id, b.t.id) })
	defer func() { err = c.noteKept(r.KeepMax, err) }()
	list := make([]written, 0, min(len(work), syncBatch))
	for i, k := range work {
		list, err = k.write(list, trim)
		if err == nil && i+1 < len(work) && len(list) < syncBatch {
			continue
		}
		files += len(list)
		// After an error too, because it may concern another topic. A failed sync
		// takes precedence: nothing may be written after it.
		if serr := syncAll(list); serr != nil {
			return files, serr
		}
		if err != nil {
			return files, err
		}
		list = list[:0]
	}
	return files, nil
}

// written is a file that is written and not synced yet.
type written struct {
	l    *log
	s    *seg
	seal bool // the file has its footer
	all  bool // its size may have been cut: sync that too
}

// sync makes w durable, and sets the segment sealed if it has its footer.
func (w *written) sync() error {
	if err := w.s.sync(w.all); err != nil {
		return err
	}
	if w.seal {
		w.l.setSealed(w.s)
	}
	return nil
}

// syncAll makes all of list durable. It stops at the first error.
func syncAll(list []written) error {
	if len(list) <= syncSerialMax {
		for i := range list {
			if err := list[i].sync(); err != nil {
				return err
			}
		}
		return nil
	}
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range min(syncers, len(list)) {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return
				}
				if err := list[i].sync(); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if p := failed.Load(); p != nil {
		return *p
	}
	return nil
}

// chooseCarried decides which tails the snapshot carries: first those without a
// file, which would have to be created, then the smallest, so that as few files as
// possible are written. budget bounds the bytes of all of them together; those of at
// most TinyMax bytes may exceed it by TinyBudget.
func (c *Checkpoint) chooseCarried(budget int64) {
	var small []*Captured
	sum := int64(0)
	for i := range c.Topics {
		k := &c.Topics[i]
		k.carry, k.tail = false, k.unwritten()
		if k.tail > 0 && k.tail <= CarryMax {
			k.hasFile = k.growing().hasFile.Load()
			small = append(small, k)
			sum += k.tail
		}
	}
	if sum > budget {
		slices.SortFunc(small, func(a, b *Captured) int {
			if a.hasFile != b.hasFile {
				return int(b2i(a.hasFile)) - int(b2i(b.hasFile))
			}
			return cmp.Or(cmp.Compare(a.tail, b.tail), cmp.Compare(a.t.id, b.t.id))
		})
	}
	c.Carried = 0
	for _, k := range small {
		limit := budget
		if k.tail <= TinyMax {
			limit += TinyBudget
		}
		if c.Carried+k.tail <= limit {
			k.carry = true
			c.Carried += k.tail
		}
	}
}

// hasFreeSpace reports whether the disk has space beyond what is reserved.
func (r *Registry) hasFreeSpace() bool {
	free, err := r.FS.Free(r.Dir)
	return err == nil && free > fineMinFree
}

// listAllPoints makes the snapshot list all known positions of growing segments, as
// far as fineMaxBytes allows.
func (c *Checkpoint) listAllPoints() {
	left := int64(fineMaxBytes)
	for i := range c.Topics {
		if k := &c.Topics[i]; k.last.end <= left {
			k.spacing = pointSpacing
			left -= k.last.end
		}
	}
}

// growing returns the segment that was growing when k was captured, or nil.
func (k *Captured) growing() *seg {
	if n := len(k.segs); n > 0 && !k.segs[n-1].sealed.Load() {
		return k.segs[n-1]
	}
	return nil
}

// unwritten returns how many bytes of the growing segment are not in its file.
func (k *Captured) unwritten() int64 {
	s := k.growing()
	if s == nil {
		return 0
	}
	return k.last.end - s.flushed.Load()
}

// begin reports whether write has anything to do. What the snapshot is to carry
// stays out of the file from now on, so that the two fit together.
func (k *Captured) begin(trim bool) bool {
	s := k.growing()
	full := slices.ContainsFunc(k.segs, func(f *seg) bool { return f != s && !f.sealed.Load() })
	if s == nil {
		return full
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pinned = k.carry
	k.flushed = s.flushed.Load()
	return full || s.dirty != nil || k.unwritten() > 0 && !k.carry || trim && s.trimmable(k.flushed)
}

// write writes and seals the files of one topic, and appends to list what has
// to be synced. A file that cannot be used keeps the topic's others from nothing.
func (k *Captured) write(list []written, trim bool) ([]written, error) {
	for i, s := range k.segs {
		if s.sealed.Load() {
			continue
		}
		var err error
		full := i < len(k.segs)-1
		list, err = k.writeSeg(list, s, full, trim)
		if err != nil && mayPass(err) { // the same bytes to the same place
			list, err = k.writeSeg(list, s, full, trim)
		}
		if err == nil {
			s.kept.Store(false)
			continue
		}
		if err = k.t.log.notWritable(s, err); !ConcernsFile(err) || mutate.SkipIsolation {
			return list, err
		}
		list = k.keep(list, s, full, err)
	}
	return list, nil
}

// writeSeg is write for one segment, which is full if a later one exists.
func (k *Captured) writeSeg(list []written, s *seg, full, trim bool) ([]written, error) {
	l := k.t.log
	s.mu.Lock()
	defer s.mu.Unlock()
	if full {
		if !mutate.SealUnflushed {
			if err := l.flush(s, s.end.Load()); err != nil {
				return list, err
			}
		}
		if err := l.seal(s); err != nil {
			return list, err
		}
		return append(list, written{l, s, true, true}), nil
	}
	if err := l.flush(s, k.last.end); err != nil { // not if it is carried
		return list, err
	}
	k.flushed = s.flushed.Load()
	if trim {
		if err := l.trim(s); err != nil && !ConcernsFile(err) {
			return list, err // else some space is not given back
		}
	}
	if s.dirty != nil {
		list = append(list, written{l, s, false, trim})
	}
	return list, nil
}
