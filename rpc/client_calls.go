package pipeproc

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/topics"
)

var _ Store = (*Client)(nil)

// Commit is as Node.Commit.
func (c *Client) Commit(ctx context.Context, recs ...Record) ([]ID, error) {
	b := c.batch.Get().(*Batch)
	defer c.batch.Put(b)
	if err := b.fill(recs); err != nil {
		return nil, err
	}
	if err := c.CommitBatch(ctx, b); err != nil {
		return nil, err
	}
	return append([]ID(nil), b.IDs()...), nil
}

// CommitBatch is as Node.CommitBatch.
func (c *Client) CommitBatch(ctx context.Context, b *Batch) error {
	_, err := c.commit(ctx, b, "", Token{})
	return err
}

// AckCommit is as Node.AckCommit.
func (c *Client) AckCommit(ctx context.Context, proc string, t Token, recs ...Record) (IDRange, []ID, error) {
	b := c.batch.Get().(*Batch)
	defer c.batch.Put(b)
	if err := b.fill(recs); err != nil {
		return IDRange{}, nil, err
	}
	r, err := c.AckCommitBatch(ctx, proc, t, b)
	if err != nil {
		return IDRange{}, nil, err
	}
	return r, append([]ID(nil), b.IDs()...), nil
}

// AckCommitBatch is as Node.AckCommitBatch.
func (c *Client) AckCommitBatch(ctx context.Context, proc string, t Token, b *Batch) (IDRange, error) {
	if proc == "" {
		return IDRange{}, errs.InvalidProc.With(`there is no proc ""`)
	}
	return c.commit(ctx, b, proc, t)
}

// commit sends a batch, and the acknowledgement of proc if that is not empty.
func (c *Client) commit(ctx context.Context, b *Batch, proc string, t Token) (IDRange, error) {
	return c.commitBatch(ctx, &b.b, b.Durability, proc, t, &b.req.Position)
}

func (c *Client) commitBatch(ctx context.Context, b *topics.Batch, durability Durability, proc string, t Token, pos *uint64) (IDRange, error) {
	if b.Len() == 0 {
		if _, err := b.AppendWire(nil, func([]byte) {}); err != nil { // it holds a bad one
			return IDRange{}, err
		}
		return IDRange{}, errs.Uncommitted.With("the batch holds no record")
	}
	var parts [][]byte
	var bad error
	reply, err := c.send(ctx, methodCommit, func(k once.Key) [][]byte {
		head := append(appendKey(nil, k), byte(durability))
		if proc == "" {
			head = append(head, 0)
		} else {
			head = appendToken(enc.AppendString(append(head, 1), proc), t)
		}
		parts = append(parts[:0], nil)
		head, bad = b.AppendWire(head, func(raw []byte) { parts = append(parts, raw) })
		parts[0] = head
		return parts
	})
	if bad != nil {
		return IDRange{}, bad
	}
	if err != nil {
		return IDRange{}, err
	}
	d := enc.Reader{B: reply}
	*pos = d.Uvarint()
	r := takeRange(&d)
	if d.Err != nil {
		return IDRange{}, malformed("answer")
	}
	return r, b.ReadResult(d.B)
}

// Sync is as Node.Sync.
func (c *Client) Sync(ctx context.Context) error {
	_, err := c.call(ctx, methodSync, func() [][]byte { return nil })
	return err
}

// Get is as Node.Get.
func (c *Client) Get(ctx context.Context, topic string, seq uint64) (Record, error) {
	p, err := c.call(ctx, methodGet, func() [][]byte {
		return [][]byte{binary.AppendUvarint(enc.AppendString(nil, topic), seq)}
	})
	if err != nil {
		return Record{}, err
	}
	d := enc.Reader{B: p}
	r := takeRecord(&d, topic)
	return r, d.Err
}

// Length is as Node.Length.
func (c *Client) Length(ctx context.Context, topic string) (uint64, error) {
	p, err := c.call(ctx, methodLength, func() [][]byte { return [][]byte{enc.AppendString(nil, topic)} })
	if err != nil {
		return 0, err
	}
	d := enc.Reader{B: p}
	n := d.Uvarint()
	return n, d.Err
}

// WaitFor is as Node.WaitFor.
func (c *Client) WaitForRecord(ctx context.Context, topic string, seq uint64) error {
	_, err := c.call(ctx, methodWaitFor, func() [][]byte {
		return [][]byte{binary.AppendUvarint(enc.AppendString(nil, topic), seq)}
	})
	return err
}

// WaitForProcs is as Node.WaitForProcs.
func (c *Client) WaitForProcs(ctx context.Context, names ...string) error {
	_, err := c.call(ctx, methodWaitForProcs, func() [][]byte {
		b := binary.AppendUvarint(nil, uint64(len(names)))
		for _, n := range names {
			b = enc.AppendString(b, n)
		}
		return [][]byte{b}
	})
	return err
}

