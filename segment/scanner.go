package segment

import (
	"fmt"
	"io"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

// scanBuffer is the size of a Scanner's own buffer, and so of its reads.
const scanBuffer = 256 << 10

// Scanner reads the blocks of a segment in order and verifies their header and
// body checksums. It reads as much at once as its buffer holds. It is not safe for
// concurrent use.
//
//	s := segment.NewScanner(f, place, segment.FileHeaderSize, dataEnd, nil)
//	for s.Next() {
//		use(s.Header(), s.Body())
//	}
//	if err := s.Err(); err != nil { ... }
type Scanner struct {
	r     io.ReaderAt
	place Place
	to    int64

	buf   []byte // bytes of the file from bufAt on
	bufAt int64
	next  int64 // offset of the next block

	off     int64  // of the current block, or of the damage
	head    Header // of the current block; when damaged, valid if Count > 0
	headSum uint32
	body    []byte
	err     error
	damaged bool  // err is damage
	wasted  int64 // see Resync
}

// NewScanner returns a scanner over the blocks in [from, to) of the segment at
// place p: from is the offset of a block and to the end of one. It reads nothing at
// or past to. buf, whose capacity is used, may be nil. It is replaced by a larger
// one, of at most to-from bytes, for a block that does not fit.
func NewScanner(r io.ReaderAt, p Place, from, to int64, buf []byte) *Scanner {
	s := new(Scanner)
	s.Reset(r, p, from, to, buf)
	return s
}

// Reset makes s as new. With a nil buf it keeps its buffer.
func (s *Scanner) Reset(r io.ReaderAt, p Place, from, to int64, buf []byte) {
	if cap(buf) < HeaderSize {
		buf = s.buf
	}
	if cap(buf) < HeaderSize {
		buf = make([]byte, 0, max(HeaderSize, min(scanBuffer, to-from)))
	}
	*s = Scanner{r: r, place: p, to: to, buf: buf[:0], bufAt: from, next: from, off: from}
}

// Next reads the next block. It returns false at the end of the range and on
// errors; Err tells which.
func (s *Scanner) Next() bool {
	if s.err != nil {
		return false
	}
	s.body = nil
	s.off = s.next
	if s.off >= s.to {
		return false
	}
	h, sum, body, err := s.block(s.off)
	s.head, s.headSum, s.body = h, sum, body
	if err != nil {
		s.fail(err)
		return false
	}
	s.next = s.off + h.Size()
	return true
}

// Header returns the header of the current block.
func (s *Scanner) Header() Header { return s.head }

// HeadSum returns the head sum of the current block, for a [Digest].
func (s *Scanner) HeadSum() uint32 { return s.headSum }

// Body returns the stored body of the current block. It is valid until the
// next call of Next, Resync or Reset.
func (s *Scanner) Body() []byte { return s.body }

// Offset returns the offset of the current block, of the damaged bytes after
// damage, or of the end of the range at the end.
func (s *Scanner) Offset() int64 { return s.off }

// Err returns the error that ended the scan early: a *CorruptError with the
// offset, or an error from reading. It is nil at the end of the range.
func (s *Scanner) Err() error { return s.err }

// fail records err. Damage gets its offset, and the sequences of the block if
// its header is valid.
func (s *Scanner) fail(err error) {
	d, ok := err.(damage)
	if s.damaged = ok; ok {
		err = &CorruptError{Offset: s.off, What: string(d), First: s.head.Base, Next: s.head.Next()}
	}
	s.err = err
}

// block reads and verifies the block at off. If only the body is damaged, it
// returns the header with the error; after any other error the header is zero. A
// damage error is of type damage.
func (s *Scanner) block(off int64) (h Header, headSum uint32, body []byte, err error) {
	if s.to-off < HeaderSize {
		return h, 0, nil, errHeadShort
	}
	b, err := s.window(off, HeaderSize)
	if err != nil {
		return h, 0, nil, err
	}
	if h, err = ParseHeader(b, s.place, off); err != nil {
		return Header{}, 0, nil, err
	}
	size := h.Size()
	if size > s.to-off {
		return h, 0, nil, errBlockEnd
	}
	if int64(len(b)) < size {
		if b, err = s.window(off, size); err != nil {
			return h, 0, nil, err
		}
	}
	body = b[HeaderSize:size:size]
	if Sum(body) != h.Sum && !mutate.SkipBodySum {
		return h, 0, nil, errBodySum
	}
	return h, HeadSum(b), body, nil
}

// window returns the buffered bytes from off on, at least n, and reads if
// necessary. off+n must not exceed s.to.
func (s *Scanner) window(off, n int64) ([]byte, error) {
	if i := off - s.bufAt; i >= 0 && i <= int64(len(s.buf)) && int64(len(s.buf))-i >= n {
		return s.buf[i:], nil
	}
	return s.fill(off, n)
}

// fill makes the buffer begin at off and fills it, and enlarges it if n bytes do not
// fit.
func (s *Scanner) fill(off, n int64) ([]byte, error) {
	var keep []byte
	if i := off - s.bufAt; i >= 0 && i < int64(len(s.buf)) {
		keep = s.buf[i:]
	}
	buf := s.buf
	if n > int64(cap(buf)) {
		// More than this block needs, so that a run of ever larger blocks does
		// not allocate for each.
		buf = make([]byte, 0, min(n+n/4, s.to-off))
	}
	have := copy(buf[:cap(buf)], keep)
	buf = buf[:min(int64(cap(buf)), s.to-off)]
	got, err := s.r.ReadAt(buf[have:], off+int64(have))
	s.buf, s.bufAt = buf[:have+max(got, 0)], off
	if int64(len(s.buf)) >= n {
		return s.buf, nil // the error recurs if it matters
	}
	if err == nil || err == io.EOF {
		return nil, errDataEnd
	}
	return nil, fmt.Errorf("segment: read at offset %d: %w", off+int64(len(s.buf)), err)
}
