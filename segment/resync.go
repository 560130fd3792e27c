package segment

import "encoding/binary"

// resyncWaste bounds the bytes that a search for the next valid block reads of
// blocks with a valid header and a damaged body, as a multiple of the range.
const resyncWaste = 4

// Resync continues after damage: it finds the next valid block after it and makes
// Next return that block. It returns false if there is none and leaves Err as it
// is, or sets it to the error from reading if the search itself failed. It also
// returns false if Err is not damage.
//
// A block is valid if its header checksum, which includes its offset, and its body
// checksum match. If the damaged block has a valid header, Resync first looks for a
// valid block, or the end of the range, where that block ends, and past any such
// damaged blocks that follow: so it does not mistake the content of a body for
// blocks. Otherwise it tries every offset.
//
// The time is linear in the range even if someone planted valid headers: after
// reading a few times the range of bodies that do not match, Resync skips the body
// of every valid header.
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

// implausible returns how many offsets at the start of b, which holds at least a
// header, cannot be the start of one. It checks only what is cheap: that the
// reserved byte is zero, the codec known and the count not zero.
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
