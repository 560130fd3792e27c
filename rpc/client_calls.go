package rpc

import (
	"context"
	"errors"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/hook"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/topics"
)

var _ pipeproc.Store = (*Client)(nil)

// one wraps a message that is a single piece.
func one(b []byte) [][]byte { return [][]byte{b} }

// fill makes b a batch of the records.
func fill(b *pipeproc.Batch, recs []pipeproc.Record) error {
	b.Reset()
	b.Durability = pipeproc.ByMode
	for i := range recs {
		if err := b.AddRecord(&recs[i]); err != nil {
			return err
		}
	}
	return nil
}

// Commit is Node.Commit.
func (c *Client) Commit(ctx context.Context, recs ...pipeproc.Record) ([]pipeproc.ID, error) {
	b := c.batch.Get().(*pipeproc.Batch)
	defer c.batch.Put(b)
	if err := fill(b, recs); err != nil {
		return nil, err
	}
	if err := c.CommitBatch(ctx, b); err != nil {
		return nil, err
	}
	return append([]pipeproc.ID(nil), b.IDs()...), nil
}

// CommitBatch is Node.CommitBatch.
func (c *Client) CommitBatch(ctx context.Context, b *pipeproc.Batch) error {
	recs, pos := hook.Batch(b)
	_, err := c.commit(ctx, recs, message.Commit{Durability: byte(b.Durability)}, pos)
	return err
}

// AckCommit is Node.AckCommit.
func (c *Client) AckCommit(ctx context.Context, proc string, t pipeproc.Token, recs ...pipeproc.Record) (pipeproc.IDRange, []pipeproc.ID, error) {
	b := c.batch.Get().(*pipeproc.Batch)
	defer c.batch.Put(b)
	if err := fill(b, recs); err != nil {
		return pipeproc.IDRange{}, nil, err
	}
	r, err := c.AckCommitBatch(ctx, proc, t, b)
	if err != nil {
		return pipeproc.IDRange{}, nil, err
	}
	return r, append([]pipeproc.ID(nil), b.IDs()...), nil
}

// AckCommitBatch is Node.AckCommitBatch.
func (c *Client) AckCommitBatch(ctx context.Context, proc string, t pipeproc.Token, b *pipeproc.Batch) (pipeproc.IDRange, error) {
	recs, pos := hook.Batch(b)
	return c.commit(ctx, recs, message.Commit{Durability: byte(b.Durability), Ack: true, Proc: proc, Token: t}, pos)
}

// commit sends a batch. Its position goes to pos.
func (c *Client) commit(ctx context.Context, b *topics.Batch, m message.Commit, pos *uint64) (pipeproc.IDRange, error) {
	*pos = 0
	b.Uncommitted()
	if m.Ack && m.Proc == "" {
		return pipeproc.IDRange{}, errs.InvalidProc.With(`there is no proc ""`)
	}
	parts := make([][]byte, 1, 2)
	var err error
	parts[0], err = b.AppendWire(m.Append(message.KeyRoom()), func(raw []byte) { parts = append(parts, raw) })
	if err != nil { // it holds an invalid record
		return pipeproc.IDRange{}, err
	}
	if b.Len() == 0 {
		return pipeproc.IDRange{}, errs.Uncommitted.With("the batch holds no record")
	}
	reply, err := c.send(ctx, message.MethodCommit, parts...)
	if err != nil {
		return pipeproc.IDRange{}, err
	}
	var done message.Committed
	ids, err := done.Take(reply)
	if err != nil {
		return pipeproc.IDRange{}, err
	}
	*pos = done.Position
	return done.Acked, b.ReadResult(ids)
}

// Sync is Node.Sync.
func (c *Client) Sync(ctx context.Context) error {
	_, err := c.call(ctx, message.MethodSync, func() [][]byte { return nil })
	return err
}

// Get is Node.Get.
func (c *Client) Get(ctx context.Context, topic string, seq uint64) (pipeproc.Record, error) {
	p, err := c.call(ctx, message.MethodGet, func() [][]byte { return one((&message.Get{Topic: topic, Seq: seq}).Append(nil)) })
	if err != nil {
		return pipeproc.Record{}, err
	}
	return message.TakeRecord(p, topic)
}

// Length is Node.Length.
func (c *Client) Length(ctx context.Context, topic string) (uint64, error) {
	p, err := c.call(ctx, message.MethodLength, func() [][]byte { return one(message.Name(topic).Append(nil)) })
	if err != nil {
		return 0, err
	}
	return message.TakeNumber(p)
}

// WaitForRecord is Node.WaitForRecord.
func (c *Client) WaitForRecord(ctx context.Context, topic string, seq uint64) error {
	_, err := c.call(ctx, message.MethodWaitFor, func() [][]byte { return one((&message.Get{Topic: topic, Seq: seq}).Append(nil)) })
	return err
}

