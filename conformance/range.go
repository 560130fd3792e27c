package conformance

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc"
)

// six commits sequences 0 to 5 to topic t, in batches of two, each with a
// different timestamp.
func (l *lab) six() []pipeproc.ID {
	l.t.Helper()
	ids := l.commit("t", "0", "1")
	l.later(ids[0])
	ids = append(ids, l.commit("t", "2", "3")...)
	l.later(ids[2])
	return append(ids, l.commit("t", "4", "5")...)
}

// seqs returns the sequences of a range over t, whose bodies are their sequences.
func (l *lab) seqs(it iter.Seq2[pipeproc.Record, error]) (out []uint64) {
	l.t.Helper()
	for r, err := range it {
		l.ok(err)
		if fmt.Sprint(r.ID.Seq) != string(r.Body) || r.Topic != "t" {
			l.t.Errorf("record %v of %q has body %q", r.ID, r.Topic, r.Body)
		}
		out = append(out, r.ID.Seq)
	}
	return out
}

// bound is a test case for the rules of bounds. In start and end, "@2" stands
// for the time of record 2, "@2+1" and "@2-1" for the adjacent milliseconds,
// and "#2" for its id.
type bound struct {
	rule string
	o    textRange
	want []uint64
}

func expand(ids []pipeproc.ID, s string) string {
	for i, id := range ids {
		s = strings.ReplaceAll(s, fmt.Sprint("#", i), id.String())
		s = strings.ReplaceAll(s, fmt.Sprint("@", i, "+1"), fmt.Sprint(id.Millis+1))
		s = strings.ReplaceAll(s, fmt.Sprint("@", i, "-1"), fmt.Sprint(id.Millis-1))
		s = strings.ReplaceAll(s, fmt.Sprint("@", i), fmt.Sprint(id.Millis))
	}
	return s
}

// textRange are options of a range with bounds as text, in which #2 stands for the
// id of record 2 and @2 for its time.
type textRange struct {
	Start, End         string
	Exclusive, Reverse bool
	Limit              int
}

func (r textRange) options(ids []pipeproc.ID) (o pipeproc.RangeOptions, err error) {
	o = pipeproc.RangeOptions{Exclusive: r.Exclusive, Reverse: r.Reverse, Limit: r.Limit}
	if o.Start, err = pipeproc.ParseBound(expand(ids, r.Start)); err != nil {
		return o, err
	}
	o.End, err = pipeproc.ParseBound(expand(ids, r.End))
	return o, err
}

