package engine

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
)

// claimBytes bounds the records of one claim, in bytes, whatever count the caller asks
// for. A claim always holds at least one record.
const claimBytes = 16 << 20

// Claimed is a claim with its records, as Engine.Claim fills it in. It keeps its memory
// from one Claim to the next, and then allocates nothing per record.
//
// Four types are about a claim. procstate.OpenClaim is what the state holds of an open
// claim: token, range and time, no records. Claimed adds the records, in memory that is
// reused. worker.Task is what the pool gives a processor, from an engine or from
// another process. pipeproc.Claim is what applications get; its records are theirs to
// keep.
type Claimed struct {
	Proc, Topic string
	Token       procstate.Token
	Range       record.Range
	Attempt     int             // 1 for the first delivery
	Timeout     time.Duration   // negative: never
	Skipped     uint64          // sequences that were pruned before the proc saw them
	Records     []record.Record // valid until the next Claim; see Own

	cur     topics.Cursor
	arena   []byte
	ends    []pieceEnds
	headers []record.Header
	op      procstate.Op
	ops     [1]*procstate.Op
	req     Request
}

// pieceEnds says where the pieces of a record end in the arena.
type pieceEnds struct{ key, headers, body int }

// Claim claims up to count records for a proc, or all there are if count is
// negative, and reads them into c. c is empty if the proc has seen everything, has
// an open claim or waits before a retry.
//
// The claim is logged but not synced. A crash can at worst lose it, and then the
// records are claimed again. Its token tells it from any other claim.
//
// What to claim is decided from the visible state, and the leader checks it again.
// So an attempt may have to be repeated; see claimOutcome.
func (e *Engine) Claim(ctx context.Context, name string, count int, c *Claimed) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		outcome, err := e.tryClaim(ctx, name, count, c)
		switch outcome {
		case claimSettled:
			return err
		case claimRepeated:
			k, _ := keyOf(ctx)
			k.Again = true
			ctx = WithKey(ctx, k.Key, k.turn)
		case claimPruned, claimStale:
		}
	}
}

// claimOutcome says whether an attempt to claim is the last, or why there must be
// another.
type claimOutcome uint8

const (
	// claimSettled: records were claimed, there were none, or there is an error.
	claimSettled claimOutcome = iota
	// claimPruned: the records were pruned, or their topic deleted, before they
	// were read. The next attempt begins where the topic starts now.
	claimPruned
	// claimStale: the proc changed before the claim was committed.
	claimStale
	// claimRepeated: the same command of a client had made a claim before. The next
	// attempt reads that one.
	claimRepeated
)

// tryClaim makes one attempt to claim. The error is nil unless the outcome is
// claimSettled.
func (e *Engine) tryClaim(ctx context.Context, name string, count int, c *Claimed) (claimOutcome, error) {
	c.Records, c.Token, c.Range = c.Records[:0], procstate.Token{}, record.Range{}
	c.Proc, c.Topic, c.Timeout, c.Attempt, c.Skipped = name, "", 0, 0, 0 // of an empty claim
	p, s, err := e.procs.Get(name)
	switch {
	case e.shut.Load():
		return claimSettled, errClosed()
	case err != nil:
		return claimSettled, err
	}
	if k, ok := keyOf(ctx); ok && k.Again {
		if claim, known := e.claimedBefore(k.Key, s); known {
			return claimSettled, e.claimAgain(s, claim, c)
		}
	}
	switch {
	case s.Disabled:
		return claimSettled, procstate.Disabled(s)
	case s.Claim() != nil && !mutate.SkipOpenClaim || e.deadlines.held(p.ID(), s):
		return claimSettled, nil
	}
	t, err := e.reg.Topic(s.Def.Topic)
	if errors.Is(err, errs.InvalidTopic) {
		return claimSettled, nil
	} else if err != nil {
		return claimSettled, err
	}
	from, skipped, err := firstUnacked(t, s)
	if err != nil {
		return claimSettled, err
	}
	end := t.End()
	if from >= end {
		return claimSettled, nil
	}
	most, each := min(claimBytes, e.cfg.MaxBatch), 0
	if s.Def.OnMax == procstate.DeadLetter {
		each = deadLetterRoom // so that one command can hold the records with their dead-letter headers
	}
	err = c.read(t, topics.Span{From: from, To: end}, count, most, each)
	if errors.Is(err, errs.Pruned) || errors.Is(err, errs.InvalidTopic) {
		return claimPruned, nil
	}
	if err != nil || len(c.Records) == 0 {
		return claimSettled, err
	}
	c.Proc, c.Topic, c.Timeout, c.Attempt, c.Skipped = name, s.Def.Topic, s.Def.ReclaimTimeout, s.Reclaims+1, skipped
	return e.commitClaim(ctx, s, c)
}

// commitClaim commits the claim of the records in c by a proc that was in state s.
func (e *Engine) commitClaim(ctx context.Context, s *procstate.State, c *Claimed) (claimOutcome, error) {
	c.op = procstate.Op{Kind: procstate.Take, Name: c.Proc, Seen: s, Range: c.Range, Skipped: c.Skipped}
	c.ops[0] = &c.op
	c.req.Procs, c.req.Durability = c.ops[:], Buffered
	err := e.waitWAL(ctx)
	if err == nil {
		err = e.Commit(ctx, &c.req)
	}
	switch {
	case err == nil && c.op.Claim.Range == c.Range:
		c.Token = c.op.Claim.Token
		return claimSettled, nil
	case err == nil: // it is the reply to the command's first run
		return claimRepeated, nil
	}
	c.Records, c.Range = c.Records[:0], record.Range{}
	if errors.Is(err, procstate.ErrStale) {
		return claimStale, nil
	}
	return claimSettled, err
}

