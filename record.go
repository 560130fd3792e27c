package pipeproc

import (
	"github.com/pipeproc/pipeproc/record"
)

// ID names one record of a topic: Millis is when it was committed, in unix
// milliseconds, and Seq its place in the topic, from 0. String returns
// "{Millis}-{Seq}", Time the moment. IDs are comparable with == and Compare, and
// marshal as text.
type ID = record.ID

// ParseID parses the text form of an ID.
func ParseID(s string) (ID, error) { return record.ParseID(s) }

// Record is one entry of a topic. Bodies are arbitrary bytes, empty ones
// included; Key and Headers may be nil. When committing, ID is ignored; the node
// gives it.
type Record = record.Record

// Header is a Name and a Value of a record's metadata. A record keeps its headers
// in the order they were given in, and may have several of one name.
type Header = record.Header
