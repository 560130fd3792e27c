package vfs

// opKind is what a directory operation does.
type opKind int

const (
	opAdd  opKind = iota // create, mkdir, link
	opDrop               // remove
	opMove               // rename
)

// dirOp is a directory operation that is not durable yet. It names inodes, not
// paths, so that it means the same whatever happens to other operations.
type dirOp struct {
	kind     opKind
	dir      *inode // where the entry is made or removed
	base     string
	node     *inode // what the entry leads to
	fresh    bool   // opAdd: node is new, not linked
	fromDir  *inode // opMove: where it came from
	fromBase string
	path     string // of the entry, at the time
}

// record notes an operation just done to the tree.
func (m *Mem) record(op dirOp) {
	if m.track {
		m.pending = append(m.pending, op)
	}
}

// commit makes the pending operations on dir durable. One between two
// directories is atomic, hence durable for both; in the other directory it
// takes along what was done there before, as it would in a journal. The rename
// of a directory takes everything along: done out of turn, it could put a
// directory inside itself.
func (m *Mem) commit(dir *inode) {
	for _, op := range m.unsynced(dir) {
		op.apply(true)
	}
}

// unsynced returns the pending operations that a sync of dir is about, and counts them
// as pending no more.
func (m *Mem) unsynced(dir *inode) (ops []dirOp) {
	synced := map[*inode]bool{dir: true}
	chosen := make([]bool, len(m.pending))
	everything := false
	for i := len(m.pending) - 1; i >= 0; i-- {
		op := m.pending[i]
		if everything || synced[op.dir] || op.fromDir != nil && synced[op.fromDir] {
			chosen[i] = true
			everything = everything || op.kind == opMove && op.node.file == nil
			synced[op.dir] = true
			if op.fromDir != nil {
				synced[op.fromDir] = true
			}
		}
	}
	var rest []dirOp
	for i, op := range m.pending {
		if chosen[i] {
			ops = append(ops, op)
		} else {
			rest = append(rest, op)
		}
	}
	m.pending = rest
	return ops
}

// apply does the operation to the durable entries, unless it cannot be done to
// them. Synced operations always can: all that was done to their directories
// before is durable, and what was done to other directories is no obstacle.
func (op *dirOp) apply(synced bool) {
	if !synced && !op.possible() {
		return
	}
	switch op.kind {
	case opAdd:
		op.dir.kept[op.base] = op.node
		op.node.born = true
	case opDrop:
		delete(op.dir.kept, op.base)
	case opMove:
		delete(op.fromDir.kept, op.fromBase)
		op.dir.kept[op.base] = op.node
		op.node.born = true
	}
}

// possible reports whether the operation can be done to the durable entries.
func (op *dirOp) possible() bool {
	there := op.dir.kept[op.base]
	switch op.kind {
	case opAdd:
		return there == nil && (op.fresh || op.node.born)
	case opDrop:
		return there == op.node && len(there.kept) == 0
	default:
		if op.fromDir.kept[op.fromBase] != op.node {
			return false
		}
		if op.node.file == nil && op.dir.inside(op.node, (*inode).keptEntries) {
			return false
		}
		return there == nil || (there.file == nil) == (op.node.file == nil) && len(there.kept) == 0
	}
}
