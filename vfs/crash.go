package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Crash is a [Mem] that knows what a power loss would leave of it.
//
// Everything is volatile until it is synced. Sync of a file makes its current content
// and size durable. SyncData and Mapping.Sync make the content durable, the latter of
// the pages that it covers, and the size only if they could not be read back without
// it: one that became smaller stays volatile. SyncDir makes durable what
// was done to the entries of that directory; syncing a file does not make its name
// durable. Stores through mappings are found by comparison and need no cooperation.
//
// The limits of Mem hold too.
type Crash struct {
	*Mem

	// Grain is the unit in which content survives or not, in bytes: 4096, a
	// page, or 512, a disk sector, which tears pages. Any other value stands for
	// 4096. Set it before use. What Mapping.Sync covers is always rounded to 4096
	// bytes, as msync(2) does.
	Grain int64

	// Stale, if set, says what a page has on disk that was given to the file after
	// its last sync and never written, or whose content was lost, when the file's new
	// size survives: up to 4096 bytes, such as some of a file that was removed. After
	// nil it has zeroes. Files with a journal of their data have zeroes always.
	Stale func(name string, page int64) []byte
}

// UnitKind is a kind of Unit.
type UnitKind int

const (
	Page  UnitKind = iota // one page of a file's content
	Size                  // a file's size
	DirOp                 // one create, mkdir, link, remove or rename
)

// String returns the kind's name.
func (k UnitKind) String() string {
	switch k {
	case Page:
		return "page"
	case Size:
		return "size"
	case DirOp:
		return "dirop"
	}
	return "unknown"
}

// Unit is one thing that survives a power loss as a whole or not at all.
type Unit struct {
	Kind UnitKind
	// Name is the file's path with a leading slash, as it is after the power
	// loss. For a DirOp it is the path of the entry that was made or removed, at
	// the time; below a Dir, it begins with the path that the Dir was opened by.
	// A file with several names is called by the first.
	Name string
	Page int64 // the number of the page, in units of Grain, from 0
	// Version is 0 for the newest content of a page, 1 for the one before it, and so
	// on: see KeepVersions. Each is asked about if all newer ones are lost.
	Version int
}

// NewCrash returns an empty file system whose (empty) content is durable.
func NewCrash() *Crash {
	m := NewMem()
	m.track = true
	return &Crash{Mem: m, Grain: pageSize}
}

// Crash returns what a power loss at this moment could leave, as a new file
// system in which everything is durable and nothing open or locked. It asks
// pick whether each volatile unit survives:
//
//   - first each directory operation, by path and then by age. The survivors
//     are applied in their original order; one that is impossible without
//     another that was lost is lost too.
//   - then, for each file by path, its size, if that is volatile, and each
//     page that differs from its durable copy, in ascending order. A page that
//     is lost has an earlier content, its durable one, or zeroes (see KeepVersions
//     and Stale).
//
// The old file system continues as if nothing had happened. It may be in use
// meanwhile; stores through mappings that happen at this moment may or may not be
// seen. pick is called by the calling goroutine, and may use the old file system.
func (c *Crash) Crash(pick func(u Unit) bool) *Crash {
	n := c.Kill()
	n.boot += "1"
	n.loseEntries(pick)
	grain := int64(pageSize)
	if n.Grain == 512 {
		grain = 512
	}
	done := map[*inode]bool{}
	n.used.Store(0)
	n.root.eachFile("", func(name string, node *inode) {
		if !done[node] {
			done[node] = true
			node.file = node.file.survive(name, grain, n.Stale, pick)
			n.used.Add(node.file.charged)
		}
		node.file.links++
	})
	return n
}

// Kill returns what the end of the process at this moment would leave, as a new
// file system with nothing open or locked: everything that was written or stored is
// there, and what was volatile still is. The old file system continues, as with
// Crash.
func (c *Crash) Kill() *Crash { return &Crash{Mem: c.clone(), Grain: c.Grain, Stale: c.Stale} }

// loseEntries decides which pending directory operations survive. m is private.
func (m *Mem) loseEntries(pick func(Unit) bool) {
	order := make([]int, len(m.pending))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return strings.Compare(m.pending[a].path, m.pending[b].path)
	})
	survives := make([]bool, len(m.pending))
	for _, i := range order {
		survives[i] = pick(Unit{Kind: DirOp, Name: m.pending[i].path})
	}
	for i, op := range m.pending {
		if survives[i] {
			op.apply(false)
		}
	}
	m.pending = nil
	m.root.revert()
}

// revert makes the durable entries of the whole tree the current ones.
func (n *inode) revert() {
	n.born = true
	if n.file != nil {
		return
	}
	n.kids, n.gone = maps.Clone(n.kept), false
	for _, kid := range n.kept {
		kid.revert()
	}
}

// eachFile calls f for each name of each file below n, sorted by path.
func (n *inode) eachFile(path string, f func(path string, node *inode)) {
	var names []string
	n.paths(path, &names)
	slices.Sort(names)
	for _, name := range names {
		node := n
		for _, part := range strings.Split(strings.TrimPrefix(name, path)[1:], "/") {
			node = node.kids[part]
		}
		f(name, node)
	}
}

// paths appends the paths of all files below n.
func (n *inode) paths(path string, names *[]string) {
	for base, kid := range n.kids {
		if kid.file != nil {
			*names = append(*names, path+"/"+base)
		} else {
			kid.paths(path+"/"+base, names)
		}
	}
}

// RandomPick returns a pick function for Crash under which each unit survives
// with the given probability, 0 to 1. The same seed gives the same answers in
// the same order. It is not for concurrent use.
func RandomPick(seed uint64, survive float64) func(Unit) bool {
	r := rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))
	return func(Unit) bool { return r.Float64() < survive }
}
