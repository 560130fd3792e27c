package topics

import "github.com/pipeproc/pipeproc/record"

// The words for places in a topic.
type (
	ID    = record.ID
	Bound = record.Bound
)

// The kinds of bounds.
const (
	Open   = record.OpenBound
	AtID   = record.IDBound
	AtTime = record.TimeBound
	AtSeq  = record.SeqBound
)
