package model

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc"
)

var bg = context.Background()

// errBadBound stands for ErrInvalidRangeOffset in the model.
var errBadBound = errors.New("bad bound")

// bound is a parsed bound of the naive range.
type bound struct {
	form byte // 0 open, 'i' id, 't' time, 's' sequence
	ms   int64
	seq  uint64
}

func parseBound(s string) (bound, error) {
	digits := func(s string, bits int) (uint64, error) {
		if s == "" || strings.Trim(s, "0123456789") != "" {
			return 0, errBadBound
		}
		n, err := strconv.ParseUint(s, 10, bits)
		if err != nil {
			return 0, errBadBound
		}
		return n, nil
	}
	if s == "" {
		return bound{}, nil
	}
	if s[0] == ':' {
		n, err := digits(s[1:], 64)
		return bound{form: 's', seq: n}, err
	}
	ms, seq, isID := strings.Cut(s, "-")
	t, err := digits(ms, 63)
	if err != nil || !isID {
		return bound{form: 't', ms: int64(t)}, err
	}
	n, err := digits(seq, 64)
	return bound{form: 'i', ms: int64(t), seq: n}, err
}

// cmpBound compares a record with a bound: -1 below, 0 exactly there, 1 above.
func cmpBound(id pipeproc.ID, b bound) int {
	switch b.form {
	case 'i':
		return id.Compare(pipeproc.ID{Millis: b.ms, Seq: b.seq})
	case 's':
		return pipeproc.ID{Seq: id.Seq}.Compare(pipeproc.ID{Seq: b.seq})
	default:
		return pipeproc.ID{Millis: id.Millis}.Compare(pipeproc.ID{Millis: b.ms})
	}
}

// span is what to read of a topic, with bounds as the text that they are given as.
type span struct {
	start, end         string
	exclusive, reverse bool
	limit              int
}

// options returns what the store makes of a span, or its error.
func (p span) options() (o pipeproc.RangeOptions, err error) {
	o = pipeproc.RangeOptions{Exclusive: p.exclusive, Reverse: p.reverse, Limit: p.limit}
	if o.Start, err = pipeproc.ParseBound(p.start); err != nil {
		return o, err
	}
	o.End, err = pipeproc.ParseBound(p.end)
	return o, err
}

// bounds returns the bounds as the model reads them.
func (p span) bounds() (start, end bound, err error) {
	if start, err = parseBound(p.start); err != nil {
		return start, end, err
	}
	end, err = parseBound(p.end)
	return start, end, err
}

// naiveRange is a range over the model, record by record.
func (s *state) naiveRange(topic string, p span) ([]rec, error) {
	t := s.topics[topic]
	if t == nil {
		return nil, pipeproc.ErrInvalidTopic
	}
	lower, upper, err := p.bounds()
	if err != nil {
		return nil, err
	}
	for _, b := range []bound{lower, upper} {
		if b.form == 's' && (b.seq < t.first || t.rec(b.seq) == nil) {
			return nil, pipeproc.ErrInvalidSequence
		}
	}
	if p.reverse {
		lower, upper = upper, lower
	}
	var out []rec
	for _, r := range t.live() {
		if lower.form != 0 {
			if c := cmpBound(r.id, lower); c < 0 || c == 0 && p.exclusive && lower.form != 't' {
				continue
			}
		}
		if upper.form != 0 {
			if c := cmpBound(r.id, upper); c > 0 || c == 0 && p.exclusive && upper.form != 't' {
				continue
			}
		}
		out = append(out, r)
	}
	if p.reverse {
		slices.Reverse(out)
	}
	if p.limit > 0 && len(out) > p.limit {
		out = out[:p.limit]
	}
	return out, nil
}

// moment returns a time of unix milliseconds; zero stays zero.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// same reports how a record that was read differs from the model's, or nil.
func same(got *pipeproc.Record, topic string, want *rec) error {
	switch {
	case got.ID != want.id:
		return fmt.Errorf("topic %s: id %v, want %v", topic, got.ID, want.id)
	case got.Topic != topic:
		return fmt.Errorf("topic %s: record %v says topic %q", topic, got.ID, got.Topic)
	case !bytes.Equal(got.Key, want.key):
		return fmt.Errorf("topic %s: record %v: key %q, want %q", topic, got.ID, got.Key, want.key)
	case !bytes.Equal(got.Body, want.body):
		return fmt.Errorf("topic %s: record %v: body of %d bytes differs from the one of %d", topic, got.ID, len(got.Body), len(want.body))
	case len(got.Headers) != len(want.headers):
		return fmt.Errorf("topic %s: record %v: %d headers, want %d", topic, got.ID, len(got.Headers), len(want.headers))
	}
	for i, h := range want.headers {
		if got.Headers[i].Name != h.Name || !bytes.Equal(got.Headers[i].Value, h.Value) {
			return fmt.Errorf("topic %s: record %v: header %d differs", topic, got.ID, i)
		}
	}
	return nil
}

