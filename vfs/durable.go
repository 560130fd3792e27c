package vfs

import (
	"bytes"
	"slices"
	"sync"
)

// durable is what a power loss would leave of a file. It is changed with both
// content.mu (for reading or writing) and mu held.
type durable struct {
	mu   sync.Mutex
	data []byte // whole pages; zero from size on, and what is missing is zero
	size int64

	// lo and hi bound what WriteAt and Truncate changed since the last sync;
	// all says that a mapping may have changed anything. They only save work:
	// what is volatile is found by comparing bytes.
	lo, hi int64
	all    bool

	// lost holds, by offset, the pages that a failed sync left clean and not
	// durable, as they were then. No sync covers them until they change.
	lost map[int64][]byte

	// versions holds, by offset, what pages have been since their durable content,
	// oldest first, besides what they are now.
	versions map[int64][][]byte
}

// touch notes a change of [from,to). c.mu is held for writing.
func (c *content) touch(from, to int64) {
	d := c.dur
	if d == nil || from >= to {
		return
	}
	for page := range d.lost {
		if page < to && page+pageSize > from {
			delete(d.lost, page)
		}
	}
	if d.lo >= d.hi {
		d.lo, d.hi = from, to
	} else {
		d.lo, d.hi = min(d.lo, from), max(d.hi, to)
	}
}

// touchAll notes that anything may change from now on, unseen.
func (c *content) touchAll() {
	if c.dur != nil {
		c.dur.all = true
	}
}

// suspects returns the bounds, on page limits, of where content and durable
// copy may differ.
func (d *durable) suspects(size int64) (from, to int64) {
	if d.all {
		return 0, pageUp(max(size, d.size))
	}
	return d.lo &^ (pageSize - 1), pageUp(d.hi)
}

// lockDurable keeps c and its durable copy from changing until the function that it
// returns is called.
func (c *content) lockDurable(d *durable) (unlock func()) {
	c.fs.world.RLock()
	c.mu.RLock()
	d.mu.Lock()
	return func() {
		d.mu.Unlock()
		c.mu.RUnlock()
		c.fs.world.RUnlock()
	}
}

// sync makes the whole content and the size durable. Without a Crash there is
// nothing to do.
func (c *content) sync() {
	d := c.dur
	if d == nil {
		return
	}
	defer c.lockDurable(d)()
	from, to := d.suspects(c.size)
	d.keep(c, from, to)
	d.resize(c.size)
	d.lo, d.hi = 0, 0
	d.all = c.writable > 0
}

// syncData makes the content durable, and the size if it has grown. As with fdatasync(2)
// a smaller size is not needed to read the content, and stays volatile.
func (c *content) syncData() {
	d := c.dur
	if d == nil {
		return
	}
	defer c.lockDurable(d)()
	from, to := d.suspects(c.size)
	d.keep(c, from, min(to, pageUp(c.size)))
	d.lo, d.hi = 0, 0
	if c.size >= d.size {
		d.resize(c.size)
	} else {
		d.lo, d.hi = c.size, d.size // may come back, or become zeroes if c grows
	}
	d.all = c.writable > 0
}

// syncRange makes the pages of [from,to) durable. As with fdatasync(2), the
// size becomes durable too if the pages could not be read back without it.
func (c *content) syncRange(from, to int64) {
	d := c.dur
	if d == nil || from >= to {
		return
	}
	defer c.lockDurable(d)()
	to = pageUp(to)
	d.keep(c, from&^(pageSize-1), to)
	if min(to, c.size) > d.size {
		d.resize(c.size)
	}
}

// loseSync does to c what a failing sync does: pages that it would have made durable
// are clean from now on, although they are not durable. It returns how many.
func (c *content) loseSync() (n int) {
	d := c.dur
	if d == nil {
		return 0
	}
	defer c.lockDurable(d)()
	from, to := d.suspects(c.size)
	for page := from; page < min(to, c.size); page += pageSize {
		now := d.page(c, page)
		if bytes.Equal(now, d.at(page, int64(len(now)))) {
			continue
		}
		if d.lost == nil {
			d.lost = map[int64][]byte{}
		}
		d.lost[page] = now
		n++
	}
	return n
}

