package topics

import (
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// mapped reads blocks of a sealed segment from its mapping. A scan that comes to a
// file for the second time spares itself the copy of the whole file that reading is:
// blocks are verified where they lie, and then copied while they are in the
// processor's cache, so that nobody but the guarded code touches mapped memory.
type mappedScan struct {
	m    *segment.Mapping // nil: not to be used
	s    *seg
	off  int64  // where buf begins in the file
	next int64  // where the block begins that comes behind the last one
	buf  []byte // verified blocks
	want int    // how many bytes to verify at once, which take one block at least
	run  func() // copyOut, as a value that is made once
}

// mappedRun is how many bytes are verified at once: what is copied is to stay in the
// processor's first cache until it is used. A scan begins with firstRun, so that a short
// one verifies little.
const (
	mappedRun = 8 << 10
	firstRun  = 1 << 10
)

// mappedBlock returns header and body of the block at off, or nil if it is not to be
// had from the mapping.
func (r *reader) mappedBlock(s *seg, off int64, h *segment.Header) []byte {
	p := &r.mapped
	follows := p.s == s && p.next == off
	if !follows || off == p.off+int64(len(p.buf)) {
		if p.want = min(4*p.want, mappedRun); !follows {
			p.want = firstRun
		}
		if !p.load(s, off) {
			return nil
		}
	}
	b := p.buf[off-p.off:]
	*h = segment.PeekHeader(b)
	p.next = off + h.Size()
	return b[segment.HeaderSize:h.Size():h.Size()]
}

// load verifies and copies blocks from off on. It reports whether there are any.
func (p *mappedScan) load(s *seg, off int64) bool {
	p.s, p.off, p.next, p.buf = s, off, off, p.buf[:0]
	end := s.end.Load()
	if off >= end || !p.m.Scan(off, end) {
		return false
	}
	if p.run == nil {
		p.run = p.copyOut
	}
	return vfs.Guard(p.m, p.run) == nil && len(p.buf) > 0
}

// copyOut is the part of load that touches mapped memory.
func (p *mappedScan) copyOut() {
	b := p.m.Bytes()[p.off:p.s.end.Load()]
	for off := p.off; len(p.buf) < p.want && len(b) > 0; {
		h, err := segment.ParseHeader(b, p.s.place, off)
		if err != nil || h.Size() > int64(len(b)) {
			return
		}
		block := b[:h.Size()]
		if segment.Sum(block[segment.HeaderSize:]) != h.Sum {
			return
		}
		p.buf = append(p.buf, block...)
		off, b = off+h.Size(), b[h.Size():]
	}
}
