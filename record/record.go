package record

// Record is one entry of a topic. Bodies are arbitrary bytes, empty ones
// included. When committing, ID is ignored; the node assigns it.
type Record struct {
	ID      ID
	Topic   string
	Key     []byte   // optional: what the record is about
	Headers []Header // optional: metadata, such as a trace context
	Body    []byte
}

// Header is a name and value of a record's metadata.
type Header struct {
	Name  string
	Value []byte
}
