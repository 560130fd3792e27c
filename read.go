package pipeproc

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/owned"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
)

// A Bound is one end of a range: a sequence, an id or a time. Make one with [AtSeq],
// [AtID], [AtTime] or, from text, [ParseBound]. The zero Bound is the end of the topic
// on that side.
//
//	Kind record.BoundKind  // which of them it is
//	ID   ID                // the id, or as much of it as the kind has
//
//	func (b Bound) String() string  // the text form that ParseBound reads
//
// Bounds can be compared with ==. The records of an hour:
//
//	pipeproc.RangeOptions{Start: pipeproc.AtTime(from), End: pipeproc.AtTime(from.Add(time.Hour))}
type Bound = record.Bound

// AtSeq returns the bound of the record with a sequence. Reading a range fails with
// ErrInvalidSequence if there is no such record; if it was pruned, the text says where
// the topic starts now. To continue after the last record that was read, which may be
// the newest, use AtID with Exclusive, or Follow.
func AtSeq(seq uint64) Bound { return record.AtSeq(seq) }

// AtID returns the bound of an id, which need not exist.
func AtID(id ID) Bound { return record.AtID(id) }

// AtTime returns the bound of the millisecond that contains t. All of that millisecond is
// in the range, whether the bound is a lower or an upper one.
// Times before 1970 are taken for 1970, and those too far ahead to be counted in milliseconds
// for the last one that can.
func AtTime(t time.Time) Bound { return record.AtTime(t) }

// ParseBound parses the text form of a bound, and returns ErrInvalidRangeOffset
// for anything else:
//
//	""                 the end of the topic
//	"1700000000000-5"  an id
//	"1700000000000"    a time in unix milliseconds
//	":5"               a sequence
func ParseBound(s string) (Bound, error) { return record.ParseBound(s) }

// RangeOptions select records of a topic. The zero value selects all, oldest
// first.
type RangeOptions struct {
	// Start is where reading begins and End where it ends. With Reverse, Start is the
	// newest record and End the oldest. Both are part of the range.
	Start, End Bound
	// Exclusive leaves out the records exactly at Start and End, if those are ids
	// or sequences.
	Exclusive bool
	// Reverse reads from the newest record to the oldest.
	Reverse bool
	// Limit is the largest number of records. 0 or less: no limit.
	Limit int
}

// Range iterates over the records that were visible when the loop began. The
// bytes of records are the caller's to keep and change. If the topic does not exist,
// which is so until its first record or CreateTopic, the only element is ErrInvalidTopic.
//
// An error comes with a zero Record. A *CorruptError says what cannot be read; if the
// loop continues, so does the iteration, after the damage. Any other error is the last.
func (n *Node) Range(ctx context.Context, topic string, o RangeOptions) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		c, err := n.Cursor(ctx, topic, o)
		drain(ctx, topic, c, err, yield)
	}
}

func drain(ctx context.Context, topic string, c *Cursor, err error, yield func(Record, error) bool) {
	if err != nil {
		yield(Record{}, err)
		return
	}
	defer c.Close()
	k := owned.Copier{Topic: topic}
	for {
		for c.Next() {
			if !yield(k.Record(c.cur(), c.more()), nil) {
				return
			}
			if ctx.Err() != nil {
				yield(Record{}, context.Cause(ctx))
				return
			}
		}
		if c.Err() == nil || !yield(Record{}, c.Err()) || !c.Resume() {
			return
		}
	}
}

// span resolves a range on a topic.
func (n *Node) span(ctx context.Context, topic string, o RangeOptions) (*topics.Topic, topics.Span, error) {
	if ctx.Err() != nil {
		return nil, topics.Span{}, context.Cause(ctx)
	}
	t, err := n.e.Topic(topic)
	if err != nil {
		return nil, topics.Span{}, err
	}
	sp, err := o.resolve(t, t.End())
	return t, sp, err
}

// resolve turns the bounds of a range on t, as of when it ended at tail, into sequences.
func (o *RangeOptions) resolve(t *topics.Topic, tail uint64) (topics.Span, error) {
	start, end := o.Start, o.End
	if o.Reverse {
		start, end = end, start
	}
	return t.Resolve(start, end, o.Exclusive, tail)
}

