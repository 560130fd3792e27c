package pipeproc

import (
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
	rec := Record{ID: ID{Time: r.Time, Seq: r.Seq}, Topic: topic, Body: buf[:n:n]}
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
