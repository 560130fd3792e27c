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
		return s.sendReverse(ctx, c, t, sp, m.Limit)
	}
	cur := t.Cursor(sp)
	defer cur.Close()
	left, plain := m.Limit, m.Flags&message.RangePlain != 0
	for {
		if err := s.sendBlocks(ctx, c, cur, plain, &left); err != nil {
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
func (s *service) sendBlocks(ctx context.Context, c *transport.Call, cur *topics.Cursor, plain bool, left *int64) error {
	var head, body []byte
	out := sending{s: s, c: c, ctx: ctx}
	defer out.sent()
	for {
		more, err := out.next(func() (bool, int) {
			if !cur.NextBlock(plain) {
				return false, 0
			}
			head, body = cur.AppendBlockHead(append(head[:0], message.ItemBlock))
			return true, len(body)
		})
		if err != nil || !more {
			return err
		}
		first := cur.BlockFirst()
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
}

// recordsItem is how many bytes of records go into one item.
const recordsItem = 64 << 10

// sendReverse sends records, newest first.
func (s *service) sendReverse(ctx context.Context, c *transport.Call, t *topics.Topic, sp topics.Span, limit int64) error {
	cur := t.Reverse(sp)
	defer cur.Close()
	if limit <= 0 { // none
		limit = -1
	}
	var head, recs []byte
	out := sending{s: s, c: c, ctx: ctx}
	defer out.sent()
	for {
		n := uint64(0)
		more, err := out.next(func() (bool, int) {
			if cap(recs) > 4*recordsItem { // of a large record
				recs = nil
			}
			for recs = recs[:0]; len(recs) < recordsItem && limit != 0 && cur.Next(); n++ {
				recs = message.AppendStored(recs, cur.Record())
				limit--
			}
			return n > 0, len(recs)
		})
		if err != nil {
			return err
		}
		if more {
			head = message.AppendRecordsHead(head[:0], n)
			if err := c.Item(head, recs); err != nil {
				return err
			}
		}
		switch {
		case limit == 0:
			return nil
		case cur.Err() != nil:
			if err := c.Item(message.Failure{Err: cur.Err()}.Append(nil)); err != nil || !cur.Resume() {
				return err
			}
		case !more:
			return nil
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
		if err := s.sendBlocks(ctx, c, cur, m.Flags&message.RangePlain != 0, &all); err != nil {
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
