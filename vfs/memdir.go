package vfs

import (
	"errors"
	"syscall"
)

// enter makes node the entry at a place that has none. fresh says that the node
// is new, and not one that has another name already.
func (m *Mem) enter(at place, node *inode, fresh bool) {
	at.dir.kids[at.base] = node
	if node.file != nil {
		node.file.link(+1)
	}
	m.record(dirOp{kind: opAdd, dir: at.dir, base: at.base, node: node, fresh: fresh, path: at.path})
}

// leave removes the entry at a place.
func (m *Mem) leave(at place) {
	delete(at.dir.kids, at.base)
	if at.node.file != nil {
		at.node.file.link(-1)
	}
	at.node.gone = at.node.file == nil
}

// Remove implements FS.
func (d *memDir) Remove(name string) error {
	m := d.m
	m.world.RLock()
	defer m.world.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := d.find(name)
	switch {
	case err != nil:
	case at.node == nil:
		err = syscall.ENOENT
	case at.dir == nil:
		err = syscall.EBUSY
	case len(at.node.kids) > 0:
		err = syscall.ENOTEMPTY
	}
	if err != nil {
		return pathErr("remove", d.shown(name), err)
	}
	m.leave(at)
	m.record(dirOp{kind: opDrop, dir: at.dir, base: at.base, node: at.node, path: at.path})
	return nil
}

// Rename implements FS.
func (d *memDir) Rename(oldname, newname string) error {
	m := d.m
	m.world.RLock()
	defer m.world.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	from, to, err := findTwo(d, oldname, d, newname)
	if err == nil {
		err = checkRename(from, to)
	}
	if err != nil {
		return linkErr("rename", d.shown(oldname), d.shown(newname), err)
	}
	if from.node == to.node {
		return nil // two names of one file stay as they are
	}
	if to.node != nil {
		m.leave(to)
	}
	delete(from.dir.kids, from.base)
	to.dir.kids[to.base] = from.node
	m.record(dirOp{
		kind: opMove, dir: to.dir, base: to.base, node: from.node, path: to.path,
		fromDir: from.dir, fromBase: from.base,
	})
	return nil
}

// findTwo looks up an existing entry of d and a place in other for another name of
// it. Neither may be the directory itself.
func findTwo(d *memDir, oldname string, other *memDir, newname string) (from, to place, err error) {
	if from, err = d.find(oldname); err != nil {
		return from, to, err
	}
	if from.node == nil {
		return from, to, syscall.ENOENT
	}
	if to, err = other.find(newname); err != nil {
		return from, to, err
	}
	if from.dir == nil || to.dir == nil {
		return from, to, syscall.EBUSY
	}
	return from, to, nil
}

// checkRename returns an error if from cannot be renamed to to.
func checkRename(from, to place) error {
	isDir := from.node.file == nil
	switch {
	case isDir && to.dir.inside(from.node, (*inode).entries):
		return syscall.EINVAL
	case to.node == nil || to.node == from.node:
		return nil
	case isDir && to.node.file != nil:
		return syscall.ENOTDIR
	case !isDir && to.node.file == nil:
		return syscall.EISDIR
	case len(to.node.kids) > 0:
		return syscall.ENOTEMPTY
	}
	return nil
}

// entries returns a directory's current entries.
func (n *inode) entries() map[string]*inode { return n.kids }

// keptEntries returns a directory's durable entries.
func (n *inode) keptEntries() map[string]*inode { return n.kept }

// inside reports whether n is top or lies somewhere below it, in the tree that
// entries spans.
func (n *inode) inside(top *inode, entries func(*inode) map[string]*inode) bool {
	if n == top {
		return true
	}
	for _, kid := range entries(top) {
		if kid.file == nil && n.inside(kid, entries) {
			return true
		}
	}
	return false
}

// Link implements FS. Only files can have a second name.
func (d *memDir) Link(oldname, newname string) error { return d.LinkTo(oldname, d, newname) }

// LinkTo implements Dir.
func (d *memDir) LinkTo(oldname string, to Dir, newname string) error {
	other, ok := to.(*memDir)
	if !ok || other.m != d.m {
		return linkErr("link", d.shown(oldname), newname, errors.ErrUnsupported)
	}
	m := d.m
	m.world.RLock()
	defer m.world.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	from, into, err := findTwo(d, oldname, other, newname)
	switch {
	case err != nil:
	case into.node != nil:
		err = syscall.EEXIST
	case from.node.file == nil:
		err = syscall.EPERM
	}
	if err != nil {
		return linkErr("link", d.shown(oldname), other.shown(newname), err)
	}
	m.enter(into, from.node, false)
	return nil
}
