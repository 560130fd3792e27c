package pipeproc

import (
	"errors"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// Errors to test for with errors.Is. The text of a matching error may say more. Code
// returns the code of each, except ErrInUse, which has none, and ErrNoOpenClaim, whose
// errors have the codes of the three that it stands for.
var (
	ErrInvalidTopic       error = errs.InvalidTopic       // no such topic
	ErrInvalidTopicFormat error = errs.InvalidTopicFormat // not a topic name
	ErrInvalidRangeOffset error = errs.InvalidRangeOffset // not an id, time or :sequence
	ErrInvalidSequence    error = errs.InvalidSequence    // no record of that sequence
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
	ErrLogFailed      error = errs.Failed         // a sync failed, or something of the caller panicked; close and open again
	ErrVersion        error = errs.Version        // written by a newer version
	ErrNotStore       error = errs.NotStore       // the directory has files of something else

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

	// ErrOutcomeUnknown: the commit reached the write-ahead log and its sync failed.
	// Whether it survives is known after the node is opened again. A client of package
	// rpc also returns it when an answer was lost and the node has forgotten it.
	ErrOutcomeUnknown error = errs.OutcomeUnknown

	// ErrCorrupt matches every *CorruptError.
	ErrCorrupt = errs.ErrCorrupt
	// ErrInUse matches the error of opening a directory that a process holds. The
	// error names the process.
	ErrInUse = vfs.ErrLocked
)

type (
	// CorruptError says where damage was found. A field that is not known is zero.
	//
	//	File        string  // base name of the damaged file
	//	Topic       string  // whose records the file holds
	//	Segment     uint64  // number of the segment, if File is one
	//	Offset      int64   // in File, or -1
	//	What        string  // what does not hold
	//	First, Next uint64  // the sequences [First, Next) cannot be read, if Next > First
	//	Err         error   // the cause, or nil; errors.Is and errors.As look into it
	//
	// It matches ErrCorrupt. To skip what is lost and read the rest:
	//
	//	for rec, err := range node.Range(ctx, "orders", pipeproc.RangeOptions{}) {
	//		var damage *pipeproc.CorruptError
	//		if errors.As(err, &damage) {
	//			log.Printf("%d records are lost: %v", damage.Next-damage.First, damage)
	//			continue
	//		}
	//		if err != nil {
	//			return err
	//		}
	//		use(rec)
	//	}
	CorruptError = errs.CorruptError
	// ConflictError reports a conditional commit (see Batch.Expect) that found the topic
	// elsewhere. It matches ErrConflict.
	//
	//	Topic  string
	//	Expect uint64  // the next sequence that the commit expected
	//	Next   uint64  // the next sequence that the topic has
	//
	//	var conflict *pipeproc.ConflictError
	//	if errors.As(err, &conflict) {
	//		// read the topic from conflict.Expect on, decide again, expect conflict.Next
	//	}
	ConflictError = topics.ConflictError
	// PrunedError reports a read of records that were pruned. It matches ErrPruned.
	//
	//	Topic string
	//	Seq   uint64  // the sequence that was asked for
	//	First uint64  // the first sequence that the topic still has
	//
	//	var gone *pipeproc.PrunedError
	//	if errors.As(err, &gone) {
	//		rec, err = node.Get(ctx, gone.Topic, gone.First)
	//	}
	PrunedError = topics.PrunedError
	// LockedError names the process that has a data directory open. It matches ErrInUse.
	//
	//	Path string  // of the lock file
	//	PID  int     // of the process; 0: unknown
	//
	//	var held *pipeproc.LockedError
	//	if errors.As(err, &held) {
	//		log.Fatalf("process %d has the store open", held.PID)
	//	}
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
