package topics

import (
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// mappedScan reads blocks of a sealed segment from its mapping. It saves a repeated
// scan of a file the copy of the whole file that ReadAt makes: blocks are verified
// in place and then copied while they are in the processor's cache, so that only
// guarded code touches mapped memory.
type mappedScan struct {
	m    *segment.Mapping // nil: do not use
	s    *seg
	off  int64  // file offset of buf[0]
	next int64  // file offset past the last block returned
	buf  []byte // verified blocks
	want int    // bytes to verify at once; at least one block is verified
	run  func() // copyOut, allocated once
}

// mappedRun bounds how many bytes are verified at once, so that the copy stays in the
// processor's first-level cache until it is used. A scan begins with firstRun, so
// that a short one verifies little.
const (
	mappedRun = 8 << 10
	firstRun  = 1 << 10
)

// mappedBlock reads the header of the block at off into h and returns its verified
// body, or nil if the mapping cannot serve it.
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

// load verifies and copies blocks from off on, and reports whether it has any.
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