// page returns a copy of the page of c at an offset that lies in it.
func (d *durable) page(c *content, off int64) []byte {
	p := make([]byte, min(pageSize, c.size-off))
	snapshot(p, c.cur.b[off:off+int64(len(p))])
	return p
}

// isLost reports whether the page of c at an offset is still one that a failed
// sync has lost.
func (d *durable) isLost(c *content, page int64) bool {
	was, ok := d.lost[page]
	if ok && (page >= c.size || !bytes.Equal(was, d.page(c, page))) {
		delete(d.lost, page) // stored into through a mapping, or cut
		return false
	}
	return ok
}

// keep copies the pages [from,to) of c, given on page limits, as a sync does.
func (d *durable) keep(c *content, from, to int64) {
	if len(d.lost) == 0 {
		d.copyPages(c, from, to)
		return
	}
	for page := from; page < to; page += pageSize {
		if !d.isLost(c, page) {
			d.copyPages(c, page, page+pageSize)
		}
	}
}

// copyPages copies the pages [from,to) of c, given on page limits.
func (d *durable) copyPages(c *content, from, to int64) {
	d.forget(from, to)
	if have := int64(len(d.data)); have < to && have < pageUp(c.size) {
		more := int(min(to, pageUp(c.size)) - have)
		d.data = slices.Grow(d.data, more)[:have+int64(more)]
		clear(d.data[have:])
	}
	to = min(to, int64(len(d.data)))
	end := min(to, c.size)
	if from < end {
		snapshot(d.data[from:end], c.cur.b[from:end])
	}
	if end = max(from, end); end < to {
		clear(d.data[end:to])
	}
}

// resize makes size the durable size.
func (d *durable) resize(size int64) {
	if size < int64(len(d.data)) {
		clear(d.data[size:])
	}
	d.size = size
}

// survive returns what is left of c after a power loss, durably, for a private
// c that nobody else uses. Pages are of grain bytes. Pick is asked about the
// size first, then about the pages.
func (c *content) survive(name string, grain int64, stale func(string, int64) []byte, pick func(Unit) bool) *content {
	d := c.dur
	size := d.size
	if c.size != d.size && pick(Unit{Kind: Size, Name: name}) {
		size = c.size
	}
	now := make([]byte, pageUp(max(c.size, d.size)))
	copy(now, c.cur.b[:c.size])
	then := make([]byte, len(now))
	copy(then, d.data)

	if size > d.size && stale != nil {
		c.fillStale(name, then, size, stale)
	}
	from, to := d.suspects(c.size)
	// Beyond its end the file has no pages that could survive; if the size
	// does not survive, what was there comes back.
	to = min(to, pageUp(c.size))
	for page := from / grain; page*grain < to; page++ {
		lo, hi := page*grain, min((page+1)*grain, int64(len(now)))
		if lo >= c.size {
			break
		}
		if d.isLost(c, lo&^(pageSize-1)) {
			continue // nobody will write it
		}
		u := Unit{Kind: Page, Name: name, Page: page}
		copy(then[lo:hi], d.survivor(u, lo, hi, now[lo:hi], then[lo:hi], pick))
	}
	clear(then[min(size, int64(len(then))):])
	return &content{
		fs:      c.fs,
		dur:     &durable{data: bytes.Clone(then), size: size},
		cur:     &buffer{b: then},
		size:    size,
		charged: pageUp(size),
	}
}

// fillStale puts what was on disk before into the pages of then that the file was given
// since the last sync.
func (c *content) fillStale(name string, then []byte, size int64, stale func(string, int64) []byte) {
	for off := pageUp(c.dur.size); off < size; off += pageSize {
		copy(then[off:off+pageSize], stale(name, off/pageSize))
	}
}
