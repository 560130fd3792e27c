package rpc

import (
	"context"
	"errors"
	"math"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/topics"
)

// ranges runs MethodRange. Blocks go out as they are stored, unless the client
// cannot decompress them.
func (s *service) ranges(ctx context.Context, c *transport.Call) error {
	var m message.Range
	if err := m.Take(c.Body()); err != nil {
		return err
	}
	if m.Flags&message.RangeFollow != 0 {
		return s.follow(ctx, c, m)
	}
	t, err := s.e.Topic(m.Topic)
	if err != nil {
		return err
	}
	sp, err := span(t, m)
	if err != nil {
		return err
	}
	if err := c.Item(message.Span(sp).Append(nil)); err != nil {
		return err
	}
	if m.Flags&message.RangeReverse != 0 {
		return sendReverse(c, t, sp, m.Limit)
	}
	cur := t.Cursor(sp)
	defer cur.Close()
	left, plain := m.Limit, m.Flags&message.RangePlain != 0
	for {
		if err := sendBlocks(c, cur, plain, &left); err != nil {
			return err
		}
		if left < 0 || cur.Err() == nil {
			return nil // the handler's return ends the stream
		}
		if err := c.Item(message.Failure{Err: cur.Err()}.Append(nil)); err != nil || !cur.Resume() {
			return err
		}
	}
}

// span resolves what a client asked for.
func span(t *topics.Topic, m message.Range) (topics.Span, error) {
	if m.Flags&message.RangeSpan != 0 {
		return topics.Span{From: m.From, To: min(m.To, t.End())}, nil
	}
	start, err := record.ParseBound(m.Start)
	if err != nil {
		return topics.Span{}, err
	}
	end, err := record.ParseBound(m.End)
	if err != nil {
		return topics.Span{}, err
	}
	if m.Flags&message.RangeReverse != 0 {
		start, end = end, start
	}
	return t.Resolve(start, end, m.Flags&message.RangeExclusive != 0, t.End())
}

// sendBlocks sends the blocks of a cursor until its end, an error or, with a
// limit above 0, enough records. left is then below 0.
func sendBlocks(c *transport.Call, cur *topics.Cursor, plain bool, left *int64) error {
	var head []byte
	for cur.NextBlock(plain) {
		first := cur.BlockFirst()
		var body []byte
		head, body = cur.AppendBlockHead(append(head[:0], message.ItemBlock))
		if err := c.Item(head, body); err != nil {
			return err
		}
		if *left > 0 {
			if *left -= int64(cur.Pos() - first); *left <= 0 {
				*left = -1
				return nil
			}
		}
	}
	return nil
}

// recordsItem is how many bytes of records go into one item.
const recordsItem = 64 << 10

// sendReverse sends records one by one, newest first.
func sendReverse(c *transport.Call, t *topics.Topic, sp topics.Span, limit int64) error {
	cur := t.Reverse(sp)
	defer cur.Close()
	var head, recs []byte
	var n uint64
	flush := func() error {
		if n == 0 {
			return nil
		}
		head = message.AppendRecordsHead(head[:0], n)
		err := c.Item(head, recs)
		recs, n = recs[:0], 0
		return err
	}
	for {
		for cur.Next() {
			recs = message.AppendStored(recs, cur.Record())
			n++
			limit--
			if len(recs) >= recordsItem || limit == 0 {
				if err := flush(); err != nil || limit == 0 {
					return err
				}
			}
		}
		if err := flush(); err != nil || cur.Err() == nil {
			return err
		}
		if err := c.Item(message.Failure{Err: cur.Err()}.Append(nil)); err != nil || !cur.Resume() {
			return err
		}
	}
}

// follow sends the records of a topic from a sequence on, then new ones as they
// arrive, until the client is gone.
func (s *service) follow(ctx context.Context, c *transport.Call, m message.Range) error {
	t, err := s.e.WaitTopic(ctx, m.Topic)
	if err != nil {
		return err
	}
	cur := t.Cursor(topics.Span{From: m.From, To: t.End()})
	defer func() { cur.Close() }()
	if err := c.Item(message.Span{From: m.From, To: math.MaxUint64}.Append(nil)); err != nil {
		return err
	}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var all int64
		if err := sendBlocks(c, cur, m.Flags&message.RangePlain != 0, &all); err != nil {
			return err
		}
		if err := cur.Err(); err != nil {
			if err := c.Item(message.Failure{Err: err}.Append(nil)); err != nil {
				return err
			}
			switch {
			case cur.Resume():
				continue
			case errors.Is(err, errs.Pruned):
				cur.Close()
				cur = t.Cursor(topics.Span{From: t.First(), To: t.End()})
				continue
			}
			return nil
		}
		if err := t.Wait(ctx, cur.Pos()); err != nil {
			return err
		}
		cur.Extend(t.End())
	}
}
