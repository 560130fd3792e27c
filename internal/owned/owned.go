// Package owned copies records that a scan lends into records that a caller may
// keep.
package owned

import (
	"slices"

	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
)

// AppendHeaders appends the stored form of headers.
func AppendHeaders(dst []byte, hs []record.Header) []byte {
	for i := range hs {
		dst = segment.AppendHeader(dst, hs[i].Name, hs[i].Value)
	}
	return dst
}

// Record makes a record of copies that the caller may keep.
func Record(topic string, r *segment.Record) record.Record {
	buf := make([]byte, 0, len(r.Key)+len(r.Body))
	buf = append(append(buf, r.Body...), r.Key...)
	n := len(r.Body)
	rec := record.Record{ID: record.ID{Millis: r.Time, Seq: r.Seq}, Topic: topic, Body: buf[:n:n]}
	if len(r.Key) > 0 {
		rec.Key = buf[n:]
	}
	if len(r.Headers) > 0 {
		section := append([]byte(nil), r.Headers...)
		for name, value := range segment.EachHeader(section) {
			rec.Headers = append(rec.Headers, record.Header{Name: name, Value: value})
		}
	}
	return rec
}

// Copier makes records of copies that the caller may keep. Where many come, small
// ones share memory: an allocation each costs more than the copy.
type Copier struct {
	Topic string
	free  []byte
}

// sharedMax is the size of the largest record that shares memory with others.
// sharedChunk is the size of the shared memory, in bytes, and so the most that
// keeping one record retains.
const (
	sharedMax   = 512
	sharedChunk = 2 << 10
)

// Record returns a copy of r, one of at least as many that come without a wait.
func (k *Copier) Record(r *segment.Record, many uint64) record.Record {
	n := len(r.Body) + len(r.Key)
	if n > sharedMax || len(r.Headers) > 0 || many < ShareFrom {
		return Record(k.Topic, r)
	}
	if n > len(k.free) {
		k.free = make([]byte, sharedChunk)
	}
	b := k.free[:n:n]
	k.free = k.free[n:]
	copy(b, r.Body)
	copy(b[len(r.Body):], r.Key)
	rec := record.Record{ID: record.ID{Millis: r.Time, Seq: r.Seq}, Topic: k.Topic, Body: slices.Clip(b[:len(r.Body)])}
	if len(r.Key) > 0 {
		rec.Key = b[len(r.Body):]
	}
	return rec
}

// ShareFrom is the number of records from which on those of a block share memory.
// With fewer, a caller would keep much memory for little.
const ShareFrom = 64

// Shared returns r with the memory that it has, which is the caller's.
func Shared(topic string, r *segment.Record) record.Record {
	rec := record.Record{ID: record.ID{Millis: r.Time, Seq: r.Seq}, Topic: topic, Body: slices.Clip(r.Body)}
	if len(r.Key) > 0 {
		rec.Key = slices.Clip(r.Key)
	}
	if len(r.Headers) > 0 {
		for name, value := range segment.EachHeader(r.Headers) {
			rec.Headers = append(rec.Headers, record.Header{Name: name, Value: slices.Clip(value)})
		}
	}
	return rec
}
