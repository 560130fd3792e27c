package topics

import (
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// mapped reads blocks of a sealed segment from its mapping. A scan that comes to a
// file for the second time spares itself the copy of the whole file that reading is:
// a block is verified where it lies, and then copied while it is in the processor's
// cache, so that nobody but the guarded code touches mapped memory.
type mapped struct {
	m    *segment.Mapping // nil: not to be used
	s    *seg
	off  int64
	head segment.Header
	body []byte
	buf  []byte
	run  func() // copyOut, as a value that is made once
}

// mappedBlock returns header and body of the block at off, or nil if it is not to be
// had from the mapping.
func (r *reader) mappedBlock(s *seg, off int64, h *segment.Header) []byte {
	p := &r.mapped
	if off >= s.end.Load() || !p.m.Scan(off, s.end.Load()) {
		return nil
	}
	if p.run == nil {
		p.run = p.copyOut
	}
	p.s, p.off, p.body = s, off, nil
	if err := vfs.Guard(p.m, p.run); err != nil {
		return nil
	}
	*h = p.head
	return p.body
}

// copyOut is the part of mappedBlock that touches mapped memory.
func (p *mapped) copyOut() {
	b := p.m.Bytes()[p.off:p.s.end.Load()]
	h, err := segment.ParseHeader(b, p.s.place, p.off)
	if err != nil || h.Size() > int64(len(b)) {
		return
	}
	body := b[segment.HeaderSize:h.Size()]
	if segment.Sum(body) != h.Sum {
		return
	}
	p.buf = append(p.buf[:0], body...)
	p.head, p.body = h, p.buf
}
