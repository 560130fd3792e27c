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

// Token names one claim of a proc. An acknowledgement that carries it cannot reach
// another claim: it fails with ErrClaimLost once the claim has timed out or was given
// back. Pass on [Claim].Token as it is.
//
//	Epoch  uint64  // of the node; no two openings of a store have the same
//	Serial uint64  // of the claim within it
//
//	func (t Token) String() string  // "12-34", and "" for the zero Token; ParseToken reads it
//	func (t Token) MarshalText() ([]byte, error)
//	func (t *Token) UnmarshalText(b []byte) error
//
// The zero Token stands for whichever claim of the proc is open:
//
//	_, err := node.Ack(ctx, "mailer", pipeproc.Token{})
type Token = procstate.Token

// ParseToken parses the text form of a Token. The error is ErrClaimLost.
func ParseToken(s string) (Token, error) { return procstate.ParseToken(s) }

// IDRange is a run of records of one topic, such as those of a claim. Gaps of
// the topic do not count.
//
//	First, Last ID  // both are part of it
//	Count uint64    // records in it
//
//	func (r IDRange) Empty() bool     // there is no record in it
//	func (r IDRange) String() string  // "first..last", and "" for none
//	func (r IDRange) MarshalText() ([]byte, error)
//
// To read it again:
//
//	pipeproc.RangeOptions{Start: pipeproc.AtID(r.First), End: pipeproc.AtID(r.Last)}
type IDRange = record.Range

// Headers that a record gets, in addition to its own, when it goes to a dead-letter
// topic.
const (
	HeaderDeadProc     = "pipeproc-dead-proc"     // the proc that could not process it
	HeaderDeadID       = "pipeproc-dead-id"       // the id that it had
	HeaderDeadTopic    = "pipeproc-dead-topic"    // the topic that it was in
	HeaderDeadAttempts = "pipeproc-dead-attempts" // how often it was delivered
	HeaderDeadReason   = "pipeproc-dead-reason"   // the error of the last attempt; Each and EachValue put "record ID: " before it
)

// Offsets at both ends of a topic; see [ProcOptions].Offset.
const (
	OffsetFirst = ">"  // the first record of the topic
	OffsetNew   = "$>" // the first record committed from now on
)

// ProcOptions define a proc and say how many records to claim. An existing proc keeps the
// options that it was created with, so only Count applies to it.
type ProcOptions struct {
	// Name names the proc in the node: 1 to 255 bytes of printable UTF-8.
	Name string
	// Topic is the topic that it reads. It need not exist yet.
	Topic string
	// Offset is where it begins:
	//
	//	">"                the first record of the topic: OffsetFirst, the default
	//	"$>"               the first one committed after the proc was created: OffsetNew
	//	"1700000000000"    the first one at or after a time, unix milliseconds
	//	"1700000000000-5"  the first one after an id, which need not exist
	//	":5"               the first one after the record of a sequence, which must
	Offset string
	// Count is the largest number of records to claim. Default 1; negative: all there
	// are. A claim holds at most about 16 MiB, but always at least one record.
	Count int
	// Retry says what happens to records whose processing failed.
	Retry RetryPolicy
	// Ephemeral makes a proc that ends when the node is closed or, if a client in
	// another process created it, a while after that client has disconnected.
	Ephemeral bool
}

// Validate reports what is wrong with o. Every method that takes options also calls it.
func (o *ProcOptions) Validate() error {
	_, err := o.def()
	return err
}

// def checks o and returns it as a definition.
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

// Claim holds records that a proc gave out for processing. Until it is acknowledged,
// given back or times out, the proc gives out no others.
type Claim struct {
	Proc, Topic string
	Token       Token
	Range       IDRange
	Attempt     int           // 1 for the first delivery of these records
	Timeout     time.Duration // after which the node takes it back; negative: never
	// Skipped is how many sequences were pruned, by force, before the proc saw
	// them.
	Skipped uint64
	Records []Record // empty if there was nothing to claim; the caller may keep them
}