// claimAgain reads the records of a claim whose reply was lost. If claim is nil, c
// stays empty.
func (e *Engine) claimAgain(s *procstate.State, claim *procstate.OpenClaim, c *Claimed) error {
	if claim == nil {
		return nil
	}
	t, err := e.reg.Topic(s.Def.Topic)
	if err != nil {
		return err
	}
	if err := c.read(t, topics.Span{From: max(claim.Range.First.Seq, t.First()), To: claim.Range.Last.Seq + 1}, -1, math.MaxInt, 0); err != nil {
		return err
	}
	c.Proc, c.Topic, c.Timeout, c.Attempt, c.Skipped = s.Def.Name, s.Def.Topic, s.Def.ReclaimTimeout, s.Reclaims+1, 0
	c.Token, c.Range = claim.Token, claim.Range
	return nil
}

// read reads up to count records of sp, or all if count is negative. It stops once the
// records have most bytes, where each record counts each bytes more than it has.
func (c *Claimed) read(t *topics.Topic, sp topics.Span, count, most, each int) error {
	c.arena, c.ends, c.headers = c.arena[:0], c.ends[:0], c.headers[:0]
	c.cur.Reset(t, sp)
	c.cur.Expect(count)
	defer c.cur.Close()
	for c.cur.Next() {
		r := c.cur.Record()
		c.Records = append(c.Records, record.Record{ID: record.ID{Millis: r.Time, Seq: r.Seq}, Topic: t.Name()})
		c.arena = append(c.arena, r.Key...)
		p := pieceEnds{key: len(c.arena)}
		c.arena = append(c.arena, r.Headers...)
		p.headers = len(c.arena)
		c.arena = append(c.arena, r.Body...)
		p.body = len(c.arena)
		c.ends = append(c.ends, p)
		if len(c.Records) == count || p.body+each*len(c.Records) >= most {
			break
		}
	}
	if len(c.Records) == 0 {
		return c.cur.Err() // never past damage: a person has to decide what becomes of it
	}
	c.headers = pointInto(c.Records, c.ends, c.arena, c.headers)
	c.Range = record.Range{First: c.Records[0].ID, Last: c.Records[len(c.Records)-1].ID, Count: uint64(len(c.Records))}
	return nil
}

// Own returns copies of the records, which the caller may keep.
func (c *Claimed) Own() []record.Record {
	if len(c.Records) == 0 {
		return nil
	}
	recs := append(make([]record.Record, 0, len(c.Records)), c.Records...)
	var hs []record.Header
	if n := len(c.headers); n > 0 {
		hs = make([]record.Header, 0, n)
	}
	pointInto(recs, c.ends, append(make([]byte, 0, len(c.arena)), c.arena...), hs)
	return recs
}

// Trim releases memory that an unusually large claim took.
func (c *Claimed) Trim() {
	if cap(c.arena) > keepArena {
		c.arena = nil
	}
}

// keepArena is the most memory, in bytes, that Trim leaves a Claimed for the records of
// the next claim.
const keepArena = 1 << 20

// pointInto makes the keys, headers and bodies of recs point into arena, where at says
// that they are. It returns hs with the headers appended.
func pointInto(recs []record.Record, at []pieceEnds, arena []byte, hs []record.Header) []record.Header {
	from := 0
	for i := range recs {
		r, p := &recs[i], at[i]
		r.Key, r.Headers = nil, nil
		if p.key > from {
			r.Key = arena[from:p.key:p.key]
		}
		first := len(hs)
		for name, value := range segment.EachHeader(arena[p.key:p.headers:p.headers]) {
			hs = append(hs, record.Header{Name: name, Value: value})
		}
		if n := len(hs); n > first {
			r.Headers = hs[first:n:n]
		}
		r.Body = arena[p.headers:p.body:p.body]
		from = p.body
	}
	return hs
}

// Reclaim takes a claim back, so that its records are claimed again, and returns the
// proc's state afterwards. A zero token means whichever claim is open. If the records
// go to the dead-letter topic, reason is stored with them.
func (e *Engine) Reclaim(ctx context.Context, name string, token procstate.Token, reason string) (*procstate.State, error) {
	op := &procstate.Op{Kind: procstate.Reclaim, Name: name, Token: token}
	for {
		err := e.Propose(ctx, ByMode, op)
		if !errors.Is(err, procstate.ErrSpent) {
			return op.State, err
		}
		s, err := e.moveToDeadLetters(ctx, op.State, op.Claim, reason)
		switch {
		case errors.Is(err, procstate.ErrStale): // resumed meanwhile: the reclaims count from zero again
		case errors.Is(err, errs.ClaimLost) && token == (procstate.Token{}): // another claim may be open by now
		default:
			return s, err
		}
	}
}

// Release gives a claim back without counting it as a failure.
func (e *Engine) Release(ctx context.Context, name string, token procstate.Token) error {
	return e.Propose(ctx, Buffered, &procstate.Op{Kind: procstate.Release, Name: name, Token: token})
}
