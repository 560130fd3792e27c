package pipeproc

import (
	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/owned"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
)

// Durability says when a commit is acknowledged.
type Durability uint8

// Durabilities of a commit. The zero value follows the node's SyncMode.
const (
	ByMode   Durability = iota // as the node's SyncMode says
	Durable                    // only once it is on disk
	Buffered                   // once the operating system has it
)

// Batch collects records of any topics for one atomic commit. It copies the records and
// keeps its memory, so that a reused batch allocates nothing. The zero value is ready for
// use. A Batch is not safe for concurrent use.
type Batch struct {
	// Durability overrides the node's SyncMode for commits of this batch.
	Durability Durability

	b       topics.Batch
	req     engine.Request
	op      procstate.Op // AckCommitBatch
	ops     [1]*procstate.Op
	headers []byte
}

// Add appends a record that has only a body. After an error (a bad topic name) the commit
// of the batch fails with it, too, so it need not be checked here.
func (b *Batch) Add(topic string, body []byte) error { return b.b.Add(topic, nil, nil, body) }

// AddRecord appends a record with its key and headers. rec.ID is ignored.
func (b *Batch) AddRecord(rec *Record) error {
	b.headers = owned.AppendHeaders(b.headers[:0], rec.Headers)
	return b.b.Add(rec.Topic, rec.Key, b.headers, rec.Body)
}

// fill makes b a batch of recs that follows the node's SyncMode.
func (b *Batch) fill(recs []Record) error {
	b.Reset()
	b.Durability = ByMode
	for i := range recs {
		if err := b.AddRecord(&recs[i]); err != nil {
			return err
		}
	}
	return nil
}

// Expect makes the commit conditional: it succeeds only if the topic's next sequence is
// next (0 for a topic that never had records). Otherwise it fails with a *ConflictError
// and commits nothing.
func (b *Batch) Expect(topic string, next uint64) error { return b.b.Expect(topic, next) }

// Reset empties the batch for its next use.
func (b *Batch) Reset() {
	b.b.Reset()
	b.req.Position = 0
}

// Len returns the number of records.
func (b *Batch) Len() int { return b.b.Len() }

// Size returns the encoded size of the records in bytes.
func (b *Batch) Size() int { return b.b.Bytes() }

// IDs returns the ids that the commit gave to the records, in the order of adding.
// The slice is valid until the batch is used again. It is empty before a commit and after
// one that failed.
func (b *Batch) IDs() []ID { return b.b.IDs() }

// Position returns the position of the committed batch in the order of all
// commits of the node. It is 0 before a commit, after one that failed, and if the commit
// was a client's and its answer was lost and given again.
func (b *Batch) Position() uint64 { return b.req.Position }
