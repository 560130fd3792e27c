package pipeproc

import (
	"slices"

	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
)

// ID names one record of a topic: "{milliseconds}-{sequence}". IDs are
// comparable, and marshal as text.
type ID = record.ID

// ParseID parses the text form of an ID.
func ParseID(s string) (ID, error) { return record.ParseID(s) }

// Record is one entry of a topic. Bodies are arbitrary bytes, empty ones
// included. When committing, ID is ignored; the node gives it.
type Record = record.Record

// Header is a name and value of a record's metadata.
type Header = record.Header

func appendHeaders(dst []byte, hs []Header) []byte {
	for i := range hs {
		dst = segment.AppendHeader(dst, hs[i].Name, hs[i].Value)
	}
	return dst
}

// ownedRecord makes a Record of copies that the caller may keep.
func ownedRecord(topic string, r *segment.Record) Record {
	buf := make([]byte, 0, len(r.Key)+len(r.Body))
	buf = append(append(buf, r.Body...), r.Key...)
	n := len(r.Body)
	rec := Record{ID: ID{Millis: r.Time, Seq: r.Seq}, Topic: topic, Body: buf[:n:n]}
	if len(r.Key) > 0 {
		rec.Key = buf[n:]
	}
	if len(r.Headers) > 0 {
		section := append([]byte(nil), r.Headers...)
		for name, value := range segment.EachHeader(section) {
			rec.Headers = append(rec.Headers, Header{Name: name, Value: value})
		}
	}
	return rec
}

// copier makes Records of copies that the caller may keep. Where many come, small
// ones share memory: an allocation each costs more than the copy.
type copier struct {
	topic string
	free  []byte
}

// sharedMax is the largest record that shares memory with others, and sharedChunk
// how much they share, in bytes: the most that is kept by whoever keeps one.
const (
	sharedMax   = 512
	sharedChunk = 2 << 10
)

// record returns a copy of r, one of at least as many that come without a wait.
func (k *copier) record(r *segment.Record, many uint64) Record {
	n := len(r.Body) + len(r.Key)
	if n > sharedMax || len(r.Headers) > 0 || many < sharedRecords {
		return ownedRecord(k.topic, r)
	}
	if n > len(k.free) {
		k.free = make([]byte, sharedChunk)
	}
	b := k.free[:n:n]
	k.free = k.free[n:]
	copy(b, r.Body)
	copy(b[len(r.Body):], r.Key)
	rec := Record{ID: ID{Millis: r.Time, Seq: r.Seq}, Topic: k.topic, Body: slices.Clip(b[:len(r.Body)])}
	if len(r.Key) > 0 {
		rec.Key = b[len(r.Body):]
	}
	return rec
}