// rangeBoundTests has a test for each rule of bounds, forwards and backwards.
func rangeBoundTests() (list []test) {
	type o = textRange
	all := []uint64{0, 1, 2, 3, 4, 5}
	for _, c := range []bound{
		{"open bounds", o{}, all},
		{"limit", o{Limit: 2}, []uint64{0, 1}},
		{"limit above the length", o{Limit: 99}, all},
		{"negative limit is none", o{Limit: -1}, all},
		{"start id", o{Start: "#2"}, []uint64{2, 3, 4, 5}},
		{"end id", o{End: "#2"}, []uint64{0, 1, 2}},
		{"start and end id", o{Start: "#2", End: "#3"}, []uint64{2, 3}},
		{"exclusive ids", o{Start: "#1", End: "#4", Exclusive: true}, []uint64{2, 3}},
		{"exclusive start id", o{Start: "#1", Exclusive: true}, []uint64{2, 3, 4, 5}},
		{"exclusive end id", o{End: "#4", Exclusive: true}, []uint64{0, 1, 2, 3}},
		{"an id need not exist before", o{Start: "@1+1-0"}, []uint64{2, 3, 4, 5}},
		{"an id need not exist with a sequence too large", o{Start: "@0-99"}, []uint64{2, 3, 4, 5}},
		{"an id need not exist with a sequence too small", o{Start: "@2-0"}, []uint64{2, 3, 4, 5}},
		{"an id need not exist at the end", o{End: "@1-99"}, []uint64{0, 1}},
		{"an id that does not exist, exclusive", o{Start: "@0-99", End: "@4-0", Exclusive: true}, []uint64{2, 3}},
		{"start time", o{Start: "@2"}, []uint64{2, 3, 4, 5}},
		{"start time between", o{Start: "@1+1"}, []uint64{2, 3, 4, 5}},
		{"start time before all", o{Start: "0"}, all},
		{"times are numbers", o{Start: "9"}, all},
		{"times are no prefixes", o{End: "1"}, nil},
		{"start time after all", o{Start: "@5+1"}, nil},
		{"end time is a whole millisecond", o{End: "@2"}, []uint64{0, 1, 2, 3}},
		{"end time before all", o{End: "@0-1"}, nil},
		{"exclusive leaves times alone", o{Start: "@2", End: "@2", Exclusive: true}, []uint64{2, 3}},
		{"exclusive leaves open bounds alone", o{Exclusive: true}, all},
		{"start sequence", o{Start: ":4"}, []uint64{4, 5}},
		{"end sequence", o{End: ":1"}, []uint64{0, 1}},
		{"start and end sequence", o{Start: ":2", End: ":4"}, []uint64{2, 3, 4}},
		{"exclusive sequences", o{Start: ":1", End: ":4", Exclusive: true}, []uint64{2, 3}},
		{"sequence and time", o{Start: ":1", End: "@3"}, []uint64{1, 2, 3}},
		{"id and sequence", o{Start: "#3", End: ":4"}, []uint64{3, 4}},
		{"time and id", o{Start: "@2", End: "#4"}, []uint64{2, 3, 4}},
		{"ids of start after end", o{Start: "#2", End: "#0"}, nil},
		{"ids of start after end, exclusive", o{Start: "#2", End: "#0", Exclusive: true}, nil},
		{"sequences of start after end", o{Start: ":4", End: ":1"}, nil},
		{"times of start after end", o{Start: "@4", End: "@0"}, nil},
		{"largest id", o{End: "9223372036854775807-18446744073709551615"}, all},
		{"largest time", o{End: "9223372036854775807"}, all},
		{"one record", o{Start: ":2", End: "#2"}, []uint64{2}},
		{"one record, exclusive", o{Start: ":2", End: ":2", Exclusive: true}, nil},
		{"two records, exclusive", o{Start: ":2", End: ":3", Exclusive: true}, nil},
		{"limit with bounds", o{Start: ":1", End: ":4", Limit: 9}, []uint64{1, 2, 3, 4}},
	} {
		list = append(list, test{name: c.rule, run: func(l *lab) {
			ids := l.six()
			fwd, err := c.o.options(ids)
			l.ok(err)
			if got := l.seqs(l.Range(l.ctx, "t", fwd)); !slices.Equal(got, c.want) {
				l.t.Errorf("Range(%+v) = %v, want %v", fwd, got, c.want)
			}
			// In reverse, with start and end swapped, the result is the same in reverse
			// order.
			rev := fwd
			rev.Start, rev.End, rev.Limit, rev.Reverse = fwd.End, fwd.Start, 0, true
			want := slices.Clone(c.want)
			if c.rule == "limit" {
				want = slices.Clone(all)
			}
			slices.Reverse(want)
			if got := l.seqs(l.Range(l.ctx, "t", rev)); !slices.Equal(got, want) {
				l.t.Errorf("reverse Range(%+v) = %v, want %v", rev, got, want)
			}
		}})
	}
	return list
}

