package segment

import (
	"errors"
	"fmt"
	"io"
	"math"
	"syscall"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// footerGuess is how much of a file's end is read at first for its footer.
const footerGuess = 64 << 10

// readFooter reads and verifies the footer of a file of size bytes. Damage is
// reported without coordinates.
func readFooter(r io.ReaderAt, size int64, p Place) (Footer, error) {
	need := min(size, footerGuess)
	for {
		b := make([]byte, need)
		if n, err := r.ReadAt(b, size-need); n < len(b) {
			if err == io.EOF {
				return Footer{}, errDataEnd
			}
			return Footer{}, fmt.Errorf("read: %w", err)
		}
		f, err := ParseFooter(b, size, p)
		if short, ok := errors.AsType[*ShortFooterError](err); ok && short.Need > need {
			need = short.Need // at most size, and more than before
			if need > math.MaxInt>>2 {
				return Footer{}, fmt.Errorf("a footer of %d bytes: %w", need, syscall.ENOMEM)
			}
			continue
		}
		return f, err
	}
}

// Check reads a whole segment file and reports all damage through fn. m is the
// expected content of the file header; a zero epoch matches any. The data end at
// dataEnd, which may be 0 for a sealed file: then the footer tells. Check ignores
// everything past the data of a file that is not sealed. Besides all checksums, it
// verifies that the blocks are contiguous, that their times do not decrease, that
// every body decompresses and holds exactly its records, and that the footer agrees
// with the blocks.
//
// The summary covers the intact blocks. The error does not report damage: it is
// from reading, or wraps ErrVersion.
func Check(f vfs.File, m Meta, dataEnd int64, sealed bool, fn func(*CorruptError)) (Summary, error) {
	size, err := f.Size()
	if err != nil {
		return Summary{}, fmt.Errorf("segment: check: %w", err)
	}
	c := &checker{m: m, place: m.Place(), fn: fn, codecs: NewCodecs(), next: m.Base}
	defer c.codecs.Close()
	c.sum = Summary{First: m.Base, Next: m.Base, DataEnd: FileHeaderSize}
	if err := c.fileHeader(f); err != nil {
		return Summary{}, err
	}
	if sealed {
		foot, err := readFooter(f, size, c.place)
		switch {
		case err == nil:
			c.foot = &foot
			if dataEnd > 0 && dataEnd != foot.DataEnd {
				c.report(foot.DataEnd, "footer stands elsewhere than expected")
			}
			dataEnd = foot.DataEnd
		case errors.Is(err, ErrCorrupt):
			c.report(max(size-TrailerSize, 0), err.Error())
			if dataEnd <= 0 {
				dataEnd = size
			}
		default:
			return Summary{}, fmt.Errorf("segment: footer: %w", err)
		}
	}
	if dataEnd > size {
		c.report(size, string(errDataEnd.(damage)))
		dataEnd = size
	}
	if err := c.blocks(f, dataEnd); err != nil {
		return c.sum, err
	}
	c.footer()
	return c.sum, nil
}

// checker is the state of Check.
type checker struct {
	m      Meta
	place  Place
	fn     func(*CorruptError)
	codecs *Codecs
	raw    []byte
	foot   *Footer // if sealed and intact

	sum     Summary
	digest  Digest
	next    uint64        // next expected sequence
	entry   int           // next expected footer entry
	pending *CorruptError // damage not reported yet: its extent is not known
	damaged bool          // some block is damaged

	pendingEnd int64 // where the first damaged block ends, if its header is intact
}

func (c *checker) report(off int64, what string) { c.reportRange(off, what, 0, 0) }

func (c *checker) reportRange(off int64, what string, first, next uint64) {
	c.fn(&CorruptError{
		File: c.m.FileName(), Topic: c.m.Name, Segment: c.m.Number,
		Offset: off, What: what, First: first, Next: next,
	})
}

func (c *checker) fileHeader(r io.ReaderAt) error {
	b := make([]byte, FileHeaderSize)
	if n, err := r.ReadAt(b, 0); n < len(b) && err != io.EOF {
		return fmt.Errorf("segment: check: %w", err)
	} else {
		b = b[:n]
	}
	got, err := ParseMeta(b)
	switch {
	case errors.Is(err, ErrVersion):
		return err
	case err != nil:
		c.report(0, err.Error())
	case got != c.m && (c.m.Epoch != 0 || !got.equalExceptEpoch(c.m)):
		c.report(0, fmt.Sprintf("file header of another segment: topic %d %q, number %d, base %d, epoch %d",
			got.Topic, got.Name, got.Number, got.Base, got.Epoch))
	}
	return nil
}

// blocks scans all blocks up to end.
func (c *checker) blocks(r io.ReaderAt, end int64) error {
	s := NewScanner(r, c.place, FileHeaderSize, end, nil)
	for more := true; more; {
		for s.Next() {
			c.block(s)
		}
		err := s.Err()
		if err == nil {
			break
		}
		d, ok := err.(*CorruptError)
		if !ok {
			return err
		}
		c.damaged = true
		h := s.Header()
		c.pending, c.pendingEnd = d, d.Offset+h.Size()
		more = s.Resync()
		if !more && s.Err() != err {
			return s.Err()
		}
	}
	last := uint64(0)
	switch {
	case c.foot != nil:
		last = c.foot.Next
	case c.pending != nil && c.pendingEnd != end && !mutate.FirstBlockOnly:
		// More than that block is lost. Its sequences alone would be taken for all.
		c.pending.First, c.pending.Next = 0, 0
	}
	c.reportPending(last)
	return nil
}

// reportPending reports pending damage. next is the sequence at which intact data
// resume, or 0 if that is not known.
func (c *checker) reportPending(next uint64) {
	d := c.pending
	if d == nil {
		return
	}
	c.pending = nil
	first := c.next
	if next <= first { // of no use: keep the sequences of the damaged block's header
		first, next = d.First, d.Next
	}
	c.reportRange(d.Offset, d.What, first, next)
}

func (c *checker) block(s *Scanner) {
	h, off := s.Header(), s.Offset()
	if c.pending != nil {
		c.reportPending(h.Base)
		if h.Base < c.next {
			c.report(off, fmt.Sprintf("block repeats sequence %d", h.Base))
		}
	} else if h.Base != c.next {
		c.reportRange(off, fmt.Sprintf("block starts at sequence %d instead of %d", h.Base, c.next), c.next, h.Base)
	}
	if c.sum.Blocks == 0 {
		c.sum.First, c.sum.FirstTime = h.Base, h.Time
	} else if h.Time < c.sum.LastTime {
		c.report(off, "block is older than the one before")
	}
	if err := c.body(h, s.Body()); err != nil {
		c.reportRange(off, err.Error(), h.Base, h.Next())
	}
	for c.foot != nil && c.entry < c.foot.Len() {
		e := c.foot.At(c.entry)
		if e.Off > off {
			break
		}
		if e != (Entry{h.Base, h.Time, off}) && !c.damaged {
			c.report(off, fmt.Sprintf("footer entry %d does not fit its block", c.entry))
		}
		c.entry++
	}
	c.digest.Add(s.HeadSum())
	c.sum.LastTime, c.sum.DataEnd = h.Time, off+h.Size()
	c.sum.Next, c.next = h.Next(), h.Next()
	c.sum.Blocks++
	c.sum.Records += uint64(h.Count)
	c.sum.Digest = c.digest.Sum()
}

// body checks that the body is well formed, which its checksum does not imply.
func (c *checker) body(h Header, stored []byte) error {
	raw := stored
	if h.Codec == Zstd {
		var err error
		if raw, err = c.codecs.Decompress(c.raw, stored, h.Raw); err != nil {
			return err
		}
		c.raw = raw
	}
	rs := NewRecords(h, raw)
	var rec Record
	for rs.Next(&rec) {
		if err := CheckHeaders(rec.Headers); err != nil {
			return err
		}
	}
	return rs.Err()
}

// footer compares the footer with the blocks. With damaged blocks it cannot agree,
// and they have been reported.
func (c *checker) footer() {
	if c.foot == nil || c.damaged {
		return
	}
	want := c.foot.Summary
	if c.sum.Blocks == 0 { // there are no times to compare
		want.FirstTime, want.LastTime = 0, 0
	}
	if c.sum != want || c.entry != c.foot.Len() {
		c.report(c.foot.DataEnd, "footer does not agree with the blocks")
	}
}