// Empty reports whether there was nothing to claim.
func (c *Claim) Empty() bool { return len(c.Records) == 0 }

// Claim claims records for the proc that o names, and creates the proc if it does not
// exist. The claim is empty if the proc has seen everything, has an open claim, or waits
// before a retry; WaitForWork returns when there is something. The error for a disabled
// proc is ErrProcDisabled.
//
//	for {
//		c, err := node.Claim(ctx, pipeproc.ProcOptions{Name: "mailer", Topic: "orders", Count: 10})
//		if err != nil {
//			return err
//		}
//		if c.Empty() {
//			if err := node.WaitForWork(ctx, "mailer"); err != nil {
//				return err
//			}
//			continue
//		}
//		if err := send(c.Records); err != nil {
//			_, err = node.Reclaim(ctx, c.Proc, c.Token, err.Error()) // they come again
//		} else {
//			_, err = node.Ack(ctx, c.Proc, c.Token)
//		}
//		if err != nil && !errors.Is(err, pipeproc.ErrClaimLost) { // lost: it took too long
//			return err
//		}
//	}
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

// EnsureProc returns the description of the proc that o names, and creates the proc if it
// does not exist. It claims nothing.
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

// ClaimAny creates the procs of the list that do not exist, and claims for one that has
// something to claim: the one that ClaimAny served longest ago on this node, for any
// caller, so that none starves. It skips disabled procs. If there is no work, the claim
// is empty.
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

// Ack acknowledges a claim and returns its range. A zero token means whichever claim is
// open. The error is ErrInvalidAck if none is. The acknowledgement is as durable as the
// node's SyncMode says.
func (n *Node) Ack(ctx context.Context, proc string, t Token) (IDRange, error) {
	op := &procstate.Op{Kind: procstate.Ack, Name: proc, Token: t}
	err := n.e.Propose(ctx, engine.ByMode, op)
	return op.Claim.Range, err
}

// AckCommit acknowledges a claim and commits records, both or neither, even in a crash.
// It returns the acknowledged range and the ids of the records. If there is no open claim
// the error is ErrInvalidAckCommit, if there are no records ErrUncommitted, and nothing
// changes.
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

// Reclaim gives a claim back: its records can be claimed again after the proc's backoff.
// A zero token means whichever claim is open. The error is ErrNothingToReclaim if none
// is. Reclaim counts as a failure: after MaxReclaims failures OnMaxReclaims applies, and
// dead letters carry reason, which may be empty. It returns the range claimed before.
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

// DisableProc stops a proc from claiming. Its open claim, if any, can still be
// acknowledged.
func (n *Node) DisableProc(ctx context.Context, name string) (ProcInfo, error) {
	return n.change(ctx, procstate.Stop, name)
}

// ResumeProc lets a disabled proc claim again, and forgets its reclaims.
func (n *Node) ResumeProc(ctx context.Context, name string) (ProcInfo, error) {
	return n.change(ctx, procstate.Resume, name)
}

// DestroyProc removes a proc for good, together with its part of a system proc, and
// returns its last description. A proc created later under that name is a new one.
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

// SeekProc moves a proc to an offset, backwards or forwards; see ProcOptions.Offset. Its
// open claim, if any, is lost.
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

// WaitForProcs returns once there was a moment at which all procs, or those named, had
// acknowledged everything in their topics. A proc that is disabled, does not exist or
// whose topic does not exist has nothing to do: check ProcInfo.Disabled and Pending if a
// proc may have given up. Names are those of procs; that of a system proc with one topic
// in From is its own.
func (n *Node) WaitForProcs(ctx context.Context, names ...string) error {
	return n.e.WaitForProcs(ctx, names)
}

// WaitForWork returns once a proc has something to claim.
func (n *Node) WaitForWork(ctx context.Context, name string) error {
	return n.e.WaitForWork(ctx, name)
}
