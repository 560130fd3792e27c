package message

import (
	"encoding/binary"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/owned"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
)

// Flags of a Range.
const (
	RangeExclusive = 1
	RangeReverse   = 2
	RangeFollow    = 4 // from From on, forever
	RangeSpan      = 8 // From and To count, Start and End do not
	RangePlain     = 16
	rangeFlags     = 2*RangePlain - 1
)

// Range asks for records of a topic.
type Range struct {
	Topic      string
	Flags      byte
	Start, End string // bounds as text
	From, To   uint64 // with RangeSpan or RangeFollow: sequences [From, To)
	Limit      int64  // of records; 0 or less: none
}

// Append appends the encoding.
func (m *Range) Append(dst []byte) []byte {
	dst = append(enc.AppendString(dst, m.Topic), m.Flags)
	if m.Flags&(RangeSpan|RangeFollow) != 0 {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, m.From), m.To)
	} else {
		dst = enc.AppendString(enc.AppendString(dst, m.Start), m.End)
	}
	return binary.AppendVarint(dst, m.Limit)
}

// Take decodes p.
func (m *Range) Take(p []byte) error {
	d := enc.Reader{B: p}
	m.Topic, m.Flags = string(d.Bytes()), d.Byte()
	if m.Flags&(RangeSpan|RangeFollow) != 0 {
		m.From, m.To = d.Uvarint(), d.Uvarint()
	} else {
		m.Start, m.End = string(d.Bytes()), string(d.Bytes())
	}
	m.Limit = d.Varint()
	if d.Err != nil || len(d.B) != 0 || m.Flags > rangeFlags {
		return malformed("range")
	}
	return nil
}

// Kinds of items of a range: the first byte of each.
const (
	ItemSpan    = 0 // Span
	ItemBlock   = 1 // a block, topics/wire.go
	ItemRecords = 2 // AppendRecordsHead, then as many records
	ItemError   = 3 // Failure
)

// Span is the first item of a range: the sequences [From, To) that it covers.
type Span struct{ From, To uint64 }

// Append appends the encoding.
func (m Span) Append(dst []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(append(dst, ItemSpan), m.From), m.To)
}

// Take decodes what follows the kind.
func (m *Span) Take(p []byte) error {
	d := enc.Reader{B: p}
	m.From, m.To = d.Uvarint(), d.Uvarint()
	return d.Err
}

// Failure is an error within a range, which continues after it.
type Failure struct{ Err error }

// Append appends the encoding.
func (m Failure) Append(dst []byte) []byte {
	code, text, details := EncodeError(m.Err)
	dst = enc.AppendString(append(dst, ItemError), code)
	return enc.AppendBytes(enc.AppendString(dst, text), details)
}

// Take decodes what follows the kind.
func (m *Failure) Take(p []byte) error {
	d := enc.Reader{B: p}
	code, text, details := string(d.Bytes()), string(d.Bytes()), d.Bytes()
	if d.Err == nil {
		m.Err = DecodeError(code, text, details)
	}
	return d.Err
}

// AppendRecordsHead appends the head of an item of n records.
func AppendRecordsHead(dst []byte, n uint64) []byte {
	return binary.AppendUvarint(append(dst, ItemRecords), n)
}

// TakeRecords calls fn with each record of an item, which follows the kind, until
// fn returns false. The records alias p.
func TakeRecords(p []byte, topic string, fn func(record.Record) bool) error {
	d := enc.Reader{B: p}
	for n := d.Count(5); n > 0; n-- {
		r := takeRecord(&d, topic)
		if d.Err != nil || !fn(r) {
			break
		}
	}
	return d.Err
}

// AppendRecord appends a record: the answer to Get, or one record of a claim or
// of an item.
func AppendRecord(dst []byte, r *record.Record) []byte {
	dst = enc.AppendBytes(appendID(dst, r.ID), r.Key)
	dst = enc.AppendBytes(dst, owned.AppendHeaders(nil, r.Headers))
	return enc.AppendBytes(dst, r.Body)
}

// AppendStored appends a record that a scan lends.
func AppendStored(dst []byte, r *segment.Record) []byte {
	dst = appendID(dst, record.ID{Millis: r.Time, Seq: r.Seq})
	dst = enc.AppendBytes(dst, r.Key)
	dst = enc.AppendBytes(dst, r.Headers)
	return enc.AppendBytes(dst, r.Body)
}

// TakeRecord decodes an answer that is a record, which aliases p.
func TakeRecord(p []byte, topic string) (record.Record, error) {
	d := enc.Reader{B: p}
	r := takeRecord(&d, topic)
	return r, d.Err
}
