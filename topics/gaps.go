package topics

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// Gap is a run of sequences [From, To) that a topic does not have: skipped by
// an import or dropped by a repair.
type Gap struct{ From, To uint64 }

// gaps are the gaps of one topic, disjoint and in order. An import may leave one behind
// each record, so that nothing that is done for each of them may look at all others.
//
// The leader changes them, readers take no lock: they see a list that never changes. A
// new gap usually is the last one, and goes behind the end of the list that readers see,
// into the same memory.
type gaps struct {
	list    atomic.Pointer[[]gapRun]
	dropped int // gaps in front of the list in its memory; leader only
}

// gapRun is a gap, and how many sequences are missing in the gaps before it, also in
// those that were pruned since: only differences mean something.
type gapRun struct {
	Gap
	before uint64
}

func (g *gaps) all() []gapRun {
	if p := g.list.Load(); p != nil {
		return *p
	}
	return nil
}

// endsAfter returns the index of the first gap that ends after seq.
func endsAfter(list []gapRun, seq uint64) int {
	i, _ := slices.BinarySearchFunc(list, seq, func(r gapRun, seq uint64) int {
		if r.To <= seq {
			return -1
		}
		return 1
	})
	return i
}

// at returns the gap that contains seq.
func (g *gaps) at(seq uint64) (Gap, bool) {
	list := g.all()
	if i := endsAfter(list, seq); i < len(list) && list[i].From <= seq {
		return list[i].Gap, true
	}
	return Gap{}, false
}

// missing returns how many of the sequences [from, to) are in gaps.
func (g *gaps) missing(from, to uint64) uint64 {
	list := g.all()
	return missingBelow(list, to) - missingBelow(list, from)
}

func missingBelow(list []gapRun, seq uint64) uint64 {
	i, _ := slices.BinarySearchFunc(list, seq, func(r gapRun, seq uint64) int { return cmp.Compare(r.From, seq) })
	if i > 0 {
		r := list[i-1]
		return r.before + min(r.To, seq) - r.From
	}
	if len(list) > 0 {
		return list[0].before
	}
	return 0
}

// add adds the gap [from, to). Gaps that it touches become one with it.
func (g *gaps) add(from, to uint64) {
	if to <= from {
		return
	}
	list := g.all()
	n := len(list)
	if n == 0 || list[n-1].To < from {
		r := gapRun{Gap: Gap{from, to}}
		if n > 0 {
			r.before = list[n-1].before + list[n-1].To - list[n-1].From
		}
		if n == cap(list) {
			g.dropped = 0 // append moves the list
		}
		list = append(list, r)
		g.list.Store(&list)
		return
	}
	g.insert(from, to)
}

// restore sets the gaps to those of a snapshot. An earlier program wrote overlapping ones
// after some repairs.
func (g *gaps) restore(list []Gap) {
	byFrom := func(a, b Gap) int { return cmp.Compare(a.From, b.From) }
	if !slices.IsSortedFunc(list, byFrom) {
		slices.SortFunc(list, byFrom)
	}
	runs := make([]gapRun, 0, len(list))
	for _, next := range list {
		r := gapRun{Gap: next}
		if n := len(runs); n > 0 {
			last := &runs[n-1]
			if next.From <= last.To {
				last.To = max(last.To, next.To)
				continue
			}
			r.before = last.before + last.To - last.From
		}
		if next.From < next.To {
			runs = append(runs, r)
		}
	}
	if len(runs) > 0 {
		g.list.Store(&runs)
	}
}

// insert is add for a gap that is not behind all others, which only a repair makes.
func (g *gaps) insert(from, to uint64) {
	list := g.all()
	i, _ := slices.BinarySearchFunc(list, from, func(r gapRun, from uint64) int { return cmp.Compare(r.To, from) })
	j := len(list)
	for j > i && list[j-1].From > to {
		j--
	}
	if i < j {
		from, to = min(from, list[i].From), max(to, list[j-1].To)
	}
	rest := list[j:]
	list = slices.Concat(list[:i], []gapRun{{Gap: Gap{from, to}}}, rest)
	for k := max(i, 1); k < len(list); k++ {
		list[k].before = list[k-1].before + list[k-1].To - list[k-1].From
	}
	g.dropped = 0
	g.list.Store(&list)
}

// dropBelow forgets the gaps that end at first or before.
func (g *gaps) dropBelow(first uint64) {
	list := g.all()
	k := endsAfter(list, first)
	if k == 0 {
		return
	}
	list = list[k:]
	if g.dropped += k; g.dropped > len(list) { // more memory is unused than used
		list, g.dropped = slices.Clone(list), 0
	}
	g.list.Store(&list)
}
