package rpc

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"math"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/owned"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/topics"
)

// Range is Node.Range. Records come in blocks, ahead of the loop as far as the
// stream's credit allows.
func (c *Client) Range(ctx context.Context, topic string, o pipeproc.RangeOptions) iter.Seq2[pipeproc.Record, error] {
	return func(yield func(pipeproc.Record, error) bool) {
		if err := cmp.Or(record.CheckBound(o.Start), record.CheckBound(o.End)); err != nil {
			yield(pipeproc.Record{}, err)
			return
		}
		r := &remoteRange{c: c, yield: yield, req: message.Range{Topic: topic, Start: o.Start.String(), End: o.End.String(), Limit: max(int64(o.Limit), 0)}}
		if o.Exclusive {
			r.req.Flags |= message.RangeExclusive
		}
		if o.Reverse {
			r.req.Flags |= message.RangeReverse
		}
		r.run(ctx)
	}
}

// Follow is Node.Follow.
func (c *Client) Follow(ctx context.Context, topic string, from uint64) iter.Seq2[pipeproc.Record, error] {
	return func(yield func(pipeproc.Record, error) bool) {
		r := &remoteRange{c: c, yield: yield, span: true, req: message.Range{Topic: topic, Flags: message.RangeFollow, From: from, To: math.MaxUint64}}
		r.run(ctx)
	}
}

// remoteRange reads a range, reconnecting as often as needed.
type remoteRange struct {
	c       *Client
	ctx     context.Context
	req     message.Range // what is still to come
	span    bool          // req.From and req.To are known
	node    [16]byte      // the store that the records come from, once there was a stream
	scratch []byte
	yield   func(pipeproc.Record, error) bool
	over    bool // the loop was left, or all is done
}

func (r *remoteRange) request() []byte {
	m := r.req
	if r.span {
		m.Flags |= message.RangeSpan
	}
	return m.Append(nil)
}

func (r *remoteRange) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.ctx = ctx
	for !r.over && !(r.span && r.req.From >= r.req.To) {
		conn, err := r.c.get(ctx)
		if err == nil {
			err = r.sameStore(conn.Welcome().NodeID)
		}
		if err != nil { // there is no node, and RetryFor is over
			r.yield(pipeproc.Record{}, r.c.failure(ctx, err))
			return
		}
		err = r.stream(ctx, conn)
		if err == nil {
			return
		}
		if !lost(err) || ctx.Err() != nil {
			if !r.over {
				r.yield(pipeproc.Record{}, r.c.failure(ctx, err))
			}
			return
		}
	}
}

// sameStore returns an error if the records that are still to come would be of another
// store than those that came.
func (r *remoteRange) sameStore(id [16]byte) error {
	if r.node != ([16]byte{}) && r.node != id {
		return errOtherStore
	}
	r.node = id
	return nil
}

var errOtherStore = errors.New("another store is served at the address now")

// stream reads items until the end, or an error.
func (r *remoteRange) stream(ctx context.Context, conn *transport.Conn) error {
	s, err := conn.Stream(ctx, message.MethodRange, r.request())
	if err != nil {
		return err
	}
	defer s.Close()
	began := false // by the span, which comes first
	for !r.over {
		item, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			if !began {
				return errNoSpan
			}
			return nil
		}
		if err != nil {
			return err
		}
		if began = began || len(item) > 0 && item[0] == message.ItemSpan; !began {
			return errNoSpan
		}
		if err := r.item(item); err != nil {
			return err
		}
	}
	return nil
}

var errNoSpan = errors.New("the node sent a range that does not begin with its span")

var errItem = errors.New("the node sent an item that the protocol does not have")

func (r *remoteRange) item(p []byte) error {
	if len(p) == 0 {
		return errItem
	}
	kind, p := p[0], p[1:]
	switch kind {
	case message.ItemSpan:
		var m message.Span
		if err := m.Take(p); err != nil || r.span {
			return err
		}
		r.span, r.req.From, r.req.To = true, m.From, m.To
		return nil
	case message.ItemBlock:
		return r.block(p)
	case message.ItemRecords:
		// The item's memory is used again; the records are the caller's.
		return message.TakeRecords(bytes.Clone(p), r.req.Topic, func(rec pipeproc.Record) bool {
			r.req.To = rec.ID.Seq
			return r.give(rec)
		})
	case message.ItemError:
		var m message.Failure
		if err := m.Take(p); err != nil {
			return err
		}
		r.failure(m.Err)
		return nil
	}
	return errItem
}

// block yields the records of a block that are in the range.
func (r *remoteRange) block(p []byte) error {
	scratch, share := &r.scratch, r.left() >= owned.ShareFrom
	if share {
		scratch = nil
	}
	for rec, err := range topics.WireBlock(p, r.c.codecs, scratch) {
		if err != nil {
			return err
		}
		if rec.Seq < r.req.From || rec.Seq >= r.req.To {
			continue
		}
		r.req.From = rec.Seq + 1
		var own pipeproc.Record
		if share {
			own = owned.Shared(r.req.Topic, &rec)
		} else {
			own = owned.Record(r.req.Topic, &rec)
		}
		if !r.give(own) {
			break
		}
	}
	return nil
}

// failure yields an error after which the range continues.
func (r *remoteRange) failure(err error) {
	if p, ok := errors.AsType[*pipeproc.PrunedError](err); ok && r.req.Flags&message.RangeFollow != 0 {
		r.req.From = max(r.req.From, p.First)
	}
	if c, ok := errors.AsType[*pipeproc.CorruptError](err); ok && r.req.Flags&message.RangeReverse == 0 && c.Next > r.req.From {
		r.req.From = c.Next
	}
	if !r.yield(pipeproc.Record{}, err) {
		r.over = true
	}
}

// left returns the most records that can still come.
func (r *remoteRange) left() uint64 {
	n := r.req.To - min(r.req.From, r.req.To)
	if r.req.Limit > 0 {
		n = min(n, uint64(r.req.Limit))
	}
	return n
}

// give yields a record and reports whether to continue.
func (r *remoteRange) give(rec pipeproc.Record) bool {
	if !r.yield(rec, nil) {
		r.over = true
		return false
	}
	if r.ctx.Err() != nil { // records that have already arrived no longer matter
		r.over = true
		r.yield(pipeproc.Record{}, context.Cause(r.ctx))
		return false
	}
	if r.req.Limit > 0 {
		if r.req.Limit--; r.req.Limit == 0 {
			r.over = true
			return false
		}
	}
	return true
}
