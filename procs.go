package pipeproc

import (
	"context"
	"errors"
	"time"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
)

// Token names one claim of a proc. An acknowledgement that carries it cannot
// reach another claim: it fails with ErrClaimLost once the claim timed out or
// was given back. Epoch is that of the node, which no two openings of a store share,
// and Serial a number within it. String returns the text form, which ParseToken
// reads.
type Token = procstate.Token

// ParseToken parses the text form of a Token.
func ParseToken(s string) (Token, error) { return procstate.ParseToken(s) }

// IDRange is a run of records of one topic, from First to Last, both included, and
// Count of them. Its text form is "first..last", and "" for none.
type IDRange = record.Range

// Headers that a record gets when it goes to a dead-letter topic.
const (
	HeaderDeadProc     = engine.DeadProc     // the proc that could not process it
	HeaderDeadID       = engine.DeadID       // the id that it had
	HeaderDeadTopic    = engine.DeadTopic    // the topic that it was in
	HeaderDeadAttempts = engine.DeadAttempts // how often it was delivered
	HeaderDeadReason   = engine.DeadReason   // why the last time failed
)

// Offsets at both ends of a topic; see ProcOptions.Offset.
const (
	OffsetFirst = ">"  // the first record of the topic
	OffsetNew   = "$>" // the first record committed from now on
)

// ProcOptions say what a proc is, when it is made, and how many records to
// claim. A proc that exists keeps what it was made with; only Count counts
// then.
type ProcOptions struct {
	// Name names the proc in the node: 1 to 255 bytes of printable UTF-8.
	Name string
	// Topic is what it reads. It need not exist yet.
	Topic string
	// Offset is where it begins:
	//
	//	">"                the first record of the topic: OffsetFirst, the default
	//	"$>"               the first one committed after the proc was made: OffsetNew
	//	"1700000000000"    the first one at or after a time, unix milliseconds
	//	"1700000000000-5"  the first one after an id, which need not exist
	//	":5"               the first one after the record of a sequence, which must
	Offset string
	// Count is how many records to claim at most. Default 1; negative: all
	// there are. A claim holds 16 MiB at most, or one record.
	Count int
	// Retry says what happens to records whose processing failed.
	Retry RetryPolicy
	// Ephemeral makes a proc that ends when the node is closed, or a while after
	// the client of another process that made it is gone.
	Ephemeral bool
}

// Validate reports what is wrong with o. Every method that takes options checks them
// itself.
func (o *ProcOptions) Validate() error {
	_, err := o.def()
	return err
}

// def checks o and makes a definition of it.
func (o *ProcOptions) def() (procstate.Def, error) {
	d := procstate.Def{Name: o.Name, Topic: o.Topic}
	if err := record.CheckProcName(o.Name); err != nil {
		return d, err
	}
	if err := record.CheckName(o.Topic); err != nil {
		return d, err
	}
	if o.Ephemeral {
		d.Owner = 1 // the engine puts its epoch there
	}
	var err error
	d.Options, err = o.Retry.options(o.Offset).Check(o.Topic)
	return d, err
}

// Claim is what a proc was given to process. Until it is acknowledged or given
// back the proc gives nothing else.
type Claim struct {
	Proc, Topic string
	Token       Token
	Range       IDRange
	Attempt     int           // 1 for the first delivery of these records
	Timeout     time.Duration // after which the node takes it back; negative: never
	// Skipped is how many sequences were pruned, by force, before the proc saw
	// them.
	Skipped uint64
	Records []Record // empty when there is nothing to do; the bytes are the caller's
}

// Empty reports whether there was nothing to claim.
func (c *Claim) Empty() bool { return len(c.Records) == 0 }

// Claim claims records for the proc of that name, which it makes if need be.
// The claim is empty when the proc has seen everything, when a claim of it is
// open, or while it waits before a retry. A disabled proc is ErrProcDisabled.
func (n *Node) Claim(ctx context.Context, o ProcOptions) (Claim, error) {
	if _, err := n.ensure(ctx, &o); err != nil {
		return Claim{}, err
	}
	return n.claim(ctx, o.Name, countOf(o.Count))
}

