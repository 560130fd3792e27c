package index

import (
	"math"
	"sync"

	"github.com/google/btree"
)

const (
	// degree gives nodes of 63 to 127 entries of 32 bytes.
	degree = 64
	// batch bounds how many entries are dropped under one hold of the lock.
	batch = 256
)

// Entry is the position of one block.
type Entry struct {
	Seq     uint64 // sequence of its first record
	Time    int64  // unix milliseconds
	Segment uint64 // number of its segment
	Off     int64  // offset in the segment's file, not negative
}

// pivotTime is an impossible offset that marks a pivot for a search by Time. The
// pivot sorts before all entries with the same or a higher Time.
const pivotTime = math.MinInt64

// less orders entries by Seq. Time never decreases as Seq increases, so the same
// order serves pivots by Time. Segment numbers may decrease: after a repair, the
// rewritten segments have the highest ones.
func less(a, b Entry) bool {
	switch {
	case a.Off == pivotTime:
		return a.Time <= b.Time
	case b.Off == pivotTime:
		return a.Time < b.Time
	}
	return a.Seq < b.Seq
}

// Index is the list of positions of one topic. It is safe for concurrent use.
type Index struct {
	mu   sync.RWMutex // held for single tree operations only
	tree *btree.BTreeG[Entry]
}

// New returns an empty index.
func New() *Index { return &Index{tree: btree.NewWithFreeListG(degree, less, spares)} }

// spares are the unused nodes of all trees: a list for each would take more memory than
// the tree of a small topic.
var spares = btree.NewFreeListG[Entry](btree.DefaultFreeListSize)

// Add adds a position. Over all entries, Time must not decrease as Seq increases,
// and entries of one segment must be adjacent. Add replaces an entry with the same
// Seq, and ignores a negative offset.
func (x *Index) Add(e Entry) {
	if e.Off < 0 {
		return
	}
	x.mu.Lock()
	x.tree.ReplaceOrInsert(e)
	x.mu.Unlock()
}

// Floor returns the last entry with Seq <= seq.
func (x *Index) Floor(seq uint64) (e Entry, ok bool) {
	x.mu.RLock()
	e, ok = x.last(Entry{Seq: seq})
	x.mu.RUnlock()
	return e, ok
}

// Before returns the last entry with Time < ms, in unix milliseconds: a scan
// from there meets the first record with a time of ms or later. ok is false if that
// is the first record of the topic, or if there is none at all.
func (x *Index) Before(ms int64) (e Entry, ok bool) {
	x.mu.RLock()
	e, ok = x.last(Entry{Time: ms, Off: pivotTime})
	x.mu.RUnlock()
	return e, ok
}

// After returns the first entry with Seq > seq.
func (x *Index) After(seq uint64) (e Entry, ok bool) {
	if seq == math.MaxUint64 {
		return Entry{}, false
	}
	x.mu.RLock()
	x.tree.AscendGreaterOrEqual(Entry{Seq: seq + 1}, func(f Entry) bool {
		e, ok = f, true
		return false
	})
	x.mu.RUnlock()
	return e, ok
}

// last returns the last entry that is not after pivot. x.mu is held.
func (x *Index) last(pivot Entry) (e Entry, ok bool) {
	x.tree.DescendLessOrEqual(pivot, func(f Entry) bool {
		e, ok = f, true
		return false
	})
	return e, ok
}

// Entries returns the entries of a segment with Seq >= base, in order; base is the
// sequence of its first record.
func (x *Index) Entries(segment, base uint64) []Entry {
	var list []Entry
	x.mu.RLock()
	defer x.mu.RUnlock()
	x.tree.AscendGreaterOrEqual(Entry{Seq: base}, func(e Entry) bool {
		if e.Segment == segment {
			list = append(list, e)
		}
		return e.Segment == segment
	})
	return list
}

// Thin drops all entries of a segment except its first, once it is sealed. base is
// as in Entries.
func (x *Index) Thin(segment, base uint64) {
	all := x.Entries(segment, base)
	if len(all) < 2 {
		return
	}
	x.drop(all[1:])
}

// DropBelow drops the entries with Seq < seq, except the last one if Floor(seq)
// still needs it, that is, unless there is an entry at seq itself.
func (x *Index) DropBelow(seq uint64) {
	for more := true; more; {
		x.mu.Lock()
		floor, ok := x.last(Entry{Seq: seq})
		more = ok
		for n := 0; more && n < batch; n++ {
			first, _ := x.tree.Min()
			if more = first.Seq < floor.Seq; more {
				x.tree.DeleteMin()
			}
		}
		x.mu.Unlock()
	}
}

// drop deletes entries, unless they were replaced meanwhile.
func (x *Index) drop(list []Entry) {
	for len(list) > 0 {
		n := min(len(list), batch)
		x.mu.Lock()
		for _, e := range list[:n] {
			if now, ok := x.tree.Get(e); ok && now == e {
				x.tree.Delete(e)
			}
		}
		x.mu.Unlock()
		list = list[n:]
	}
}

// Len returns the number of entries.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.tree.Len()
}

// Bytes estimates the heap size of the index in bytes. Entries added in order leave
// the nodes of the tree about half full.
func (x *Index) Bytes() int {
	const fixed, perEntry = 256, 64
	return fixed + x.Len()*perEntry
}
