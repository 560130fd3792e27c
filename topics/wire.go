package topics

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/segment"
)

// A batch as it is sent to another process, which commits it. Integers are
// uvarints unless said otherwise:
//
//	topic count | topic… | the records of each topic, in order
//	topic: name | flags byte (1 expects, 2 explicit ids) | expected next sequence |
//	       cut count | cut…
//	cut:   records | bytes | with explicit ids: time (varint) | sequence of the first
//
// The records are encoded as in the body of a block (segment/doc.go), so that they
// go into the write-ahead log and the segment as the client encoded them. The
// answer is
//
//	topic count | { time (varint) | sequence of the first record }…
//
// from which the client derives the ids: those of one topic are consecutive.

const (
	wireExpects  = 1
	wireExplicit = 2
)

// AppendWire appends everything before the records to dst, and calls body with the
// records of each topic, which alias the batch.
func (b *Batch) AppendWire(dst []byte, body func(raw []byte)) ([]byte, error) {
	if b.err != nil {
		return dst, b.err
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.slots)))
	for i := range b.slots {
		s := &b.slots[i]
		dst = enc.AppendString(dst, s.name)
		var flags byte
		if s.expects {
			flags |= wireExpects
		}
		if s.explicit {
			flags |= wireExplicit
		}
		dst = append(dst, flags)
		dst = binary.AppendUvarint(dst, s.expect)
		dst = binary.AppendUvarint(dst, uint64(len(s.cuts)))
		at := 0
		for _, c := range s.cuts {
			dst = binary.AppendUvarint(dst, uint64(c.count))
			dst = binary.AppendUvarint(dst, uint64(c.end-at))
			at = c.end
			if s.explicit {
				dst = binary.AppendVarint(dst, c.time)
				dst = binary.AppendUvarint(dst, c.base)
			}
		}
		if len(s.raw) > 0 {
			body(s.raw)
		}
	}
	return dst, nil
}

// What a batch of another process may have at most: each takes more memory than bytes
// on the wire. A block is 2 KiB of records and more, or one record with an id of its own.
const (
	maxWireTopics = 1 << 16
	maxWireCuts   = 1 << 20
)

// ReadWire decodes the batch in p into b. Its records alias p until Reset. p may
// be hostile: without an error, b is a batch that could have been built with Add.
func (b *Batch) ReadWire(p []byte) error {
	b.Reset()
	b.lent = true
	d := enc.Reader{B: p}
	topics, cuts := d.Count(4), 0
	if topics > maxWireTopics {
		return errs.TooLarge.With(fmt.Sprintf("a batch for %d topics; %d are the most that another process may send", topics, maxWireTopics))
	}
	for range topics {
		if err := b.readTopic(&d, &cuts); err != nil {
			return err
		}
	}
	if d.Err != nil {
		return fmt.Errorf("batch: %w", d.Err)
	}
	rest := d.B
	for i := range b.slots {
		s := &b.slots[i]
		n := 0
		if k := len(s.cuts); k > 0 {
			n = s.cuts[k-1].end
		}
		if n > len(rest) {
			return fmt.Errorf("batch: %w", enc.ErrMalformed)
		}
		s.raw, rest = rest[:n:n], rest[n:]
		if err := b.readRecords(s); err != nil {
			return err
		}
	}
	if len(rest) != 0 {
		return fmt.Errorf("batch: %w", enc.ErrMalformed)
	}
	return nil
}

func (b *Batch) readTopic(d *enc.Reader, total *int) error {
	name := string(d.Bytes())
	flags := d.Byte()
	expect := d.Uvarint()
	cuts := d.Count(2)
	if d.Err != nil || flags > wireExpects|wireExplicit {
		return fmt.Errorf("batch: %w", enc.ErrMalformed)
	}
	if *total += cuts; *total > maxWireCuts {
		return errs.TooLarge.With(fmt.Sprintf("a batch of more than %d blocks; split it", maxWireCuts))
	}
	before := len(b.slots)
	i, err := b.slotOf(name)
	if err != nil {
		return err
	}
	if i != before {
		return fmt.Errorf("batch: topic %q stands there twice: %w", name, enc.ErrMalformed)
	}
	b.last = i
	s := &b.slots[i]
	s.expect, s.expects, s.explicit = expect, flags&wireExpects != 0, flags&wireExplicit != 0
	end := uint64(0)
	for range cuts {
		var c cut
		count, size := d.Uvarint(), d.Uvarint()
		if s.explicit {
			c.time, c.base = d.Varint(), d.Uvarint()
		}
		if d.Err != nil || count == 0 || count > size || size > segment.MaxRaw || end+size > math.MaxInt32 {
			return fmt.Errorf("batch: %w", enc.ErrMalformed)
		}
		if s.explicit {
			if err := checkWireID(s, c); err != nil {
				return err
			}
		}
		end += size
		c.end, c.count = int(end), uint32(count)
		s.cuts = append(s.cuts, c)
		s.count += count
	}
	return nil
}

func checkWireID(s *slot, c cut) error {
	if c.time < 0 || c.time >= 1<<47 || c.base >= maxImportSeq {
		return errs.InvalidImport.With(fmt.Sprintf("id %s is out of range", ID{Millis: c.time, Seq: c.base}))
	}
	if n := len(s.cuts); n > 0 {
		p := s.cuts[n-1]
		if c.time < p.time || c.base < p.base+uint64(p.count) {
			return errs.InvalidImport.With(fmt.Sprintf("id %s does not rise above the one before it", ID{Millis: c.time, Seq: c.base}))
		}
	}
	return nil
}

