package worker

import (
	"context"
	"time"

	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/topics"
)

// Task is a claim that a Source made for the pool. The pool reuses a Task for further
// claims, also of other procs, once it was acknowledged or given back; one
// whose processor hangs is never reused. The pool counts Timeout from the
// return of Source.Claim, and so never gives up a processor before the Source
// does.
type Task struct {
	Proc, Topic string
	Token       procstate.Token
	Attempt     int           // 1 for the first delivery
	Timeout     time.Duration // the Source takes the claim back after it; not positive: never
	Skipped     uint64        // sequences pruned before the proc saw them
	Records     []record.Record

	// Own belongs to the Source, for memory that it wants back at the next
	// call. The pool does not use it.
	Own any
}

// Source is where a pool gets its work. It must be safe for concurrent use. The
// pool distinguishes its errors with errors.Is.
type Source interface {
	// Claim claims up to count records for proc into c, or as many as there are
	// if count is negative, and sets all fields of c. Without records there is
	// nothing to do at present. The records stay valid until c is acknowledged
	// or given back, even if the claim is lost before.
	//
	// After proc_is_disabled and invalid_proc the pool waits for the next call
	// of Watch's fn; after closed it stops; after any other error it tries
	// again.
	Claim(ctx context.Context, proc string, count int, c *Task) error
	// AckCommit acknowledges c and commits out, both or neither. A nil out is a
	// plain acknowledgement. claim_lost means that c was taken back.
	AckCommit(ctx context.Context, c *Task, out *topics.Batch) error
	// Reclaim gives c back as failed: counted, and with the proc's backoff. The text of
	// reason can be had, whatever the processor returned.
	Reclaim(ctx context.Context, c *Task, reason error) error
	// Release gives c back uncounted.
	Release(ctx context.Context, c *Task) error
	// Watch calls fn whenever proc, which reads topic, may have become
	// claimable: records were committed, the proc was acknowledged or resumed,
	// its claim timed out, its backoff ended. It may call fn spuriously, from
	// any goroutine and with locks held: fn returns at once and never calls the
	// Source. stop ends the watch; a late call of fn is harmless.
	Watch(proc, topic string, fn func()) (stop func())
}