// WaitForProcs is Node.WaitForProcs.
func (c *Client) WaitForProcs(ctx context.Context, names ...string) error {
	_, err := c.call(ctx, message.MethodWaitForProcs, func() [][]byte { return one(message.Names(names).Append(nil)) })
	return err
}

// WaitForWork is Node.WaitForWork.
func (c *Client) WaitForWork(ctx context.Context, name string) error {
	_, err := c.call(ctx, message.MethodWaitForWork, func() [][]byte { return one(message.Name(name).Append(nil)) })
	return err
}

// Claim is Node.Claim.
func (c *Client) Claim(ctx context.Context, o pipeproc.ProcOptions) (pipeproc.Claim, error) {
	if err := o.Validate(); err != nil { // also if the proc is known and EnsureProc is not called
		return pipeproc.Claim{}, err
	}
	for {
		if err := c.ensureKnown(ctx, o); err != nil {
			return pipeproc.Claim{}, err
		}
		k, err := c.claim(ctx, o.Name, o.Topic, o.Count)
		if errors.Is(err, errs.ProcNameNotUnique) || errors.Is(err, errs.InvalidProc) {
			c.known.Delete(o.Name) // it has been destroyed since, and perhaps created again
		}
		if !errors.Is(err, errs.InvalidProc) {
			return k, err
		}
	}
}

// ensureKnown ensures a proc that this client has not seen yet.
func (c *Client) ensureKnown(ctx context.Context, o pipeproc.ProcOptions) error {
	if topic, ok := c.known.Load(o.Name); ok && topic == o.Topic {
		return nil
	}
	_, err := c.EnsureProc(ctx, o)
	return err
}

// claim claims for a proc, which must read topic if that is not empty. A count of 0
// is 1.
func (c *Client) claim(ctx context.Context, name, topic string, count int) (pipeproc.Claim, error) {
	if count == 0 {
		count = 1
	}
	ask := message.Claim{Proc: name, Count: count, Topic: topic}
	p, err := c.send(ctx, message.MethodClaim, ask.Append(message.KeyRoom()))
	if err != nil {
		return pipeproc.Claim{}, err
	}
	var m message.Claimed
	err = m.Take(p)
	return pipeproc.Claim{Proc: name, Topic: m.Topic, Token: m.Token, Range: m.Range, Attempt: m.Attempt, Timeout: m.Timeout,
		Skipped: m.Skipped, Records: m.Records}, err
}

// EnsureProc is Node.EnsureProc.
func (c *Client) EnsureProc(ctx context.Context, o pipeproc.ProcOptions) (pipeproc.ProcInfo, error) {
	if err := o.Validate(); err != nil { // checked here too: JSON would change names that are not UTF-8
		return pipeproc.ProcInfo{}, err
	}
	m, err := callJSON(ctx, c, message.Calls.EnsureProc, procArgs(o))
	if err == nil {
		c.known.Store(m.Name, m.Topic)
	}
	return procInfo(m), err
}

// ClaimAny is Node.ClaimAny. It is fair to the procs of this client.
func (c *Client) ClaimAny(ctx context.Context, list ...pipeproc.ProcOptions) (pipeproc.Claim, error) {
	if len(list) == 0 {
		return pipeproc.Claim{}, errs.InvalidProcOptions.With("the list of procs is empty")
	}
	names := make([]string, len(list))
	for i := range list {
		if err := list[i].Validate(); err != nil {
			return pipeproc.Claim{}, err
		}
		if err := c.ensureKnown(ctx, list[i]); err != nil {
			return pipeproc.Claim{}, err
		}
		names[i] = list[i].Name
	}
	for _, i := range c.turns.Order(names) {
		k, err := c.Claim(ctx, list[i])
		if errors.Is(err, errs.ProcDisabled) {
			continue
		}
		if err == nil && !k.Empty() {
			c.turns.Served(names[i])
		}
		if err != nil || !k.Empty() {
			return k, err
		}
	}
	return pipeproc.Claim{}, nil
}

// Ack is Node.Ack.
func (c *Client) Ack(ctx context.Context, proc string, t pipeproc.Token) (pipeproc.IDRange, error) {
	return c.ofClaim(ctx, message.MethodAck, message.OfClaim{Proc: proc, Token: t})
}

// Reclaim is Node.Reclaim.
func (c *Client) Reclaim(ctx context.Context, proc string, t pipeproc.Token, reason string) (pipeproc.IDRange, error) {
	return c.ofClaim(ctx, message.MethodReclaim, message.OfClaim{Proc: proc, Token: t, Reason: reason})
}

func (c *Client) ofClaim(ctx context.Context, method uint16, m message.OfClaim) (pipeproc.IDRange, error) {
	p, err := c.send(ctx, method, m.Append(message.KeyRoom(), method))
	if err != nil || method == message.MethodRelease {
		return pipeproc.IDRange{}, err
	}
	return message.TakeRange(p)
}
