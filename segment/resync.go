package segment

import "encoding/binary"

// resyncWaste bounds what a search for the next valid block spends on blocks
// whose header is valid and whose body is not, as a multiple of the range.
const resyncWaste = 4

// Resync goes on after damage: it looks for the next valid block behind it and
// makes Next return that block. It returns false when there is none, leaving
// Err as it is or, if the search itself failed, with the error from reading. It
// also returns false when Err is no damage.
//
// A block counts as valid if its header checksum, which includes its offset,
// and its body checksum fit. If the damaged block has a valid header, a valid
// block or the end of the range is first looked for where it ends, and behind
// any such damaged blocks that follow: so what a body holds is not mistaken for
// blocks. Otherwise every offset is tried.
//
// The time it takes is linear in the range even where someone planted valid
// headers: once it has spent a few times the range on bodies that do not fit,
// it passes over the body of every valid header it meets.
func (s *Scanner) Resync() bool {
	if !s.damaged {
		return false
	}
	s.body = nil
	at := s.off + 1
	for end, h := s.off, s.head; h.Count > 0 && h.Size() <= s.to-end; {
		if end += h.Size(); end == s.to {
			return false
		}
		var err error
		if h, _, _, err = s.block(end); err == nil {
			return s.resume(end)
		}
		if s.ioError(err) {
			return false
		}
	}
	for s.to-at >= HeaderSize {
		b, err := s.window(at, HeaderSize)
		if err != nil {
			s.ioError(err)
			return false
		}
		if n := implausible(b); n > 0 {
			at += int64(n)
			continue
		}
		h, _, _, err := s.block(at)
		if err == nil {
			return s.resume(at)
		}
		if s.ioError(err) {
			return false
		}
		step := int64(1)
		if h.Count > 0 && h.Size() <= s.to-at {
			if s.wasted += h.Size(); s.wasted > resyncWaste*s.to {
				step = h.Size()
			}
		}
		at += step
	}
	return false
}

// resume makes the block at off the next one.
func (s *Scanner) resume(off int64) bool {
	s.err, s.damaged, s.next = nil, false, off
	return true
}

// ioError records err if it is not damage, and reports whether it did.
func (s *Scanner) ioError(err error) bool {
	if _, ok := err.(damage); ok {
		return false
	}
	s.fail(err)
	return true
}

// implausible returns how many offsets at the start of b, which holds at least
// a header, cannot be the start of one. It looks only at what is cheap to see:
// the reserved byte, the codec and a count that is not zero.
func implausible(b []byte) int {
	n := len(b) - HeaderSize + 1
	for i := range n {
		w := binary.LittleEndian.Uint64(b[i+20 : i+28]) // time, codec, reserved, count
		if w>>16&0xfffe == 0 && w>>32 != 0 {
			return i
		}
	}
	return n
}
