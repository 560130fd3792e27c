package pipeproc

import (
	"errors"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// Errors to test for with errors.Is. Code returns the code of each. The text of a
// matching error may say more.
var (
	ErrInvalidTopic       error = errs.InvalidTopic       // no such topic
	ErrInvalidTopicFormat error = errs.InvalidTopicFormat // not a topic name
	ErrInvalidRangeOffset error = errs.InvalidRangeOffset // not an id, time or :sequence
	ErrInvalidSequence    error = errs.InvalidToneSearch  // no record of that sequence
	ErrUncommitted        error = errs.Uncommitted        // a batch without records

	ErrConflict       error = errs.Conflict       // a *ConflictError
	ErrPruned         error = errs.Pruned         // a *PrunedError
	ErrTopicExists    error = errs.TopicExists    // CreateTopic of a topic that is there
	ErrTooLarge       error = errs.TooLarge       // a body or batch over its limit
	ErrInvalidOptions error = errs.InvalidOptions // the text names the option
	ErrInvalidImport  error = errs.InvalidImport  // ids that cannot be taken over
	ErrDiskLimit      error = errs.DiskLimit      // Options.MaxDisk is reached
	ErrNoSpace        error = errs.NoSpace        // the disk is full; nothing was committed
	ErrOverloaded     error = errs.Overloaded     // the disk cannot keep up
	ErrClosed         error = errs.Closed         // the node was closed
	ErrReadOnly       error = errs.ReadOnly       // opened read-only, or because of damage
	ErrTopicDamaged   error = errs.Damaged        // commit to a topic with damage
	ErrLogFailed      error = errs.Failed         // a sync failed; close and open again
	ErrVersion        error = errs.Version        // written by a newer version

	ErrInvalidProc         error = errs.InvalidProc         // no such proc
	ErrInvalidProcOptions  error = errs.InvalidProcOptions  // the text names the option
	ErrProcDisabled        error = errs.ProcDisabled        // resume it first
	ErrProcNameNotUnique   error = errs.ProcNameNotUnique   // the proc reads another topic
	ErrProcAlreadyDisabled error = errs.ProcAlreadyDisabled // DisableProc of a disabled proc
	ErrProcAlreadyActive   error = errs.ProcAlreadyActive   // ResumeProc of an active proc
	ErrNoOpenClaim               = errs.NoOpenClaim         // any of the next three
	ErrNothingToReclaim    error = errs.NothingToReclaim    // Reclaim without an open claim
	ErrInvalidAck          error = errs.InvalidAck          // Ack without an open claim
	ErrInvalidAckCommit    error = errs.InvalidAckCommit    // AckCommit without an open claim; nothing was committed
	ErrClaimLost           error = errs.ClaimLost           // the claim of that token is not open any more
	ErrProcDiffers         error = errs.ProcDiffers         // a system proc of that name is defined otherwise
	ErrNoProcessor         error = errs.NoProcessor         // a system proc without a processor

	// ErrOutcomeUnknown: the commit reached the write-ahead log and its sync
	// failed. Whether it survives is known after the node is opened again.
	ErrOutcomeUnknown error = errs.OutcomeUnknown

	// ErrCorrupt matches every *CorruptError.
	ErrCorrupt = errs.ErrCorrupt
	// ErrInUse matches the error of opening a directory that a process holds. The
	// error names the process.
	ErrInUse = vfs.ErrLocked
)

type (
	// CorruptError says where damage was found: at Offset of File, which holds
	// records of Topic. If it is known which sequences cannot be read because of it,
	// they are [First, Next). What says what does not hold.
	CorruptError = errs.CorruptError
	// ConflictError reports a conditional commit that came too late, or too soon:
	// its batch expected that the next sequence of Topic is Expect, and it is Next.
	// Nothing was committed.
	ConflictError = topics.ConflictError
	// PrunedError reports a read of records that are gone: Seq was asked for in
	// Topic. First is the first sequence that the topic still has.
	PrunedError = topics.PrunedError
	// LockedError names the process that holds a data directory: PID is its id, 0 if
	// it is unknown. Path is the file that it has locked.
	LockedError = vfs.LockedError
)

// Code returns the machine-readable code of an error of this package, such as
// "invalid_topic" or "corrupt", or "" for any other error. For joined errors it returns
// the first code.
func Code(err error) string {
	if c := errs.Code(err); c != "" {
		return c
	}
	if _, ok := errors.AsType[*ConflictError](err); ok {
		return errs.Conflict.Code
	}
	if _, ok := errors.AsType[*PrunedError](err); ok {
		return errs.Pruned.Code
	}
	return ""
}