// Cursor reads records without copying them. The loop is
//
//	for c.Next() { use(c.Body()) }
//	if err := c.Err(); err != nil { … }
//
// Key, Headers and Body return bytes that were verified and are valid until
// the next call of Next, Resume or Close; they must not be changed. They are the
// cursor's own memory, never a mapped file. A Cursor allocates nothing per record, must
// not be used concurrently and must be closed.
type Cursor struct {
	fwd   *topics.Cursor
	rev   *topics.RevCursor
	left  int // records still allowed, -1 for no limit
	topic string
	tail  *topics.Topic // the topic whose new records Wait waits for; nil: the cursor has an end
}

// Cursor returns a cursor over the records that Range would yield. Without End, Limit and
// Reverse it can continue with later records; see [Cursor.Wait].
func (n *Node) Cursor(ctx context.Context, topic string, o RangeOptions) (*Cursor, error) {
	t, sp, err := n.span(ctx, topic, o)
	if err != nil {
		return nil, err
	}
	c := newCursor(t, sp, o)
	if o.End == (Bound{}) && !o.Reverse && c.left < 0 {
		c.tail = t
	}
	return c, nil
}

func newCursor(t *topics.Topic, sp topics.Span, o RangeOptions) *Cursor {
	c := &Cursor{left: limit(o.Limit), topic: t.Name()}
	if o.Reverse {
		c.rev = t.Reverse(sp)
	} else {
		c.fwd = t.Cursor(sp)
	}
	return c
}

