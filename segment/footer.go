package segment

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

const (
	// EntrySize and TrailerSize are the sizes in bytes of the parts of a footer.
	EntrySize   = 24
	TrailerSize = 96

	trailerMagic = "PPSEGEND"
	trailerSum   = TrailerSize - 8 // offset of the checksum
)

// Entry is the position of one block.
type Entry struct {
	Seq  uint64 // sequence of its first record
	Time int64  // unix milliseconds
	Off  int64  // offset in the file
}

// Summary describes a segment's blocks as a whole.
type Summary struct {
	First, Next         uint64 // sequences [First, Next); equal if there are none
	FirstTime, LastTime int64  // of the first and last block, unix milliseconds
	DataEnd             int64  // offset past the last block
	Blocks, Records     uint64
	Digest              uint64 // see type Digest
}

// AppendFooter appends the footer of the segment at place p to dst.
func AppendFooter(dst []byte, entries []Entry, s Summary, p Place) []byte {
	start := len(dst)
	le := binary.LittleEndian
	for _, e := range entries {
		dst = le.AppendUint64(dst, e.Seq)
		dst = le.AppendUint64(dst, uint64(e.Time))
		dst = le.AppendUint64(dst, uint64(e.Off))
	}
	dst = append(dst, trailerMagic...)
	dst = le.AppendUint32(dst, uint32(len(entries)))
	dst = le.AppendUint32(dst, 0)
	for _, v := range [...]uint64{s.First, s.Next, uint64(s.FirstTime), uint64(s.LastTime),
		uint64(s.DataEnd), s.Blocks, s.Records, s.Digest, 0} {
		dst = le.AppendUint64(dst, v)
	}
	return le.AppendUint64(dst, footerSum(dst[start:], p))
}

// footerSum is the checksum over b, a footer without its checksum.
func footerSum(b []byte, p Place) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(b) // never fails
	_, _ = d.Write(binary.LittleEndian.AppendUint64(make([]byte, 0, 8), uint64(p)))
	return d.Sum64()
}

// ShortFooterError, always as *ShortFooterError, asks for more bytes.
type ShortFooterError struct {
	Need int64 // bytes from the end of the file that hold the whole footer
}

func (e *ShortFooterError) Error() string {
	return fmt.Sprintf("segment: the footer takes the last %d bytes of the file", e.Need)
}

// Footer is a verified view of a sealed segment's footer. It aliases the bytes
// it was parsed from and is safe for concurrent use. Over mapped memory, its
// lookups can fault like any access to the mapping.
type Footer struct {
	Summary
	entries []byte
}

// ParseFooter verifies the footer of the segment at place p. b is the last
// len(b) bytes of a file of size bytes. If b is too short to hold the footer,
// the error is a *ShortFooterError; TrailerSize bytes are enough to find out.
// All other errors match ErrCorrupt.
func ParseFooter(b []byte, size int64, p Place) (Footer, error) {
	if size < FileHeaderSize+TrailerSize {
		return Footer{}, errFooterSize
	}
	if len(b) < TrailerSize {
		return Footer{}, &ShortFooterError{Need: TrailerSize}
	}
	le := binary.LittleEndian
	t := b[len(b)-TrailerSize:]
	if string(t[:8]) != trailerMagic {
		return Footer{}, errFooterMagic
	}
	need := int64(le.Uint32(t[8:]))*EntrySize + TrailerSize // below 1<<37
	if need > size-FileHeaderSize {
		return Footer{}, errFooterSize
	}
	if int64(len(b)) < need {
		return Footer{}, &ShortFooterError{Need: need}
	}
	b = b[int64(len(b))-need:]
	if le.Uint64(t[trailerSum:]) != footerSum(b[:len(b)-8], p) && !mutate.SkipFooterSum {
		return Footer{}, errFooterSum
	}
	f := Footer{
		Summary: Summary{
			First:     le.Uint64(t[16:]),
			Next:      le.Uint64(t[24:]),
			FirstTime: int64(le.Uint64(t[32:])),
			LastTime:  int64(le.Uint64(t[40:])),
			DataEnd:   int64(le.Uint64(t[48:])),
			Blocks:    le.Uint64(t[56:]),
			Records:   le.Uint64(t[64:]),
			Digest:    le.Uint64(t[72:]),
		},
		entries: b[:len(b)-TrailerSize],
	}
	if le.Uint32(t[12:]) != 0 || le.Uint64(t[80:]) != 0 || f.DataEnd != size-need {
		return Footer{}, errFooterFields
	}
	return f, f.check()
}