// sameSeq compares what an iteration yields with what it must yield.
func sameSeq(seq iter.Seq2[pipeproc.Record, error], topic string, want []rec) error {
	i := 0
	for r, err := range seq {
		if err != nil {
			return fmt.Errorf("topic %s, after %d of %d records: %w", topic, i, len(want), err)
		}
		if i == len(want) {
			return fmt.Errorf("topic %s: %v follows the %d records there should be", topic, r.ID, len(want))
		}
		if err := same(&r, topic, &want[i]); err != nil {
			return err
		}
		i++
	}
	if i < len(want) {
		return fmt.Errorf("topic %s: %d records, want %d", topic, i, len(want))
	}
	return nil
}

// checkRange compares one range of the node with the naive one. Invalid bounds are
// refused when they are parsed, before the node is asked.
func checkRange(n *pipeproc.Node, s *state, topic string, p span) error {
	want, wantErr := s.naiveRange(topic, p)
	where := fmt.Sprintf("range %+v", p)
	o, err := p.options()
	if _, _, bad := p.bounds(); bad != nil || err != nil {
		if bad == nil || !errors.Is(err, pipeproc.ErrInvalidRangeOffset) {
			return fmt.Errorf("%s: the bounds are %v, want error %v", where, err, bad)
		}
		return nil
	}
	seq := n.Range(bg, topic, o)
	if wantErr == nil {
		if err := sameSeq(seq, topic, want); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		return nil
	}
	for r, err := range seq {
		if !errors.Is(err, wantErr) {
			return fmt.Errorf("%s of %s: got %v, %v, want error %v", where, topic, r.ID, err, wantErr)
		}
		return nil
	}
	return fmt.Errorf("%s of %s: nothing, want error %v", where, topic, wantErr)
}

// checkTopic compares a topic's description and single records.
func checkTopic(n *pipeproc.Node, s *state, name string) error {
	t := s.topics[name]
	i, err := n.Topic(bg, name)
	if t == nil {
		if !errors.Is(err, pipeproc.ErrInvalidTopic) {
			return fmt.Errorf("topic %s, which does not exist: %+v, %v", name, i, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	var oldest, newest int64 // as times, zero for none
	if live := t.live(); len(live) > 0 {
		oldest = live[0].id.Millis
	}
	if len(t.recs) > 0 {
		newest = t.recs[len(t.recs)-1].id.Millis
	}
	if i.Name != name || i.First != t.first || i.Next != t.next || i.Records != uint64(len(t.live())) ||
		i.CreatedAt != moment(t.made) || i.FirstTime != moment(oldest) || i.LastTime != moment(newest) || i.Options != t.opts || i.Damaged != nil {
		return fmt.Errorf("topic %s: info %+v, want first %d (%d) next %d (%d) made %d options %+v", name, i, t.first, oldest, t.next, newest, t.made, t.opts)
	}
	if l, err := n.Length(bg, name); err != nil || l != i.Records {
		return fmt.Errorf("topic %s: length %d, %v, want %d", name, l, err, i.Records)
	}
	return nil
}

// checkGet compares one point read.
func checkGet(n *pipeproc.Node, s *state, name string, seq uint64) error {
	r, err := n.Get(bg, name, seq)
	t := s.topics[name]
	var want error
	switch {
	case t == nil:
		want = pipeproc.ErrInvalidTopic
	case seq < t.next && seq < t.first:
		want = pipeproc.ErrPruned
	case t.rec(seq) == nil:
		want = pipeproc.ErrInvalidSequence
	}
	if want != nil {
		if !errors.Is(err, want) {
			return fmt.Errorf("get %s :%d: %v, %v, want error %v", name, seq, r.ID, err, want)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("get %s :%d: %w", name, seq, err)
	}
	return same(&r, name, t.rec(seq))
}

// checkAll compares everything that can be read of the node with the model.
func checkAll(n *pipeproc.Node, s *state) error {
	list, err := n.Topics(bg)
	if err != nil {
		return err
	}
	var have []string
	for _, i := range list {
		have = append(have, i.Name)
	}
	if want := s.names(); !slices.Equal(have, want) {
		return fmt.Errorf("topics %v, want %v", have, want)
	}
	for _, name := range have {
		if err := checkTopic(n, s, name); err != nil {
			return err
		}
		if err := sameSeq(n.Range(bg, name, pipeproc.RangeOptions{}), name, s.topics[name].live()); err != nil {
			return err
		}
	}
	return checkProcs(n, s)
}
