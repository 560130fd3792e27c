package vfs

import (
	"bytes"
	"maps"
)

// cloner copies a tree of inodes. An inode with several names is copied once.
type cloner struct {
	to   *Mem
	seen map[*inode]*inode
}

// clone returns an independent copy of m, including which parts are volatile and
// which durable. Open handles, mappings and locks are not copied. It stops all
// writers: files copied at different moments would be a state that never existed.
func (m *Mem) clone() *Mem {
	m.world.Lock()
	defer m.world.Unlock()
	m.mu.RLock()
	defer m.mu.RUnlock()
	c := cloner{to: &Mem{track: m.track, versions: m.versions, boot: m.boot}, seen: map[*inode]*inode{}}
	c.to.capacity.Store(m.capacity.Load())
	c.to.root = c.inode(m.root)
	c.settle()
	for _, op := range m.pending {
		op.dir, op.node, op.fromDir = c.inode(op.dir), c.inode(op.node), c.inode(op.fromDir)
		c.to.pending = append(c.to.pending, op)
	}
	for _, n := range c.seen {
		for _, kid := range n.kids {
			if kid.file != nil {
				kid.file.links++
			}
		}
	}
	for _, n := range c.seen {
		if n.file != nil && n.file.links > 0 {
			n.file.charged = pageUp(n.file.size)
			c.to.used.Add(n.file.charged)
		}
	}
	return c.to
}

// settle copies again what has changed since it was copied, through mappings, until
// one look at all of them finds nothing: then the copies are those of one moment, that
// at which the look began. It gives up on a program that stores all the time.
func (c *cloner) settle() {
	for range 1000 {
		changed := false
		for n, to := range c.seen {
			if n.file != nil && n.file.copyChanged(to.file) {
				changed = true
			}
		}
		if !changed {
			return
		}
	}
}

// copyChanged brings a copy up to date and reports whether it was not.
func (c *content) copyChanged(to *content) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.writable == 0 {
		return false
	}
	now := make([]byte, c.size)
	snapshot(now, c.cur.b[:c.size])
	if bytes.Equal(now, to.cur.b[:c.size]) {
		return false
	}
	copy(to.cur.b, now)
	return true
}

func (c *cloner) inode(n *inode) *inode {
	if n == nil {
		return nil
	}
	if to := c.seen[n]; to != nil {
		return to
	}
	to := &inode{id: lastInode.Add(1), born: n.born, gone: n.gone}
	c.seen[n] = to
	if n.file != nil {
		to.file = n.file.clone(c.to)
		to.file.id = to.id
		return to
	}
	to.kids, to.kept = c.entries(n.kids), c.entries(n.kept)
	return to
}

func (c *cloner) entries(from map[string]*inode) map[string]*inode {
	to := make(map[string]*inode, len(from))
	for base, n := range from {
		to[base] = c.inode(n)
	}
	return to
}

// clone returns a copy for another file system, with no name and no handle yet.
func (c *content) clone(m *Mem) *content {
	c.mu.RLock()
	defer c.mu.RUnlock()
	to := &content{fs: m, size: c.size, cur: &buffer{b: make([]byte, pageUp(c.size))}}
	snapshot(to.cur.b, c.cur.b[:c.size])
	if d := c.dur; d != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		to.dur = &durable{data: bytes.Clone(d.data), size: d.size, lo: d.lo, hi: d.hi, all: d.all, lost: maps.Clone(d.lost),
			versions: maps.Clone(d.versions)}
		to.failed.Store(c.failed.Load())
	}
	return to
}
