package pipeproc

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/rpc"
)

// keyedContext returns a context under which one command is that of the client
// that sent key.
func keyedContext(ctx context.Context, c *rpc.Call, k once.Key) context.Context {
	if k.Seq == 0 {
		return ctx
	}
	k.Client = c.Peer().ClientID
	return engine.WithKey(ctx, k)
}

// fail answers a call with an error.
func fail(c *rpc.Call, err error) {
	code, text, details := encodeError(err)
	_ = c.Fail(code, text, details)
}

// commit runs methodCommit: a batch, with or without an acknowledgement.
func (s *service) commit(ctx context.Context, c *rpc.Call) error {
	d := enc.Reader{B: c.Body()}
	k := takeKey(&d)
	durability, ack := Durability(d.Byte()), d.Byte()
	var proc string
	var token Token
	if ack == 1 {
		proc, token = string(d.Bytes()), takeToken(&d)
	}
	if d.Err != nil || ack > 1 {
		return malformed("commit")
	}
	b := s.n.batches.Get().(*Batch)
	defer s.n.batches.Put(b)
	defer b.Reset() // the records are the call's
	if err := b.b.ReadWire(d.B); err != nil {
		return err
	}
	b.Durability = durability
	ctx = keyedContext(ctx, c, k)
	var acked IDRange
	var err error
	if ack == 1 {
		acked, err = s.n.AckCommitBatch(ctx, proc, token, b)
	} else {
		err = s.n.CommitBatch(ctx, b)
	}
	if err != nil {
		return err
	}
	if durability == ByMode {
		s.haste.learn(s.n, b.Position())
	}
	reply := binary.AppendUvarint(nil, b.Position())
	reply = appendRange(reply, acked)
	return c.Reply(b.b.AppendResult(reply))
}

// ack runs methodAck.
func (s *service) ack(ctx context.Context, c *rpc.Call) error {
	d := enc.Reader{B: c.Body()}
	k, proc, token := takeKey(&d), string(d.Bytes()), takeToken(&d)
	if d.Err != nil {
		return malformed("acknowledgement")
	}
	r, err := s.n.Ack(keyedContext(ctx, c, k), proc, token)
	if err != nil {
		return err
	}
	return c.Reply(appendRange(nil, r))
}

// reclaim runs methodReclaim and, without counting, methodRelease.
func (s *service) reclaim(ctx context.Context, c *rpc.Call) error {
	d := enc.Reader{B: c.Body()}
	k, proc, token := takeKey(&d), string(d.Bytes()), takeToken(&d)
	ctx = keyedContext(ctx, c, k)
	if c.Method() == methodRelease {
		if d.Err != nil {
			return malformed("release")
		}
		if err := s.n.e.Release(ctx, proc, token); err != nil {
			return err
		}
		return c.Reply()
	}
	reason := string(d.Bytes())
	if d.Err != nil {
		return malformed("reclaim")
	}
	r, err := s.n.Reclaim(ctx, proc, token, reason)
	if err != nil {
		return err
	}
	return c.Reply(appendRange(nil, r))
}

// claim runs methodClaim.
func (s *service) claim(ctx context.Context, c *rpc.Call) error {
	d := enc.Reader{B: c.Body()}
	k, proc, count := takeKey(&d), string(d.Bytes()), d.Varint()
	var topic string
	if len(d.B) > 0 {
		topic = string(d.Bytes())
	}
	if d.Err != nil || int64(int(count)) != count {
		return malformed("claim")
	}
	if topic != "" { // the proc that the client knew may be another one by now
		if st, err := s.n.e.Proc(proc); err == nil && st.Def.Topic != topic {
			return procstate.NotUnique(st.Def, topic)
		}
	}
	m := s.n.claims.Get().(*engine.Claimed)
	defer func() {
		m.Trim()
		s.n.claims.Put(m)
	}()
	if err := s.n.e.Claim(keyedContext(ctx, c, k), proc, int(count), m); err != nil {
		return err
	}
	reply := appendClaimHead(nil, m.Token, m.Attempt, m.Timeout, m.Skipped, m.Topic, m.Range)
	var headers []byte
	for i := range m.Records {
		r := &m.Records[i]
		headers = appendHeaders(headers[:0], r.Headers)
		reply = appendWireRecord(reply, r, headers)
	}
	return c.Reply(reply)
}

// get runs methodGet.
func (s *service) get(ctx context.Context, c *rpc.Call) error {
	d := enc.Reader{B: c.Body()}
	topic, seq := string(d.Bytes()), d.Uvarint()
	if d.Err != nil {
		return malformed("get")
	}
	r, err := s.n.Get(ctx, topic, seq)
	if err != nil {
		return err
	}
	return c.Reply(appendWireRecord(nil, &r, appendHeaders(nil, r.Headers)))
}

// length runs methodLength.
func (s *service) length(ctx context.Context, c *rpc.Call) error {
	d := enc.Reader{B: c.Body()}
	topic := string(d.Bytes())
	if d.Err != nil {
		return malformed("length")
	}
	n, err := s.n.Length(ctx, topic)
	if err != nil {
		return err
	}
	return c.Reply(binary.AppendUvarint(nil, n))
}

// wait runs the methods that end when something has happened.
func (s *service) wait(ctx context.Context, c *rpc.Call) error {
	d := enc.Reader{B: c.Body()}
	var err error
	switch c.Method() {
	case methodSync:
		err = s.n.Sync(ctx)
	case methodWaitFor:
		topic, seq := string(d.Bytes()), d.Uvarint()
		if d.Err != nil {
			return malformed("wait")
		}
		err = s.n.WaitForRecord(ctx, topic, seq)
	case methodWaitForProcs:
		names := make([]string, d.Count(1))
		for i := range names {
			names[i] = string(d.Bytes())
		}
		if d.Err != nil {
			return malformed("wait")
		}
		err = s.n.WaitForProcs(ctx, names...)
	default:
		name := string(d.Bytes())
		if d.Err != nil {
			return malformed("wait")
		}
		err = s.n.WaitForWork(ctx, name)
	}
	if err != nil {
		return err
	}
	return c.Reply()
}

// watch runs methodWatch: an item whenever a proc may have become claimable. A
// pool of workers at the other end counts as running the proc.
func (s *service) watch(ctx context.Context, c *rpc.Call) error {
	d := enc.Reader{B: c.Body()}
	proc, topic := string(d.Bytes()), string(d.Bytes())
	if d.Err != nil {
		return malformed("watch")
	}
	ch := make(chan struct{}, 1)
	stop := s.n.e.Watch(proc, topic, func() {
		select {
		case ch <- struct{}{}:
		default:
		}
	})
	defer stop()
	defer s.n.pipes.elsewhere(proc)()
	if err := c.Item(); err != nil { // from now on nothing is missed
		return err
	}
	for {
		select {
		case <-ch:
			if err := c.Item(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.n.e.Done():
			return errors.New("the node is closing")
		}
	}
}
