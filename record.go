package pipeproc

import (
	"github.com/pipeproc/pipeproc/record"
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