// readRecords checks the records of a slot and adds them to the batch's totals.
func (b *Batch) readRecords(s *slot) error {
	var rec segment.Record
	at := 0
	for _, c := range s.cuts {
		raw := s.raw[at:c.end]
		at = c.end
		rs := segment.NewRecords(segment.Header{Count: c.count, Raw: uint32(len(raw))}, raw)
		for rs.Next(&rec) {
			if err := segment.CheckHeaders(rec.Headers); err != nil {
				return fmt.Errorf("batch: headers: %w", enc.ErrMalformed)
			}
			b.largest = max(b.largest, len(rec.Body))
		}
		if rs.Err() != nil {
			return fmt.Errorf("batch: records: %w", enc.ErrMalformed)
		}
	}
	b.count += int(s.count)
	b.bytes += len(s.raw)
	return nil
}

// AppendResult appends the ids of a staged batch.
func (b *Batch) AppendResult(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b.slots)))
	for i := range b.slots {
		dst = binary.AppendVarint(dst, b.slots[i].time)
		dst = binary.AppendUvarint(dst, b.slots[i].base)
	}
	return dst
}

// ReadResult decodes the ids that another process assigned to the batch.
func (b *Batch) ReadResult(p []byte) error {
	d := enc.Reader{B: p}
	if n := d.Count(2); n != len(b.slots) {
		return fmt.Errorf("answer to a batch: %w", enc.ErrMalformed)
	}
	for i := range b.slots {
		b.slots[i].time, b.slots[i].base = d.Varint(), d.Uvarint()
	}
	if d.Err != nil || len(d.B) != 0 {
		return fmt.Errorf("answer to a batch: %w", enc.ErrMalformed)
	}
	b.committed = true
	return nil
}

// Blocks as they are sent to another process:
//
//	base | time (varint) | records | raw length | codec byte | u64 checksum | body
//
// The body is as it is stored, and the checksum is that of the stored body.

// NextBlock moves to the next block that holds records of the cursor, as a whole.
// It decompresses the block only if plain is set. AppendBlockHead returns the block.
// NextBlock must not be mixed with Next.
func (c *Cursor) NextBlock(plain bool) bool {
	for c.err == nil && c.next < c.end {
		c.body = nil
		if !c.fetch() {
			return false
		}
		if c.body != nil {
			if c.head.Base >= c.end {
				return false
			}
			if plain && !c.decompressBlock() {
				return false
			}
			c.first = max(c.next, c.head.Base)
			c.next = c.head.Next()
			return true
		}
	}
	return false
}

// decompressBlock replaces the current block by its uncompressed form.
func (c *Cursor) decompressBlock() bool {
	h := c.head
	if h.Codec == segment.None {
		return true
	}
	body, err := c.decompress(&h, c.body)
	if err != nil {
		c.fail(c.r.t.corrupt(c.s, c.off-h.Size(), "", err), h, true)
		return false
	}
	c.body = body
	c.head.Codec, c.head.Stored, c.head.Sum = segment.None, h.Raw, segment.Sum(body)
	return true
}

// BlockFirst returns the first sequence of the current block that the cursor had
// not passed before.
func (c *Cursor) BlockFirst() uint64 { return c.first }

// AppendBlockHead appends everything before the body of the current block to dst,
// and returns the body too, which is valid until the cursor moves.
func (c *Cursor) AppendBlockHead(dst []byte) (head, body []byte) {
	h := &c.head
	dst = binary.AppendUvarint(dst, h.Base)
	dst = binary.AppendVarint(dst, h.Time)
	dst = binary.AppendUvarint(dst, uint64(h.Count))
	dst = binary.AppendUvarint(dst, uint64(h.Raw))
	dst = append(dst, byte(h.Codec))
	return binary.LittleEndian.AppendUint64(dst, h.Sum), c.body
}

// errBlock reports a malformed block, or one that does not match its checksum.
var errBlock = errors.New("a block that came from the node is damaged")

// WireBlock iterates over the records of a block that another process sent. The
// records alias p, or scratch if the block was compressed. With a nil scratch, the
// records of the block share newly allocated memory instead.
func WireBlock(p []byte, codecs *segment.Codecs, scratch *[]byte) iter.Seq2[segment.Record, error] {
	return func(yield func(segment.Record, error) bool) {
		h, body, err := readBlock(p)
		switch {
		case err != nil:
		case scratch == nil && h.Codec == segment.None:
			body = bytes.Clone(body)
		case scratch == nil:
			body, err = codecs.Decompress(nil, body, h.Raw)
		case h.Codec != segment.None:
			*scratch, err = codecs.Decompress((*scratch)[:0], body, h.Raw)
			body = *scratch
		}
		if err != nil {
			yield(segment.Record{}, err)
			return
		}
		rs := segment.NewRecords(h, body)
		var rec segment.Record
		for rs.Next(&rec) {
			if !yield(rec, nil) {
				return
			}
		}
		if err := rs.Err(); err != nil {
			yield(segment.Record{}, fmt.Errorf("%w: %w", errBlock, err))
		}
	}
}

func readBlock(p []byte) (segment.Header, []byte, error) {
	d := enc.Reader{B: p}
	h := segment.Header{Base: d.Uvarint(), Time: d.Varint(), Count: uint32(d.Uvarint()), Raw: uint32(d.Uvarint()), Codec: segment.Codec(d.Byte()), Sum: d.U64()}
	if d.Err != nil || h.Codec > segment.Zstd || h.Raw > segment.MaxRaw || segment.Sum(d.B) != h.Sum {
		return h, nil, errBlock
	}
	h.Stored = uint32(len(d.B))
	return h, d.B, nil
}
