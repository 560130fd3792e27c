//go:build linux

package powercut

import (
	"math/rand/v2"
	"sync"
)

// A disk is what is behind one file of the FUSE file system.
type disk interface {
	size() int64
	readAt(b []byte, off int64)
	writeAt(b []byte, off int64)
	flush()
}

const pageSize, sectorSize = 4096, 512

// pages are the parts of a disk that are not zero, or differ from another disk.
type pages struct {
	all  map[int64]*[pageSize]byte
	base *pages // what lies below; nil: zeroes
}

func newPages(base *pages) *pages { return &pages{map[int64]*[pageSize]byte{}, base} }

func (p *pages) page(n int64) *[pageSize]byte {
	for ; p != nil; p = p.base {
		if b := p.all[n]; b != nil {
			return b
		}
	}
	return nil
}

func (p *pages) readAt(b []byte, off int64) {
	for len(b) > 0 {
		n, at := off/pageSize, off%pageSize
		k := min(int64(len(b)), pageSize-at)
		if src := p.page(n); src != nil {
			copy(b[:k], src[at:])
		} else {
			clear(b[:k])
		}
		b, off = b[k:], off+k
	}
}

func (p *pages) writeAt(b []byte, off int64) {
	for len(b) > 0 {
		n, at := off/pageSize, off%pageSize
		dst := p.all[n]
		if dst == nil {
			dst = new([pageSize]byte)
			if src := p.page(n); src != nil {
				*dst = *src
			}
			p.all[n] = dst
		}
		k := copy(dst[at:], b)
		b, off = b[k:], off+int64(k)
	}
}

// event is a write to the disk, or a flush if data is nil.
type event struct {
	off  int64
	data []byte
}

// recorder is a disk that remembers everything that was written to it, in order.
type recorder struct {
	bytes int64
	mu    sync.Mutex
	now   *pages
	log   []event
}

// newRecorder returns a disk that holds what base does, or nothing.
func newRecorder(size int64, base *pages) *recorder {
	return &recorder{bytes: size, now: newPages(base)}
}

func (r *recorder) size() int64 { return r.bytes }

func (r *recorder) readAt(b []byte, off int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.readAt(b, off)
}

func (r *recorder) writeAt(b []byte, off int64) {
	b = append([]byte{}, b...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.writeAt(b, off)
	r.log = append(r.log, event{off, b})
}

func (r *recorder) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, event{})
}

// events returns what happened so far.
func (r *recorder) events() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log[:len(r.log):len(r.log)]
}

// cutter makes the disks that power cuts leave, at points that rise.
type cutter struct {
	log     []event
	durable *pages
	done    int // events before it are in durable
}

// A way says what becomes of the writes after the last flush.
type way int

const (
	keepNone    way = iota // none is on the disk
	keepAll                // all are
	keepSome               // each is or is not
	keepSectors            // of each there are some sectors
	ways
)

// cut returns what a power cut after the first n events leaves on the disk, and how many
// writes there were after the last flush.
func (c *cutter) cut(n int, w way, rnd *rand.Rand) (left *pages, open int) {
	last := n
	for last > c.done && c.log[last-1].data != nil {
		last--
	}
	for ; c.done < last; c.done++ {
		if e := c.log[c.done]; e.data != nil {
			c.durable.writeAt(e.data, e.off)
		}
	}
	left = newPages(c.durable)
	for _, e := range c.log[last:n] {
		open++
		switch w {
		case keepAll:
			left.writeAt(e.data, e.off)
		case keepSome:
			if rnd.IntN(2) == 0 {
				left.writeAt(e.data, e.off)
			}
		case keepSectors:
			for at := 0; at < len(e.data); at += sectorSize {
				if rnd.IntN(4) > 0 {
					left.writeAt(e.data[at:min(at+sectorSize, len(e.data))], e.off+int64(at))
				}
			}
		}
	}
	return left, open
}
