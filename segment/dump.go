package segment

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
)

// dumpBytes is how much of a key, value or body Dump shows.
const dumpBytes = 256

// Dump writes a segment file of size bytes as text: its header, every block, and
// the footer if it has one. If bodies is set, it adds the records. It is for people
// and for test failures: it shows damage, skips it, and shows everything that is
// readable. The error is from reading or writing.
func Dump(w io.Writer, r io.ReaderAt, size int64, bodies bool) error {
	d := &dumper{w: bufio.NewWriter(w), r: r, size: size, bodies: bodies, codecs: NewCodecs()}
	defer d.codecs.Close()
	err := d.file()
	return errors.Join(err, d.w.Flush())
}

type dumper struct {
	w      *bufio.Writer
	r      io.ReaderAt
	size   int64
	bodies bool
	codecs *Codecs
	raw    []byte
}

// printf ignores errors: d.w keeps the first one, and its Flush returns it.
func (d *dumper) printf(format string, args ...any) { fmt.Fprintf(d.w, format, args...) }

func (d *dumper) file() error {
	d.printf("segment file of %d bytes\n", d.size)
	b := make([]byte, FileHeaderSize)
	if n, err := d.r.ReadAt(b, 0); n < len(b) && err != io.EOF {
		return err
	}
	m, err := ParseMeta(b)
	state := "ok"
	if err != nil {
		state, m = "BAD: "+err.Error(), peekMeta(b)
	}
	d.printf("header  store %x topic %d number %d base %d epoch %d name %q: %s\n",
		m.Store, m.Topic, m.Number, m.Base, m.Epoch, m.Name, state)

	foot, footErr := readFooter(d.r, d.size, m.Place())
	end := d.size
	if footErr == nil {
		end = foot.DataEnd
	} else if !errors.Is(footErr, ErrCorrupt) {
		return footErr
	}
	if err := d.blocks(m.Place(), end); err != nil {
		return err
	}
	if footErr != nil {
		d.printf("footer  none: %v\n", footErr)
		return nil
	}
	for i := range foot.Len() {
		e := foot.At(i)
		d.printf("entry   %d: seq %d time %s offset %d\n", i, e.Seq, dumpTime(e.Time), e.Off)
	}
	d.printf("trailer seq [%d,%d) time %s to %s, data end %d, %d blocks, %d records, digest %016x: ok\n",
		foot.First, foot.Next, dumpTime(foot.FirstTime), dumpTime(foot.LastTime),
		foot.DataEnd, foot.Blocks, foot.Records, foot.Digest)
	return nil
}

func (d *dumper) blocks(p Place, end int64) error {
	s := NewScanner(d.r, p, FileHeaderSize, end, nil)
	for {
		for s.Next() {
			d.block(s.Header(), s.Offset(), s.Body())
		}
		if s.Err() == nil {
			return nil
		}
		bad, ok := s.Err().(*CorruptError)
		if !ok {
			return s.Err()
		}
		if h := s.head; h.Count > 0 {
			d.printf("block   @%d seq [%d,%d) time %s codec %s stored %d raw %d: BAD: %s\n",
				s.Offset(), h.Base, h.Next(), dumpTime(h.Time), h.Codec, h.Stored, h.Raw, bad.What)
		} else {
			d.printf("block   @%d: BAD: %s\n", s.Offset(), bad.What)
		}
		if !s.Resync() {
			if s.Err() != error(bad) {
				return s.Err()
			}
			d.printf("        no valid block in the %d bytes from @%d to @%d\n", end-s.Offset(), s.Offset(), end)
			return nil
		}
		d.printf("        %d bytes passed over, up to the next valid block\n", s.next-s.Offset())
	}
}

func (d *dumper) block(h Header, off int64, stored []byte) {
	d.printf("block   @%d seq [%d,%d) time %s codec %s stored %d raw %d: ok\n",
		off, h.Base, h.Next(), dumpTime(h.Time), h.Codec, h.Stored, h.Raw)
	if !d.bodies {
		return
	}
	raw := stored
	if h.Codec == Zstd {
		var err error
		if raw, err = d.codecs.Decompress(d.raw, stored, h.Raw); err != nil {
			d.printf("        BAD: %v\n", err)
			return
		}
		d.raw = raw
	}
	rs := NewRecords(h, raw)
	var rec Record
	for rs.Next(&rec) {
		d.printf("        %d", rec.Seq)
		if len(rec.Key) > 0 {
			d.printf(" key %s", dumpText(rec.Key))
		}
		for name, value := range EachHeader(rec.Headers) {
			d.printf(" %s=%s", dumpText([]byte(name)), dumpText(value))
		}
		if err := CheckHeaders(rec.Headers); err != nil {
			d.printf(" BAD: %v", err)
		}
		d.printf(" body %s\n", dumpText(rec.Body))
	}
	if err := rs.Err(); err != nil {
		d.printf("        BAD: %v\n", err)
	}
}

func dumpTime(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

func dumpText(b []byte) string {
	if len(b) > dumpBytes {
		return fmt.Sprintf("%q... (%d bytes)", b[:dumpBytes], len(b))
	}
	return fmt.Sprintf("%q", b)
}
