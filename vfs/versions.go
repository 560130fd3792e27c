package vfs

import (
	"bytes"
	"maps"
	"slices"
)

// KeepVersions has Crash leave not only the durable or the newest content of a page
// but also any of up to n contents that it had in between: the system may have written
// the page back at any moment. WriteAt makes a version of what it replaces; stores
// through a mapping make none until Observe looks. 0, the default, keeps none. Call it
// before use. The results of Crash and Kill keep as many.
func (c *Crash) KeepVersions(n int) { c.versions = n }

// Observe notes the present content of the pages of all files that are mapped for
// writing as versions of them, which a power loss may leave.
func (c *Crash) Observe() {
	c.world.RLock()
	defer c.world.RUnlock()
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.root.eachNode(func(f *content) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.writable > 0 {
			f.remember(0, f.size)
		}
	})
}

// eachNode calls fn for each file below n, once for each of its names.
func (n *inode) eachNode(fn func(*content)) {
	if n.file != nil {
		fn(n.file)
	}
	for _, kid := range n.kids {
		kid.eachNode(fn)
	}
}

// remember notes the content of the pages of [from,to), which is about to change, as
// one that a power loss may leave. c.mu is held for writing.
func (c *content) remember(from, to int64) {
	d := c.dur
	if d == nil || c.fs.versions == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for page := from &^ (pageSize - 1); page < min(to, c.size); page += pageSize {
		now := d.page(c, page)
		before := d.at(page, int64(len(now)))
		list := d.versions[page]
		if n := len(list); n > 0 {
			before = list[n-1]
		}
		if bytes.Equal(before, now) {
			continue
		}
		if d.versions == nil {
			d.versions = map[int64][][]byte{}
		}
		list = append(slices.Clip(list), now) // copies of this file system share it
		d.versions[page] = list[max(0, len(list)-c.fs.versions):]
	}
}

// at returns n durable bytes at an offset.
func (d *durable) at(off, n int64) []byte {
	p := make([]byte, n)
	if off < int64(len(d.data)) {
		copy(p, d.data[off:])
	}
	return p
}

// forget drops the versions of the pages [from,to), which have become durable.
func (d *durable) forget(from, to int64) {
	if len(d.versions) > 0 {
		maps.DeleteFunc(d.versions, func(page int64, _ [][]byte) bool { return page >= from && page < to })
	}
}

// survivor asks what a power loss leaves of the piece [lo,hi) of a file, the unit u,
// whose contents are now and then. It returns nil if that is then.
func (d *durable) survivor(u Unit, lo, hi int64, now, then []byte, pick func(Unit) bool) []byte {
	if !bytes.Equal(now, then) && pick(u) {
		return now
	}
	page := lo &^ (pageSize - 1)
	list := d.versions[page]
	last := now
	for i := len(list) - 1; i >= 0; i-- {
		p := make([]byte, hi-lo)
		if at := lo - page; at < int64(len(list[i])) {
			copy(p, list[i][at:])
		}
		if bytes.Equal(p, last) || bytes.Equal(p, then) {
			continue
		}
		last = p
		if u.Version++; pick(u) {
			return p
		}
	}
	return nil
}