func countOf(n int) int {
	if n == 0 {
		return 1
	}
	return n
}

// EnsureProc returns the description of the proc of that name, which it makes
// if need be, and claims nothing.
func (n *Node) EnsureProc(ctx context.Context, o ProcOptions) (ProcInfo, error) {
	s, err := n.ensure(ctx, &o)
	if err != nil {
		return ProcInfo{}, err
	}
	return n.info(s), nil
}

func (n *Node) ensure(ctx context.Context, o *ProcOptions) (*procstate.State, error) {
	d, err := o.def()
	if err != nil {
		return nil, err
	}
	s, _, err := n.e.EnsureProc(ctx, d)
	return s, err
}

func (n *Node) claim(ctx context.Context, name string, count int) (Claim, error) {
	if ctx.Err() != nil {
		return Claim{}, context.Cause(ctx)
	}
	c := n.claims.Get().(*engine.Claimed)
	defer func() {
		c.Trim()
		n.claims.Put(c)
	}()
	if err := n.e.Claim(ctx, name, count, c); err != nil {
		return Claim{}, err
	}
	return Claim{Proc: name, Topic: c.Topic, Token: c.Token, Range: c.Range, Attempt: c.Attempt, Timeout: c.Timeout,
		Skipped: c.Skipped, Records: c.Own()}, nil
}

