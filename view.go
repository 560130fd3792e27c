package pipeproc

import (
	"context"
	"iter"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/topics"
)

// View is all topics as of one position in the order of commits: it contains a batch
// whole or not at all, however many topics the batch went to. Keeping a View costs
// nothing and does not hold up pruning. It is safe for concurrent use.
type View struct {
	n   *Node
	pos uint64
	end map[string]viewTopic
}

type viewTopic struct {
	t   *topics.Topic
	end uint64
}

// View returns a view of everything that is visible now.
func (n *Node) View(ctx context.Context) (*View, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	v := &View{n: n, end: make(map[string]viewTopic)}
	var err error
	v.pos, err = n.e.Freeze(func(t *topics.Topic) {
		v.end[t.Name()] = viewTopic{t, t.End()}
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Position returns the position of the newest commit in the view.
func (v *View) Position() uint64 { return v.pos }

// End returns the sequence after the last record of a topic in the view, or 0 if the
// topic did not exist.
func (v *View) End(topic string) uint64 { return v.end[topic].end }

// Range iterates over the records of a topic in the view, as Node.Range does: the topic
// ends at End, for the bounds too.
func (v *View) Range(ctx context.Context, topic string, o RangeOptions) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		c, err := v.cursor(ctx, topic, o)
		drain(ctx, topic, c, err, yield)
	}
}

func (v *View) cursor(ctx context.Context, topic string, o RangeOptions) (*Cursor, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	e, ok := v.end[topic]
	if !ok {
		if err := record.CheckName(topic); err != nil {
			return nil, err
		}
		return nil, errs.InvalidTopic.With("there was no topic \"" + topic + "\" when the view was made")
	}
	sp, err := o.resolve(e.t, e.end)
	if err != nil {
		return nil, err
	}
	return newCursor(e.t, sp, o), nil
}
