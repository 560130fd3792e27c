package pipeproc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"slices"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
)

// Range is as Node.Range. Records come in blocks, ahead of the loop as far as
// the stream's credit allows.
func (c *Client) Range(ctx context.Context, topic string, o RangeOptions) iter.Seq2[Record, error] {
	return c.ranges(ctx, topic, o, 0)
}

// RevRange is as Node.RevRange.
func (c *Client) RevRange(ctx context.Context, topic string, o RangeOptions) iter.Seq2[Record, error] {
	return c.ranges(ctx, topic, o, rangeReverse)
}

// Follow is as Node.Follow.
func (c *Client) Follow(ctx context.Context, topic string, from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := &remoteRange{c: c, topic: topic, flags: rangeFollow, from: from, to: 1<<64 - 1, span: true, yield: yield}
		r.run(ctx)
	}
}

func (c *Client) ranges(ctx context.Context, topic string, o RangeOptions, flags byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if o.Exclusive {
			flags |= rangeExclusive
		}
		r := &remoteRange{c: c, topic: topic, flags: flags, start: o.Start, end: o.End, limit: max(int64(o.Limit), 0), yield: yield}
		r.run(ctx)
	}
}

// remoteRange reads a range, over as many connections as it takes.
type remoteRange struct {
	c          *Client
	ctx        context.Context
	topic      string
	flags      byte
	start, end string
	span       bool   // from and to are known
	from, to   uint64 // what is still to come
	limit      int64  // of records still to come; 0: none
	scratch    []byte
	yield      func(Record, error) bool
	over       bool // the loop was left, or all is done
}

func (r *remoteRange) request() []byte {
	b := enc.AppendString(nil, r.topic)
	if r.span {
		b = append(b, r.flags|rangeSpan)
		b = binary.AppendUvarint(b, r.from)
		b = binary.AppendUvarint(b, r.to)
	} else {
		b = append(b, r.flags)
		b = enc.AppendString(b, r.start)
		b = enc.AppendString(b, r.end)
	}
	return binary.AppendVarint(b, r.limit)
}

func (r *remoteRange) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.ctx = ctx
	for !r.over && !(r.span && r.from >= r.to) {
		err := r.stream(ctx)
		if err == nil {
			return
		}
		if !lost(err) || ctx.Err() != nil {
			if !r.over {
				r.yield(Record{}, r.c.failure(ctx, err))
			}
			return
		}
	}
}

// stream reads items until the end, or an error.
func (r *remoteRange) stream(ctx context.Context) error {
	conn, err := r.c.get(ctx)
	if err != nil {
		return err
	}
	s, err := conn.Stream(ctx, methodRange, r.request())
	if err != nil {
		return err
	}
	defer s.Close()
	for !r.over {
		item, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.item(item); err != nil {
			return err
		}
	}
	return nil
}

func (r *remoteRange) item(p []byte) error {
	if len(p) == 0 {
		return malformed("item")
	}
	d := enc.Reader{B: p[1:]}
	switch p[0] {
	case itemSpan:
		if !r.span {
			r.span, r.from, r.to = true, d.Uvarint(), d.Uvarint()
		}
		return d.Err
	case itemBlock:
		scratch, share := &r.scratch, r.left() >= sharedRecords
		if share {
			scratch = nil
		}
		for rec, err := range topics.WireBlock(d.B, r.c.codecs, scratch) {
			if err != nil {
				return err
			}
			if rec.Seq < r.from || rec.Seq >= r.to {
				continue
			}
			r.from = rec.Seq + 1
			var own Record
			if share {
				own = sharedRecord(r.topic, &rec)
			} else {
				own = ownedRecord(r.topic, &rec)
			}
			if !r.give(own) {
				break
			}
		}
		return nil
	case itemRecords:
		for n := d.Count(5); n > 0; n-- {
			rec := takeRecord(&d, r.topic)
			if d.Err != nil {
				return d.Err
			}
			r.to = rec.ID.Seq
			if !r.give(rec) {
				break
			}
		}
		return nil
	case itemError:
		code, text, details := string(d.Bytes()), string(d.Bytes()), d.Bytes()
		if d.Err != nil {
			return d.Err
		}
		err := decodeError(code, text, details)
		if p, ok := errors.AsType[*PrunedError](err); ok && r.flags&rangeFollow != 0 {
			r.from = max(r.from, p.First)
		}
		if c, ok := errors.AsType[*errs.CorruptError](err); ok && r.flags&rangeReverse == 0 && c.Next > r.from {
			r.from = c.Next
		}
		if !r.yield(Record{}, err) {
			r.over = true
		}
		return nil
	}
	return malformed("item")
}

// sharedRecords is of how many records on those of a block share memory. Of few,
// a caller would keep much for little.
const sharedRecords = 64

// left returns how many records are still to come at most.
func (r *remoteRange) left() uint64 {
	n := r.to - min(r.from, r.to)
	if r.limit > 0 {
		n = min(n, uint64(r.limit))
	}
	return n
}

// sharedRecord returns r with the memory that it has, which is the caller's.
func sharedRecord(topic string, r *segment.Record) Record {
	rec := Record{ID: ID{Millis: r.Time, Seq: r.Seq}, Topic: topic, Body: slices.Clip(r.Body)}
	if len(r.Key) > 0 {
		rec.Key = slices.Clip(r.Key)
	}
	if len(r.Headers) > 0 {
		for name, value := range segment.EachHeader(r.Headers) {
			rec.Headers = append(rec.Headers, Header{Name: name, Value: slices.Clip(value)})
		}
	}
	return rec
}

// give yields a record and reports whether there is to be another.
func (r *remoteRange) give(rec Record) bool {
	if !r.yield(rec, nil) {
		r.over = true
		return false
	}
	if r.ctx.Err() != nil { // what is here already does not matter any more
		r.over = true
		r.yield(Record{}, context.Cause(r.ctx))
		return false
	}
	if r.limit > 0 {
		if r.limit--; r.limit == 0 {
			r.over = true
			return false
		}
	}
	return true
}
