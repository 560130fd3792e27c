package topics

import (
	"fmt"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// PrunedError reports a read of records that have been pruned.
type PrunedError struct {
	Topic string
	Seq   uint64 // the requested sequence
	First uint64 // the first sequence that the topic still has
}

func (e *PrunedError) Error() string {
	return fmt.Sprintf("pruned: topic %q starts at sequence %d now, %d is gone", e.Topic, e.First, e.Seq)
}

// Is reports whether target is the error of the code "pruned".
func (e *PrunedError) Is(target error) bool { return errs.Pruned.Is(target) }

// ConflictError reports that a topic's next sequence is not the one that a
// conditional commit expects.
type ConflictError struct {
	Topic        string
	Expect, Next uint64 // the expected and the actual next sequence
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("conflict: topic %q is at sequence %d, the commit expected %d; read it again and retry", e.Topic, e.Next, e.Expect)
}

// Is reports whether target is the error of the code "conflict".
func (e *ConflictError) Is(target error) bool { return errs.Conflict.Is(target) }

func unknownTopic(name string) error {
	return errs.InvalidTopic.With(fmt.Sprintf("there is no topic %q", name))
}