// check verifies what must hold between the fields and the entries.
func (f *Footer) check() error {
	s := &f.Summary
	if f.Len() == 0 {
		if s.First != s.Next || s.Blocks != 0 || s.Records != 0 || s.DataEnd != FileHeaderSize {
			return errFooterFields
		}
		return nil
	}
	if s.First >= s.Next || s.Records > s.Next-s.First || s.Blocks > s.Records ||
		s.Blocks < uint64(f.Len()) || s.FirstTime > s.LastTime {
		return errFooterFields
	}
	prev := f.At(0)
	if prev != (Entry{s.First, s.FirstTime, FileHeaderSize}) {
		return errFooterOrder
	}
	for i := 1; i < f.Len(); i++ {
		e := f.At(i)
		if e.Seq <= prev.Seq || e.Time < prev.Time || e.Off <= prev.Off {
			return errFooterOrder
		}
		prev = e
	}
	if prev.Seq >= s.Next || prev.Time > s.LastTime || prev.Off >= s.DataEnd {
		return errFooterOrder
	}
	return nil
}

// Len returns the number of entries.
func (f *Footer) Len() int { return len(f.entries) / EntrySize }

// At returns entry i, which must be in [0, Len()).
func (f *Footer) At(i int) Entry {
	b := f.entries[i*EntrySize:][:EntrySize]
	le := binary.LittleEndian
	return Entry{le.Uint64(b), int64(le.Uint64(b[8:])), int64(le.Uint64(b[16:]))}
}

// Floor returns the last entry with Seq <= seq: a scan from there passes the
// record seq, if the segment holds it.
func (f *Footer) Floor(seq uint64) (Entry, bool) { return f.last(f.upper(seq)) }

// Near returns the offsets between which the block with the record seq starts, if
// the segment has it: those of the last entry with Seq <= seq and of the next
// entry, or the end of the blocks. ok is false if the segment starts after seq.
func (f *Footer) Near(seq uint64) (from, to int64, ok bool) {
	i := f.upper(seq)
	if i == 0 {
		return 0, 0, false
	}
	to = f.DataEnd
	if i < f.Len() {
		to = f.off(i)
	}
	return f.off(i - 1), to, true
}

func (f *Footer) seq(i int) uint64 { return binary.LittleEndian.Uint64(f.entries[i*EntrySize:]) }

func (f *Footer) off(i int) int64 {
	return int64(binary.LittleEndian.Uint64(f.entries[i*EntrySize+16:]))
}

// upper returns the number of entries with Seq <= seq. Blocks are usually of similar
// size, so it starts where seq would be if all were the same size. That avoids
// nearly all of the dozens of cache lines that a binary search touches.
func (f *Footer) upper(seq uint64) int {
	n := f.Len()
	if n == 0 || seq < f.First {
		return 0
	}
	if seq >= f.Next {
		return n
	}
	above, below := bits.Mul64(seq-f.First, uint64(n))
	guess, _ := bits.Div64(above, below, f.Next-f.First) // below n, as seq is below Next
	lo, hi := int(guess), int(guess)+1
	// Entry lo-1 is at or below seq, or lo is 0; entry hi is above it, or hi is n.
	for step := 1; lo > 0 && f.seq(lo-1) > seq; step *= 2 {
		hi, lo = lo-1, max(lo-step, 0)
	}
	for step := 1; hi < n && f.seq(hi) <= seq; step *= 2 {
		lo, hi = hi+1, min(hi+step, n)
	}
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if f.seq(mid) <= seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Before returns the last entry with Time < ms, in unix milliseconds: a scan
// from there meets the first record with a time of ms or later. ok is false if that
// is the first record of the segment.
func (f *Footer) Before(ms int64) (e Entry, ok bool) {
	lo, hi := 0, f.Len()
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if int64(binary.LittleEndian.Uint64(f.entries[mid*EntrySize+8:])) < ms {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return f.last(lo)
}

// last returns the entry before entry i.
func (f *Footer) last(i int) (Entry, bool) {
	if i == 0 {
		return Entry{}, false
	}
	return f.At(i - 1), true
}
