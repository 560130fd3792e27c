package pipeproc

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
)

// askedRange is what a client asked for.
type askedRange struct {
	topic      string
	flags      byte
	start, end string
	from, to   uint64
	limit      int64
}

func takeAskedRange(p []byte) (a askedRange, err error) {
	d := enc.Reader{B: p}
	a.topic, a.flags = string(d.Bytes()), d.Byte()
	if a.flags&(rangeSpan|rangeFollow) != 0 {
		a.from, a.to = d.Uvarint(), d.Uvarint()
	} else {
		a.start, a.end = string(d.Bytes()), string(d.Bytes())
	}
	a.limit = d.Varint()
	if d.Err != nil || len(d.B) != 0 || a.flags >= 2*rangePlain {
		return a, malformed("range")
	}
	return a, nil
}

// ranges runs methodRange. Blocks go out as they are stored, unless the client
// cannot decompress them.
func (s *service) ranges(ctx context.Context, c *rpc.Call) error {
	a, err := takeAskedRange(c.Body())
	if err != nil {
		return err
	}
	if a.flags&rangeFollow != 0 {
		return s.follow(ctx, c, a)
	}
	t, err := s.n.e.Topic(a.topic)
	if err != nil {
		return err
	}
	reverse := a.flags&rangeReverse != 0
	sp := topics.Span{From: a.from, To: min(a.to, t.End())}
	if a.flags&rangeSpan == 0 {
		o := RangeOptions{Start: mustBound(a.start), End: mustBound(a.end), Exclusive: a.flags&rangeExclusive != 0}
		if sp, err = resolve(t, o, reverse); err != nil {
			return err
		}
	}
	if err := sendSpan(c, sp); err != nil {
		return err
	}
	if reverse {
		return sendReverse(c, t, sp, a.limit)
	}
	cur := t.Cursor(sp)
	defer cur.Close()
	left, plain := a.limit, a.flags&rangePlain != 0
	for {
		if err := sendBlocks(c, cur, plain, &left); err != nil {
			return err
		}
		if left < 0 || cur.Err() == nil {
			return nil // the handler's return ends the stream
		}
		if err := sendError(c, cur.Err()); err != nil || !cur.Resume() {
			return err
		}
	}
}

func sendSpan(c *rpc.Call, sp topics.Span) error {
	b := binary.AppendUvarint([]byte{itemSpan}, sp.From)
	return c.Item(binary.AppendUvarint(b, sp.To))
}

func sendError(c *rpc.Call, err error) error {
	code, text, details := encodeError(err)
	b := enc.AppendString([]byte{itemError}, code)
	b = enc.AppendString(b, text)
	return c.Item(enc.AppendBytes(b, details))
}

// sendBlocks sends the blocks of a cursor until its end, an error or, with a
// limit above 0, enough records. left is then below 0.
func sendBlocks(c *rpc.Call, cur *topics.Cursor, plain bool, left *int64) error {
	var head []byte
	for cur.NextBlock(plain) {
		first := cur.BlockFirst()
		var body []byte
		head, body = cur.AppendBlockHead(append(head[:0], itemBlock))
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
func sendReverse(c *rpc.Call, t *topics.Topic, sp topics.Span, limit int64) error {
	cur := t.Reverse(sp)
	defer cur.Close()
	var buf, recs []byte
	var n uint64
	flush := func() error {
		if n == 0 {
			return nil
		}
		buf = binary.AppendUvarint(append(buf[:0], itemRecords), n)
		err := c.Item(buf, recs)
		recs, n = recs[:0], 0
		return err
	}
	for {
		for cur.Next() {
			recs = appendSegmentRecord(recs, cur.Record())
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
		if err := sendError(c, cur.Err()); err != nil || !cur.Resume() {
			return err
		}
	}
}

func appendSegmentRecord(dst []byte, r *segment.Record) []byte {
	dst = appendID(dst, ID{Millis: r.Time, Seq: r.Seq})
	dst = enc.AppendBytes(dst, r.Key)
	dst = enc.AppendBytes(dst, r.Headers)
	return enc.AppendBytes(dst, r.Body)
}

// follow sends the records of a topic from a sequence on, and then new ones as
// they come, until the client is gone.
func (s *service) follow(ctx context.Context, c *rpc.Call, a askedRange) error {
	t, err := s.n.e.WaitTopic(ctx, a.topic)
	if err != nil {
		return err
	}
	cur := t.Cursor(topics.Span{From: a.from, To: t.End()})
	defer func() { cur.Close() }()
	if err := sendSpan(c, topics.Span{From: a.from, To: 1<<64 - 1}); err != nil {
		return err
	}
	for {
		var all int64
		if err := sendBlocks(c, cur, a.flags&rangePlain != 0, &all); err != nil {
			return err
		}
		if err := cur.Err(); err != nil {
			if err := sendError(c, err); err != nil {
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
