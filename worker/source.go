package worker

import (
	"context"
	"time"

	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/topics"
)

// Claim is what a Source gave. A Claim is used again for further claims, of
// other procs too, once it was acknowledged or given back; one whose processor
// hangs never is. The pool counts Timeout from the return of Source.Claim, and so
// never gives a processor up before the Source does.
type Claim struct {
	Proc, Topic string
	Token       procstate.Token
	Attempt     int           // 1 for the first delivery
	Timeout     time.Duration // after which the Source takes the claim back; not positive: never
	Skipped     uint64        // records that were pruned before the proc saw them
	Records     []record.Record

	// Own is the Source's, for memory that it wants to find again at the next
	// call. The pool does not look at it.
	Own any
}

// Source is where a pool gets its work. It must be safe for concurrent use. Its
// errors are told apart with errors.Is.
type Source interface {
	// Claim claims up to count records for proc into c, as many as there are
	// for a negative count, and sets all fields of c. No records mean that
	// there is nothing to do at present. The records are valid until c is
	// acknowledged or given back, whatever becomes of the claim before.
	//
	// proc_is_disabled and invalid_proc make the pool wait for the next call of
	// Watch's fn, closed makes it stop; after any other error it tries again.
	Claim(ctx context.Context, proc string, count int, c *Claim) error
	// AckCommit acknowledges c and commits out, both or neither. A nil out is
	// a plain acknowledgement. claim_lost means that somebody took c back.
	AckCommit(ctx context.Context, c *Claim, out *topics.Batch) error
	// Reclaim gives c back as failed: counted, and with the proc's backoff.
	Reclaim(ctx context.Context, c *Claim, reason error) error
	// Release gives c back uncounted.
	Release(ctx context.Context, c *Claim) error
	// Watch calls fn whenever proc, which reads topic, may have become
	// claimable: records were committed, the proc was acknowledged or resumed,
	// its claim timed out, its backoff ended. It may call fn without need,
	// from any goroutine and holding locks: fn returns at once and calls
	// nothing of the Source. stop ends that; a late call does no harm.
	Watch(proc, topic string, fn func()) (stop func())
}