var rangeTests = []test{
	{name: "backwards, limit takes the newest", run: func(l *lab) {
		l.six()
		if got := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{Limit: 2, Reverse: true})); !slices.Equal(got, []uint64{5, 4}) {
			l.t.Error(got)
		}
		if got := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{Start: pipeproc.AtSeq(3), Limit: 2, Reverse: true})); !slices.Equal(got, []uint64{3, 2}) {
			l.t.Error(got)
		}
	}},
	{name: "a topic without records", run: func(l *lab) {
		l.create("t")
		for _, o := range []pipeproc.RangeOptions{{}, {Start: pipeproc.AtTime(time.UnixMilli(5)), End: pipeproc.AtID(pipeproc.ID{Millis: 9, Seq: 3})}, {Limit: 1}, {Exclusive: true}} {
			if got := l.seqs(l.Range(l.ctx, "t", o)); len(got) != 0 {
				l.t.Errorf("%+v: %v", o, got)
			}
			o.Reverse = true
			if got := l.seqs(l.Range(l.ctx, "t", o)); len(got) != 0 {
				l.t.Errorf("%+v backwards: %v", o, got)
			}
		}
	}},
	{name: "a pruned topic", run: func(l *lab) {
		ids := l.six()
		l.ok(l.Prune(l.ctx, "t", 3))
		if got := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{})); !slices.Equal(got, []uint64{3, 4, 5}) {
			l.t.Error(got)
		}
		if got := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{Reverse: true})); !slices.Equal(got, []uint64{5, 4, 3}) {
			l.t.Error("backwards", got)
		}
		if got := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{Start: pipeproc.AtID(ids[0]), End: pipeproc.AtID(ids[3])})); !slices.Equal(got, []uint64{3}) {
			l.t.Error("from an id that is gone", got)
		}
		l.ok(l.Prune(l.ctx, "t", 6))
		if got := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{})); len(got) != 0 {
			l.t.Error(got)
		}
	}},
	{name: "leaving the loop", run: func(l *lab) {
		l.six()
		for range 3 {
			for r, err := range l.Range(l.ctx, "t", pipeproc.RangeOptions{}) {
				l.ok(err)
				if r.ID.Seq == 2 {
					break
				}
			}
			for _, err := range l.Range(l.ctx, "t", pipeproc.RangeOptions{Reverse: true}) {
				l.ok(err)
				break
			}
		}
		if got := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{})); len(got) != 6 {
			l.t.Error(got)
		}
	}},
	{name: "an iterator can be used again", run: func(l *lab) {
		l.six()
		it := l.Range(l.ctx, "t", pipeproc.RangeOptions{Start: pipeproc.AtSeq(4)})
		for range 2 {
			if got := l.seqs(it); !slices.Equal(got, []uint64{4, 5}) {
				l.t.Error(got)
			}
		}
	}},
	{name: "ranges within ranges", run: func(l *lab) {
		l.six()
		var got []uint64
		for r, err := range l.Range(l.ctx, "t", pipeproc.RangeOptions{Limit: 3}) {
			l.ok(err)
			got = append(got, r.ID.Seq)
			got = append(got, l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{Limit: 1, Reverse: true}))...)
			l.commit("other", "x")
		}
		if !slices.Equal(got, []uint64{0, 5, 1, 5, 2, 5}) {
			l.t.Error(got)
		}
	}},
	{name: "what comes during the loop is not in it", run: func(l *lab) {
		l.six()
		k := 0
		for _, err := range l.Range(l.ctx, "t", pipeproc.RangeOptions{}) {
			l.ok(err)
			k++
			l.commit("t", "x")
		}
		if k != 6 {
			l.t.Errorf("%d records", k)
		}
	}},
	{name: "many records", run: func(l *lab) {
		const total = 3000
		var b pipeproc.Batch
		for i := range total {
			l.ok(b.Add("t", fmt.Append(nil, i)))
			if b.Len() == 500 {
				l.ok(l.CommitBatch(l.ctx, &b))
				b.Reset()
			}
		}
		got := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{}))
		back := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{Reverse: true}))
		slices.Reverse(back)
		if len(got) != total || !slices.Equal(got, back) || !slices.IsSorted(got) {
			l.t.Errorf("%d records, backwards %d", len(got), len(back))
		}
		for _, limit := range []int{1, 499, 500, 501, 1234} {
			if got := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{Start: pipeproc.AtSeq(7), Limit: limit})); len(got) != limit || got[0] != 7 {
				l.t.Errorf("limit %d: %d records", limit, len(got))
			}
			if got := l.seqs(l.Range(l.ctx, "t", pipeproc.RangeOptions{Start: pipeproc.AtSeq(2222), Limit: limit, Reverse: true})); len(got) != limit || got[0] != 2222 {
				l.t.Errorf("limit %d backwards: %d records", limit, len(got))
			}
		}
	}},
	{name: "a context that has ended", run: func(l *lab) {
		l.six()
		for _, it := range []iter.Seq2[pipeproc.Record, error]{
			l.Range(ended(), "t", pipeproc.RangeOptions{}), l.Range(ended(), "t", pipeproc.RangeOptions{Reverse: true}),
		} {
			k := 0
			for r, err := range it {
				if k++; !errors.Is(err, context.Canceled) || r.Body != nil {
					l.t.Error(r, err)
				}
			}
			if k != 1 {
				l.t.Errorf("%d results, want one error", k)
			}
		}
	}},
	{name: "a context that ends in the loop", run: func(l *lab) {
		l.six()
		enough := errors.New("enough")
		for _, rev := range []bool{false, true} {
			ctx, cancel := context.WithCancelCause(l.ctx)
			defer cancel(nil)
			it := l.Range(ctx, "t", pipeproc.RangeOptions{})
			if rev {
				it = l.Range(ctx, "t", pipeproc.RangeOptions{Reverse: true})
			}
			k, last := 0, error(nil)
			for _, err := range it {
				k, last = k+1, err
				cancel(enough)
			}
			if k != 2 || !errors.Is(last, enough) {
				l.t.Errorf("backwards %v: %d results, the last one %v; want a record and the cause", rev, k, last)
			}
		}
	}},
}