// ClaimAny makes the procs of the list that do not exist, and claims for
// one that has something to claim: the one that was served here longest ago, so
// that none is starved, whoever asks. Disabled procs are passed over. Without work
// the claim is empty.
func (n *Node) ClaimAny(ctx context.Context, list ...ProcOptions) (Claim, error) {
	if len(list) == 0 {
		return Claim{}, errs.InvalidProcOptions.With("the list of procs is empty")
	}
	for i := range list {
		if _, err := n.ensure(ctx, &list[i]); err != nil {
			return Claim{}, err
		}
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	for _, i := range n.turns.Order(names) {
		o := &list[i]
		c, err := n.claim(ctx, o.Name, countOf(o.Count))
		if errors.Is(err, errs.ProcDisabled) || errors.Is(err, errs.InvalidProc) {
			continue
		}
		if err == nil && !c.Empty() {
			n.turns.Served(o.Name)
		}
		if err != nil || !c.Empty() {
			return c, err
		}
	}
	return Claim{}, nil
}

// Ack acknowledges a claim and returns its range. A zero token means the claim
// that is open; without one the error is ErrInvalidAck. It is as durable as the
// node's SyncMode says.
func (n *Node) Ack(ctx context.Context, proc string, t Token) (IDRange, error) {
	op := &procstate.Op{Kind: procstate.Ack, Name: proc, Token: t}
	err := n.e.Propose(ctx, engine.ByMode, op)
	return op.Claim.Range, err
}

// AckCommit acknowledges a claim and commits records, both or neither, also
// across a crash. It returns the range that was acknowledged and the ids of the
// records. Without an open claim the error is ErrInvalidAckCommit, without
// records ErrUncommitted, and nothing happens.
func (n *Node) AckCommit(ctx context.Context, proc string, t Token, recs ...Record) (IDRange, []ID, error) {
	b := n.batches.Get().(*Batch)
	defer n.batches.Put(b)
	if err := b.fill(recs); err != nil {
		return IDRange{}, nil, err
	}
	r, err := n.AckCommitBatch(ctx, proc, t, b)
	if err != nil {
		return IDRange{}, nil, err
	}
	return r, append([]ID(nil), b.IDs()...), nil
}

// AckCommitBatch is AckCommit with a batch. The ids are in b.IDs.
func (n *Node) AckCommitBatch(ctx context.Context, proc string, t Token, b *Batch) (IDRange, error) {
	b.op = procstate.Op{Kind: procstate.Ack, Name: proc, Token: t, Commit: true}
	b.ops[0] = &b.op
	b.req.Batch, b.req.Procs, b.req.Durability = &b.b, b.ops[:], engine.Durability(b.Durability)
	err := n.e.Commit(ctx, &b.req)
	b.req.Procs = nil
	if err != nil {
		return IDRange{}, err
	}
	return b.op.Claim.Range, nil
}

// Reclaim gives a claim back: its records will be claimed again, after the
// proc's backoff. A zero token means the claim that is open; without one the
// error is ErrNothingToReclaim. It counts as a failure: with the MaxReclaims-th
// the proc's strategy takes effect, and reason, which may be empty, is what a
// dead letter gives as its reason. It returns the range claimed before.
func (n *Node) Reclaim(ctx context.Context, proc string, t Token, reason string) (IDRange, error) {
	if reason == "" {
		reason = "reclaimed"
	}
	s, err := n.e.Reclaim(ctx, proc, t, reason)
	if err != nil {
		return IDRange{}, err
	}
	return s.LastClaimed, nil
}

// DisableProc stops a proc from claiming. Its open claim, if there is one, can
// still be acknowledged.
func (n *Node) DisableProc(ctx context.Context, name string) (ProcInfo, error) {
	return n.change(ctx, procstate.Stop, name)
}

// ResumeProc lets a disabled proc claim again, and forgets its reclaims.
func (n *Node) ResumeProc(ctx context.Context, name string) (ProcInfo, error) {
	return n.change(ctx, procstate.Resume, name)
}

// DestroyProc removes a proc for good, with its system proc when it has one,
// and returns what it was. A proc of that name that is made later begins anew.
func (n *Node) DestroyProc(ctx context.Context, name string) (ProcInfo, error) {
	info, err := n.change(ctx, procstate.Destroy, name)
	if err == nil {
		n.pipes.Detach(name)
		n.turns.Forget(name)
	}
	return info, err
}

func (n *Node) change(ctx context.Context, k procstate.Kind, name string) (ProcInfo, error) {
	op := &procstate.Op{Kind: k, Name: name}
	if err := n.e.Propose(ctx, engine.ByMode, op); err != nil {
		return ProcInfo{}, err
	}
	return n.info(op.State), nil
}

// SeekProc moves a proc to an offset, back or forth; see ProcOptions.Offset.
// Its open claim, if there is one, is lost.
func (n *Node) SeekProc(ctx context.Context, name, offset string) (ProcInfo, error) {
	s, err := n.e.SeekProc(ctx, name, offset)
	if err != nil {
		return ProcInfo{}, err
	}
	return n.info(s), nil
}

// InspectProc returns the description of a proc.
func (n *Node) InspectProc(ctx context.Context, name string) (ProcInfo, error) {
	if ctx.Err() != nil {
		return ProcInfo{}, context.Cause(ctx)
	}
	s, err := n.e.Proc(name)
	if err != nil {
		return ProcInfo{}, err
	}
	return n.info(s), nil
}

// Procs returns the descriptions of all procs, by name.
func (n *Node) Procs(ctx context.Context) ([]ProcInfo, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	list, err := n.e.Procs()
	if err != nil {
		return nil, err
	}
	out := make([]ProcInfo, len(list))
	for i, s := range list {
		out[i] = n.info(s)
	}
	return out, nil
}

// WaitForProcs returns once all procs, or those named, have acknowledged
// everything in their topics, all at one moment. A proc that is disabled or
// does not exist, or whose topic does not, has nothing to do.
func (n *Node) WaitForProcs(ctx context.Context, names ...string) error {
	return n.e.WaitForProcs(ctx, names)
}

// WaitForWork returns once a proc has something to claim.
func (n *Node) WaitForWork(ctx context.Context, name string) error {
	return n.e.WaitForWork(ctx, name)
}
