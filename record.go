package pipeproc

import (
	"github.com/pipeproc/pipeproc/record"
)

// ID names one record of a topic: "{milliseconds}-{sequence}". IDs are
// comparable, and marshal as text.
type ID = record.ID

// ParseID parses the text form of an ID.
func ParseID(s string) (ID, error) { return record.ParseID(s) }

// Record is one entry of a topic. A body is any bytes, or none. Commits ignore ID: the
// node assigns it.
type Record = record.Record

// Header is one name and value of a record's metadata.
type Header = record.Header
