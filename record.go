package pipeproc

import (
	"github.com/pipeproc/pipeproc/record"
)

// ID names one record of a topic:
//
//	Millis int64   // of the commit, in unix milliseconds
//	Seq    uint64  // position in the topic, counted from 0
//
//	func (id ID) Time() time.Time           // Millis as a time
//	func (id ID) Compare(other ID) int      // -1, 0 or 1; both of one topic
//	func (id ID) String() string            // "1700000000000-5"; ParseID reads it
//	func (id ID) AppendText(b []byte) ([]byte, error)
//	func (id ID) MarshalText() ([]byte, error)
//	func (id *ID) UnmarshalText(b []byte) error
//
// Within a topic, the orders by time and by sequence agree. IDs can be compared with
// == and be keys of maps, also of those that become JSON. An id is a place to read
// from:
//
//	pipeproc.RangeOptions{Start: pipeproc.AtID(last), Exclusive: true} // what follows last
type ID = record.ID

// ParseID parses the text form of an ID. The error is ErrInvalidRangeOffset.
func ParseID(s string) (ID, error) { return record.ParseID(s) }

// Record is one entry of a topic:
//
//	ID      ID        // given by the node; ignored by Commit
//	Topic   string    // 1 to 255 letters, digits, '_' and '-'
//	Key     []byte    // optional: what the record is about
//	Headers []Header  // optional: metadata, such as a trace context
//	Body    []byte    // any bytes, also none
//
// Records with the same key stay in order in system procs with Lanes. Nothing else
// depends on the key.
//
//	rec := pipeproc.Record{Topic: "orders", Key: []byte("alice"), Body: []byte(`{"n":2}`),
//		Headers: []pipeproc.Header{{Name: "trace", Value: []byte("7f3a")}}}
//	ids, err := node.Commit(ctx, rec)
type Record = record.Record

// Header is a name and a value of a record's metadata:
//
//	Name  string
//	Value []byte
//
// Names need not be unique within a record. See [Record] for an example.
type Header = record.Header
