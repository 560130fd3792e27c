package behaviour_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// stepClock is a clock that tests set.
type stepClock struct{ ms int64 }

func (c *stepClock) now() time.Time { return time.UnixMilli(c.ms) }

// rangeNode holds topic "t" with 6 records in batches of two, 10 ms apart from
// 1000 on: sequences 0 and 1 at 1000, 2 and 3 at 1010, 4 and 5 at 1020.
func rangeNode(t *testing.T) (*pipeproc.Node, *stepClock) {
	t.Helper()
	clock := &stepClock{ms: 1000}
	n, err := pipeproc.OpenMemory(&pipeproc.Options{Clock: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	for i := range 3 {
		clock.ms = 1000 + 10*int64(i)
		if _, err := n.Commit(context.Background(),
			pipeproc.Record{Topic: "t", Body: fmt.Append(nil, 2*i)},
			pipeproc.Record{Topic: "t", Body: fmt.Append(nil, 2*i+1)}); err != nil {
			t.Fatal(err)
		}
	}
	return n, clock
}

// textRange are options of a range with bounds as text.
type textRange struct {
	Start, End string
	Exclusive  bool
	Limit      int
}

func (r textRange) options(t *testing.T) pipeproc.RangeOptions {
	t.Helper()
	return pipeproc.RangeOptions{Start: bound(t, r.Start), End: bound(t, r.End), Exclusive: r.Exclusive, Limit: r.Limit}
}

func bound(t *testing.T, s string) pipeproc.Bound {
	t.Helper()
	b, err := pipeproc.ParseBound(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRange has a line for each rule of ranges.
func TestRange(t *testing.T) {
	n, _ := rangeNode(t)
	ctx := context.Background()
	if err := n.CreateTopic(ctx, "empty", pipeproc.TopicOptions{}); err != nil {
		t.Fatal(err)
	}
	type o = textRange
	all := []uint64{0, 1, 2, 3, 4, 5}
	for _, c := range []struct {
		rule string
		o    o
		want []uint64
	}{
		{"open bounds: everything", o{}, all},
		{"limit", o{Limit: 2}, []uint64{0, 1}},
		{"limit 0 is unlimited", o{Limit: 0}, all},
		{"negative limit is unlimited", o{Limit: -1}, all},
		{"start id", o{Start: "1010-2"}, []uint64{2, 3, 4, 5}},
		{"end id", o{End: "1010-2"}, []uint64{0, 1, 2}},
		{"start and end id", o{Start: "1010-2", End: "1010-3"}, []uint64{2, 3}},
		{"exclusive ids", o{Start: "1000-1", End: "1020-4", Exclusive: true}, []uint64{2, 3}},
		{"an id need not exist: before", o{Start: "1005-0"}, []uint64{2, 3, 4, 5}},
		{"an id need not exist: sequence too large for its time", o{Start: "1000-9"}, []uint64{2, 3, 4, 5}},
		{"an id need not exist: sequence too small for its time", o{Start: "1010-0"}, []uint64{2, 3, 4, 5}},
		{"an id need not exist: end", o{End: "1005-9"}, []uint64{0, 1}},
		{"an id need not exist: exclusive takes nothing away", o{Start: "1005-3", End: "1015-0", Exclusive: true}, []uint64{2, 3}},
		{"start time", o{Start: "1010"}, []uint64{2, 3, 4, 5}},
		{"start time between", o{Start: "1001"}, []uint64{2, 3, 4, 5}},
		{"start time before all", o{Start: "0"}, all},
		{"times are numbers, not text", o{Start: "9"}, all},
		{"start time after all", o{Start: "1021"}, nil},
		{"end time is the whole millisecond", o{End: "1010"}, []uint64{0, 1, 2, 3}},
		{"end time before all", o{End: "999"}, nil},
		{"exclusive leaves times alone", o{Start: "1010", End: "1010", Exclusive: true}, []uint64{2, 3}},
		{"exclusive leaves open bounds alone", o{Exclusive: true}, all},
		{"start sequence", o{Start: ":4"}, []uint64{4, 5}},
		{"end sequence", o{End: ":1"}, []uint64{0, 1}},
		{"exclusive sequences", o{Start: ":1", End: ":4", Exclusive: true}, []uint64{2, 3}},
		{"mixed kinds of bounds", o{Start: ":1", End: "1010"}, []uint64{1, 2, 3}},
		{"mixed kinds, id and sequence", o{Start: "1010-3", End: ":4"}, []uint64{3, 4}},
		{"start after end: nothing", o{Start: "1010-2", End: "1000-0"}, nil},
		{"sequences of start after end: nothing", o{Start: ":4", End: ":1"}, nil},
		{"largest id", o{End: "9223372036854775807-18446744073709551615"}, all},
		{"largest time", o{End: "9223372036854775807"}, all},
		{"one record, exclusive on both sides", o{Start: ":2", End: ":2", Exclusive: true}, nil},
	} {
		fwd := c.o.options(t)
		if got := seqs(t, n.Range(ctx, "t", fwd)); !slices.Equal(got, c.want) {
			t.Errorf("%s: Range(%+v) = %v, want %v", c.rule, c.o, got, c.want)
		}
		// A reverse range with start and end changed over is the same, backwards.
		r := fwd
		r.Start, r.End, r.Reverse = fwd.End, fwd.Start, true
		want := slices.Clone(c.want)
		slices.Reverse(want)
		if c.o.Limit > 0 {
			want = []uint64{5, 4}
		}
		if got := seqs(t, n.Range(ctx, "t", r)); !slices.Equal(got, want) {
			t.Errorf("%s: reverse Range(%+v) = %v, want %v", c.rule, r, got, want)
		}
	}
	if got := seqs(t, n.Range(ctx, "empty", pipeproc.RangeOptions{})); len(got) != 0 {
		t.Errorf("a topic without records yields %v", got)
	}
	if got := seqs(t, n.Range(ctx, "empty", o{Start: "5", End: "9-3"}.options(t))); len(got) != 0 {
		t.Errorf("a topic without records yields %v", got)
	}
}

func seqs(t *testing.T, it func(func(pipeproc.Record, error) bool)) []uint64 {
	t.Helper()
	var out []uint64
	for r, err := range it {
		if err != nil {
			t.Errorf("unexpected error: %v", err)
			return nil
		}
		if fmt.Sprint(r.ID.Seq) != string(r.Body) || r.Topic != "t" {
			t.Errorf("record %v of %q has body %q", r.ID, r.Topic, r.Body)
		}
		out = append(out, r.ID.Seq)
	}
	return out
}

// TestClockGoesBack: ids never go back, whatever the clock does.
func TestClockGoesBack(t *testing.T) {
	n, clock := rangeNode(t)
	ctx := context.Background()
	last := pipeproc.ID{Millis: 1020, Seq: 5}
	for _, ms := range []int64{500, 0, 1019, 1021, 1 << 40, 1000} {
		clock.ms = ms
		ids, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: fmt.Append(nil, last.Seq+1)})
		if err != nil {
			t.Fatal(err)
		}
		if ids[0].Compare(last) <= 0 || ids[0].Millis < last.Millis {
			t.Errorf("clock at %d: id %v after %v", ms, ids[0], last)
		}
		last = ids[0]
		// The floor is the node's, not the topic's.
		other, err := n.Commit(ctx, pipeproc.Record{Topic: "other", Body: nil})
		if err != nil || other[0].Millis < last.Millis {
			t.Errorf("clock at %d: id %v in another topic after %v: %v", ms, other[0], last, err)
		}
	}
}

// TestCommitRules has the rules of commits.
func TestCommitRules(t *testing.T) {
	n, _ := rangeNode(t)
	ctx := context.Background()
	if _, err := n.Commit(ctx); !errors.Is(err, pipeproc.ErrUncommitted) || pipeproc.Code(err) != "uncommited" {
		t.Errorf("empty batch: %v", err)
	}
	// One bad record rejects the whole batch and leaves nothing, not even the
	// topic that a good one would have made.
	_, err := n.Commit(ctx, pipeproc.Record{Topic: "fresh", Body: []byte("x")}, pipeproc.Record{Topic: "bad topic", Body: []byte("x")})
	if !errors.Is(err, pipeproc.ErrInvalidTopicFormat) {
		t.Errorf("bad topic: %v", err)
	}
	if _, err := n.Length(ctx, "fresh"); !errors.Is(err, pipeproc.ErrInvalidTopic) {
		t.Errorf("the failed batch left its topic: %v", err)
	}
	ids, err := n.Commit(ctx, pipeproc.Record{Topic: "a"}, pipeproc.Record{Topic: "b"}, pipeproc.Record{Topic: "a", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}}})
	if err != nil || ids[0].Seq != 0 || ids[1].Seq != 0 || ids[2].Seq != 1 || ids[0].Millis != ids[2].Millis || ids[0].Millis != ids[1].Millis {
		t.Errorf("ids %v, %v", ids, err)
	}
	r, err := n.Get(ctx, "a", 1)
	if err != nil || r.Body == nil || len(r.Body) != 0 || string(r.Key) != "k" || len(r.Headers) != 1 || r.Headers[0].Name != "h" || string(r.Headers[0].Value) != "v" {
		t.Errorf("record with an empty body: %+v, %v", r, err)
	}
	if err := n.CreateTopic(ctx, "a", pipeproc.TopicOptions{}); !errors.Is(err, pipeproc.ErrTopicExists) {
		t.Errorf("second creation: %v", err)
	}
	if err := n.DeleteTopic(ctx, "a"); err != nil {
		t.Error(err)
	}
	if _, err := n.Length(ctx, "a"); !errors.Is(err, pipeproc.ErrInvalidTopic) {
		t.Errorf("deleted topic: %v", err)
	}
	if ids, err := n.Commit(ctx, pipeproc.Record{Topic: "a"}); err != nil || ids[0].Seq != 0 {
		t.Errorf("a topic made again: %v, %v", ids, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := n.Commit(cancelled, pipeproc.Record{Topic: "a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if l, _ := n.Length(ctx, "a"); l != 1 {
		t.Errorf("a cancelled commit left something: %d", l)
	}
}

// TestImport: ids are kept, gaps are no records, and only a new topic takes
// them.
func TestImport(t *testing.T) {
	n, clock := rangeNode(t)
	ctx := context.Background()
	ids := []pipeproc.ID{{Millis: 5, Seq: 10}, {Millis: 5, Seq: 11}, {Millis: 7, Seq: 12}, {Millis: 7, Seq: 20}, {Millis: 900, Seq: 21}}
	in := func(yield func(pipeproc.Record, error) bool) {
		for _, id := range ids {
			if !yield(pipeproc.Record{ID: id, Body: []byte(id.String())}, nil) {
				return
			}
		}
	}
	if k, err := n.Import(ctx, "imp", in, &pipeproc.ImportOptions{BatchRecords: 2}); err != nil || k != 5 {
		t.Fatal(k, err)
	}
	var got []pipeproc.ID
	for r, err := range n.Range(ctx, "imp", pipeproc.RangeOptions{}) {
		if err != nil || r.ID.String() != string(r.Body) {
			t.Fatal(r, err)
		}
		got = append(got, r.ID)
	}
	if !slices.Equal(got, ids) {
		t.Errorf("got %v", got)
	}
	got = nil
	for r, err := range n.Range(ctx, "imp", pipeproc.RangeOptions{Reverse: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.ID)
	}
	slices.Reverse(got)
	if !slices.Equal(got, ids) {
		t.Errorf("backwards %v", got)
	}
	if l, _ := n.Length(ctx, "imp"); l != 5 {
		t.Errorf("length %d", l)
	}
	if _, err := n.Get(ctx, "imp", 15); !errors.Is(err, pipeproc.ErrInvalidSequence) {
		t.Errorf("a sequence in a gap: %v", err)
	}
	if _, err := n.Import(ctx, "imp", in, nil); !errors.Is(err, pipeproc.ErrInvalidImport) {
		t.Errorf("second import: %v", err)
	}
	ids = []pipeproc.ID{{Millis: 5, Seq: 1}, {Millis: 4, Seq: 2}}
	if _, err := n.Import(ctx, "falls", in, nil); !errors.Is(err, pipeproc.ErrInvalidImport) {
		t.Errorf("time falls: %v", err)
	}
	ids = []pipeproc.ID{{Millis: 5, Seq: 1}, {Millis: 5, Seq: 1}}
	if _, err := n.Import(ctx, "repeats", in, nil); !errors.Is(err, pipeproc.ErrInvalidImport) {
		t.Errorf("sequence repeats: %v", err)
	}
	future := clock.ms + 2*24*3600*1000
	ids = []pipeproc.ID{{Millis: future, Seq: 0}}
	if _, err := n.Import(ctx, "future", in, nil); !errors.Is(err, pipeproc.ErrInvalidImport) {
		t.Errorf("future: %v", err)
	}
	if k, err := n.Import(ctx, "future", in, &pipeproc.ImportOptions{Force: true}); k != 1 || err != nil {
		t.Errorf("forced: %d, %v", k, err)
	}
	if ids, err := n.Commit(ctx, pipeproc.Record{Topic: "future"}); err != nil || ids[0].Millis != future {
		t.Errorf("the topic's floor: %v, %v", ids, err)
	}
	if ids, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte("6")}); err != nil || ids[0].Millis != clock.ms {
		t.Errorf("another topic: %v, %v", ids, err)
	}
	if ids, err := n.Commit(ctx, pipeproc.Record{Topic: "imp"}); err != nil || ids[0].Seq != 22 {
		t.Errorf("after the import: %v, %v", ids, err)
	}
}