// WaitForWork is as Node.WaitForWork.
func (c *Client) WaitForWork(ctx context.Context, name string) error {
	_, err := c.call(ctx, methodWaitForWork, func() [][]byte { return [][]byte{enc.AppendString(nil, name)} })
	return err
}

// Proc is as Node.Proc.
func (c *Client) Claim(ctx context.Context, o ProcOptions) (Claim, error) {
	if _, err := o.def(); err != nil { // also if the proc is known, and EnsureProc not called
		return Claim{}, err
	}
	for {
		if topic, ok := c.known.Load(o.Name); !ok || topic != o.Topic {
			if _, err := c.EnsureProc(ctx, o); err != nil {
				return Claim{}, err
			}
		}
		k, err := c.claim(ctx, o.Name, o.Topic, countOf(o.Count))
		if errors.Is(err, errs.ProcNameNotUnique) || errors.Is(err, errs.InvalidProc) {
			c.known.Delete(o.Name) // it was destroyed since, and perhaps made again
		}
		if !errors.Is(err, errs.InvalidProc) {
			return k, err
		}
	}
}

// claim claims for a proc, which must read topic if that is not empty.
func (c *Client) claim(ctx context.Context, name, topic string, count int) (Claim, error) {
	p, err := c.send(ctx, methodClaim, func(k once.Key) [][]byte {
		b := binary.AppendVarint(enc.AppendString(appendKey(nil, k), name), int64(count))
		if topic != "" {
			b = enc.AppendString(b, topic)
		}
		return [][]byte{b}
	})
	if err != nil {
		return Claim{}, err
	}
	return takeClaim(p, name)
}

// EnsureProc is as Node.EnsureProc.
func (c *Client) EnsureProc(ctx context.Context, o ProcOptions) (ProcInfo, error) {
	if _, err := o.def(); err != nil { // names that are no UTF-8 would become others on the way
		return ProcInfo{}, err
	}
	i, err := admin[wireProc](ctx, c, "ensureProc", o)
	if err == nil {
		c.known.Store(i.Name, i.Topic)
	}
	return i.info(), err
}

// AvailableProc is as Node.AvailableProc; it is fair to the procs of this client.
func (c *Client) ClaimAny(ctx context.Context, list ...ProcOptions) (Claim, error) {
	if len(list) == 0 {
		return Claim{}, errs.InvalidProcOptions.With("the list of procs is empty")
	}
	for i := range list {
		if _, err := list[i].def(); err != nil {
			return Claim{}, err
		}
		if topic, ok := c.known.Load(list[i].Name); ok && topic == list[i].Topic {
			continue
		}
		if _, err := c.EnsureProc(ctx, list[i]); err != nil {
			return Claim{}, err
		}
	}
	for _, o := range c.turns.order(list) {
		k, err := c.Claim(ctx, *o)
		if errors.Is(err, errs.ProcDisabled) {
			continue
		}
		if err == nil && !k.Empty() {
			c.turns.served(o.Name)
		}
		if err != nil || !k.Empty() {
			return k, err
		}
	}
	return Claim{}, nil
}

// Ack is as Node.Ack.
func (c *Client) Ack(ctx context.Context, proc string, t Token) (IDRange, error) {
	return c.ranged(ctx, methodAck, proc, t, "")
}

// Reclaim is as Node.Reclaim.
func (c *Client) Reclaim(ctx context.Context, proc string, t Token, reason string) (IDRange, error) {
	return c.ranged(ctx, methodReclaim, proc, t, reason)
}

func (c *Client) ranged(ctx context.Context, method uint16, proc string, t Token, reason string) (IDRange, error) {
	p, err := c.send(ctx, method, func(k once.Key) [][]byte {
		b := appendToken(enc.AppendString(appendKey(nil, k), proc), t)
		if method == methodReclaim {
			b = enc.AppendString(b, reason)
		}
		return [][]byte{b}
	})
	if err != nil || method == methodRelease {
		return IDRange{}, err
	}
	d := enc.Reader{B: p}
	r := takeRange(&d)
	return r, d.Err
}

// admin makes a call whose arguments and results go as JSON.
func admin[R any](ctx context.Context, c *Client, name string, args any) (R, error) {
	var r R
	b, err := json.Marshal(args)
	if err != nil {
		return r, err
	}
	p, err := c.send(ctx, methodAdmin, func(k once.Key) [][]byte {
		return [][]byte{enc.AppendBytes(enc.AppendString(appendKey(nil, k), name), b)}
	})
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(p, &r)
}