func limit(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

// Next moves to the next record and reports whether there is one.
func (c *Cursor) Next() bool {
	if c.left == 0 {
		return false
	}
	var ok bool
	if c.fwd != nil {
		ok = c.fwd.Next()
	} else {
		ok = c.rev.Next()
	}
	if ok && c.left > 0 {
		c.left--
	}
	return ok
}

func (c *Cursor) cur() *segment.Record {
	if c.fwd != nil {
		return c.fwd.Record()
	}
	return c.rev.Record()
}

// more returns an upper bound of the number of records after the current one, or 0 for a
// reverse cursor.
func (c *Cursor) more() uint64 {
	if c.fwd == nil {
		return 0
	}
	if c.left >= 0 {
		return min(c.fwd.Left(), uint64(c.left))
	}
	return c.fwd.Left()
}

// ID returns the current record's id.
func (c *Cursor) ID() ID { r := c.cur(); return ID{Millis: r.Time, Seq: r.Seq} }

// Key returns the current record's key.
func (c *Cursor) Key() []byte { return c.cur().Key }

// Body returns the current record's body.
func (c *Cursor) Body() []byte { return c.cur().Body }

// Headers iterates over the current record's headers.
func (c *Cursor) Headers() iter.Seq2[string, []byte] { return segment.EachHeader(c.cur().Headers) }

// Record returns a copy of the current record.
func (c *Cursor) Record() Record { return owned.Record(c.topic, c.cur()) }

// Err returns why Next returned false: nil at the end, a *CorruptError for
// damage, a *PrunedError when the records were pruned meanwhile, or an I/O
// error.
func (c *Cursor) Err() error {
	if c.fwd != nil {
		return c.fwd.Err()
	}
	return c.rev.Err()
}

// Resume moves past the damage that Err reported and reports whether that is possible.
func (c *Cursor) Resume() bool {
	if c.fwd != nil {
		return c.fwd.Resume()
	}
	return c.rev.Resume()
}

// Wait waits until there are records after those that Next has returned. Next then
// continues with them. So a loop can follow a topic, as Follow does, without copying
// records and without garbage:
//
//	for err == nil {
//		for c.Next() { use(c.Body()) }
//		if err = c.Err(); err == nil { err = c.Wait(ctx) }
//	}
//
// It returns the cause of ctx if ctx ends, ErrInvalidTopic if the topic is deleted,
// ErrClosed if the node is closed, and ErrInvalidOptions if the cursor has an end, that
// is, if it was made with End, Limit or Reverse.
func (c *Cursor) Wait(ctx context.Context) error {
	if c.tail == nil {
		return errs.InvalidOptions.With("Cursor.Wait: the cursor has an end; it needs one of Node.Cursor without End, Limit and Reverse")
	}
	if err := c.tail.Wait(ctx, c.fwd.Pos()); err != nil {
		return err
	}
	c.fwd.Extend(c.tail.End())
	return nil
}

// Close releases what the cursor holds.
func (c *Cursor) Close() {
	if c.fwd != nil {
		c.fwd.Close()
	} else {
		c.rev.Close()
	}
}

// Get returns the record of a sequence. The error is ErrInvalidSequence if there is none,
// and a *PrunedError if it was pruned.
func (n *Node) Get(ctx context.Context, topic string, seq uint64) (Record, error) {
	if ctx.Err() != nil {
		return Record{}, context.Cause(ctx)
	}
	g := n.getters.Get().(*getter)
	rec, err := g.get(n, topic, seq)
	n.getters.Put(g)
	return rec, err
}

// getter reads single records and reuses the memory for it.
type getter struct {
	topics.Getter
	rec segment.Record
}

// ownBody is the size, in bytes, from which a body is handed out as it was read instead of
// being copied once more.
const ownBody = 4 << 10

func (g *getter) get(n *Node, topic string, seq uint64) (Record, error) {
	t, err := n.e.TopicAgain(topic, g.Topic())
	if err != nil {
		return Record{}, err
	}
	r := &g.rec
	if err := g.Get(t, seq, r); err != nil {
		return Record{}, err
	}
	if len(r.Body) < ownBody {
		return owned.Record(topic, r), nil
	}
	body := r.Body
	r.Body = nil
	rec := owned.Record(topic, r)
	rec.Body = body[:len(body):len(body)]
	return rec, nil
}

// Length returns the number of records that can be read from a topic.
func (n *Node) Length(ctx context.Context, topic string) (uint64, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	t, err := n.e.Topic(topic)
	if err != nil {
		return 0, err
	}
	return t.Length(), nil
}

// Follow iterates over the records of a topic from sequence from on, and then over new
// ones as they are committed, without polling. It ends when the loop does, or when ctx
// ends, whose cause it yields last. The topic need not exist yet. If from has been pruned
// it yields a *PrunedError; if the loop continues, the next record is the first one there
// is. The bytes of records are the caller's to keep and change.
func (n *Node) Follow(ctx context.Context, topic string, from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		t, err := n.e.WaitTopic(ctx, topic)
		if err != nil {
			yield(Record{}, err)
			return
		}
		var c *topics.Cursor
		defer func() {
			if c != nil {
				c.Close()
			}
		}()
		k := owned.Copier{Topic: topic}
		lately := uint64(0) // records since the last wait
		for {
			if ctx.Err() != nil {
				yield(Record{}, context.Cause(ctx))
				return
			}
			if c == nil {
				c = t.Cursor(topics.Span{From: from, To: t.End()})
			}
			for c.Next() {
				from = c.Pos()
				lately++
				if !yield(k.Record(c.Record(), lately+c.Left()), nil) {
					return
				}
				if ctx.Err() != nil {
					yield(Record{}, context.Cause(ctx))
					return
				}
			}
			if err := c.Err(); err != nil {
				if !yield(Record{}, err) {
					return
				}
				if c.Resume() {
					continue
				}
				if !errors.Is(err, errs.Pruned) {
					return
				}
				c.Close()
				c, from = nil, t.First()
				continue
			}
			from = c.Pos()
			lately = 0
			if err := t.Wait(ctx, from); err != nil {
				yield(Record{}, err)
				return
			}
			c.Extend(t.End())
		}
	}
}

// WaitForRecord returns once the record of a sequence can be read. The topic need not
// exist yet. If the topic is past that sequence and does not have the record, the error is
// that of Get: a *PrunedError or ErrInvalidSequence.
func (n *Node) WaitForRecord(ctx context.Context, topic string, seq uint64) error {
	t, err := n.e.WaitTopic(ctx, topic)
	if err != nil {
		return err
	}
	return t.WaitRecord(ctx, seq)
}
