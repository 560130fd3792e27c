package conformance

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/record"
)

// nilText is an error whose text cannot be had from a nil pointer.
type nilText struct{ text string }

func (e *nilText) Error() string { return e.text }

// noCodec encodes nothing.
type noCodec struct{}

var errNoCodec = errors.New("no encoding")

func (noCodec) Append([]byte, int) ([]byte, error) { return nil, errNoCodec }
func (noCodec) Decode([]byte) (int, error)         { return 0, errNoCodec }

// edgeTests are about callers who are careless, and about what a call leaves behind.
var edgeTests = []test{
	{name: "error of a processor that has no text", run: func(l *lab) {
		var fail atomic.Int32
		l.commit("t", "0")
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"out"}, Processor: func(_ context.Context, w *pipeproc.Work) error {
			switch fail.Add(1) {
			case 1:
				var none *nilText
				return none
			case 2:
				var none *nilText
				panic(none)
			}
			w.Emit([]byte("done"))
			return nil
		}})
		l.settled("s")
		l.wantTopic("out", "done")
	}},
	{name: "claims of a live proc end with the cause", run: func(l *lab) {
		l.commit("t", "0", "1")
		p := l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst})
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(l.ctx)
		defer cancel(nil)
		var last error
		claims := 0
		for c, err := range p.Claims(ctx) {
			if last = err; err == nil {
				claims++
				l.wantBodies(c, "0")
				_, err = p.Ack(l.ctx)
				l.ok(err)
				cancel(enough)
			}
		}
		if claims != 1 || !errors.Is(last, enough) {
			l.t.Errorf("%d claims, and then %v", claims, last)
		}
	}},
	{name: "live proc leaves the claim of another alone", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := pipeproc.LiveOptions{Topic: "t", Name: "n", Offset: pipeproc.OffsetFirst}
		a, b := l.live(o), l.live(o)
		l.wantNext(a, "0")
		_, err := b.Ack(l.ctx)
		l.wantErr(err, pipeproc.ErrInvalidAck)
		_, _, err = b.AckCommit(l.ctx, recordsOf("out", "x")...)
		l.wantErr(err, pipeproc.ErrInvalidAckCommit)
		_, err = b.Reclaim(l.ctx, "mine")
		l.wantErr(err, pipeproc.ErrNothingToReclaim)
		_, err = b.Ack(ended())
		if !errors.Is(err, context.Canceled) {
			l.t.Error(err)
		}
		_, err = a.Ack(l.ctx)
		l.ok(err)
		l.wantNext(b, "1")
		_, err = b.Ack(l.ctx)
		l.ok(err)
		l.destroy("n")
		_, err = l.live(pipeproc.LiveOptions{Topic: "t"}).Ack(l.ctx)
		l.wantErr(err, pipeproc.ErrInvalidAck)
	}},
	{name: "backoff of a system proc, each part by itself", run: func(l *lab) {
		for _, c := range []struct{ in, max, wantIn, wantMax time.Duration }{
			{0, 0, 10 * time.Millisecond, 3 * time.Second},
			{0, time.Minute, 10 * time.Millisecond, time.Minute},
			{time.Second, 0, time.Second, 3 * time.Second},
			{4 * time.Second, 0, 4 * time.Second, 4 * time.Second},
			{-1, 0, 0, 0},
		} {
			i := l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Replace: true, Retry: pipeproc.RetryPolicy{Backoff: c.in, MaxBackoff: c.max}})[0]
			if i.Retry.Backoff != c.wantIn || i.Retry.MaxBackoff != c.wantMax {
				l.t.Errorf("%+v: %+v", c, i.Retry)
			}
		}
	}},
	{name: "system procs that are refused", run: func(l *lab) {
		for name, o := range map[string]pipeproc.SystemProcOptions{
			"MaxBackoff":    {Retry: pipeproc.RetryPolicy{MaxBackoff: -1}},
			"ProcessorName": {ProcessorName: "p\xff"},
			"Command":       {Command: []string{"program", "\xff"}},
		} {
			o.Name, o.From = "s", []string{"t"}
			_, err := l.DefineSystemProc(l.ctx, o)
			l.wantErr(err, pipeproc.ErrInvalidProcOptions, name)
			l.wantErr(o.Validate(), pipeproc.ErrInvalidProcOptions, name)
		}
	}},
	{name: "batch with a value that has no encoding", run: func(l *lab) {
		var b pipeproc.Batch
		l.ok(b.Add("t", []byte("0")))
		if err := pipeproc.AddValue(&b, noCodec{}, "t", nil, 1); !errors.Is(err, errNoCodec) {
			l.t.Error(err)
		}
		if err := l.CommitBatch(l.ctx, &b); !errors.Is(err, errNoCodec) {
			l.t.Errorf("committed without the value: %v", err)
		}
		b.Reset()
		l.ok(b.Add("t", []byte("1")))
		l.ok(l.CommitBatch(l.ctx, &b))
		l.wantTopic("t", "1")
	}},
	{name: "batch has ids and a position after a commit only", run: func(l *lab) {
		var b pipeproc.Batch
		none := func(when string) {
			l.t.Helper()
			if len(b.IDs()) != 0 || b.Position() != 0 {
				l.t.Errorf("%s: %v, position %d", when, b.IDs(), b.Position())
			}
		}
		commit := func() {
			l.t.Helper()
			b.Reset()
			l.ok(b.Add("t", []byte("x")))
			l.ok(l.CommitBatch(l.ctx, &b))
			if len(b.IDs()) != 1 || b.Position() == 0 {
				l.t.Errorf("%v, position %d", b.IDs(), b.Position())
			}
		}
		none("new")
		l.ok(b.Add("t", []byte("x")))
		none("not committed")
		commit()
		b.Reset()
		none("reset")
		commit()
		l.ok(b.Expect("t", 0))
		l.wantErr(l.CommitBatch(l.ctx, &b), pipeproc.ErrConflict)
		none("conflict")
		commit()
		if err := l.CommitBatch(ended(), &b); !errors.Is(err, context.Canceled) {
			l.t.Error(err)
		}
		none("context ended")
		for _, proc := range []string{"nobody", ""} {
			commit()
			_, err := l.AckCommitBatch(l.ctx, proc, pipeproc.Token{}, &b)
			l.wantErr(err, pipeproc.ErrInvalidProc)
			none("no such proc")
		}
		commit()
		l.wantErr(b.Add("bad name", nil), pipeproc.ErrInvalidTopicFormat)
		l.wantErr(l.CommitBatch(l.ctx, &b), pipeproc.ErrInvalidTopicFormat)
		none("bad record")
	}},
	{name: "wait for a record that is gone", run: func(l *lab) {
		l.six()
		l.ok(l.Prune(l.ctx, "t", 3))
		err := l.WaitForRecord(l.ctx, "t", 1)
		l.wantErr(err, pipeproc.ErrPruned)
		if p, ok := errors.AsType[*pipeproc.PrunedError](err); !ok || p.Topic != "t" || p.Seq != 1 || p.First != 3 {
			l.t.Errorf("%+v", err)
		}
		l.ok(l.WaitForRecord(l.ctx, "t", 3))
	}},
	{name: "bounds that are none", run: func(l *lab) {
		l.six()
		for _, b := range []pipeproc.Bound{
			{Kind: 9},
			{Kind: record.SeqBound + 1, ID: pipeproc.ID{Seq: 1}},
			pipeproc.AtID(pipeproc.ID{Millis: -1, Seq: 2}),
			{Kind: record.TimeBound, ID: pipeproc.ID{Millis: math.MinInt64}},
		} {
			for _, o := range []pipeproc.RangeOptions{{Start: b}, {End: b}, {Start: b, Reverse: true}} {
				n := 0
				for _, err := range l.Range(l.ctx, "t", o) {
					l.wantErr(err, pipeproc.ErrInvalidRangeOffset)
					n++
				}
				if n != 1 {
					l.t.Errorf("%+v: %d results, want one error", o, n)
				}
			}
		}
	}},
	{name: "bounds far away", run: func(l *lab) {
		l.six()
		for _, c := range []struct {
			o    pipeproc.RangeOptions
			want int
		}{
			{pipeproc.RangeOptions{Start: pipeproc.AtTime(time.Unix(1<<60, 0))}, 0},
			{pipeproc.RangeOptions{End: pipeproc.AtTime(time.Unix(1<<60, 0))}, 6},
			{pipeproc.RangeOptions{End: pipeproc.AtTime(time.Unix(math.MaxInt64/1000, 999_000_000))}, 6},
			{pipeproc.RangeOptions{Start: pipeproc.AtTime(time.Unix(-1<<60, 0))}, 6},
			{pipeproc.RangeOptions{End: pipeproc.AtTime(time.Time{})}, 0},
		} {
			n := 0
			for _, err := range l.Range(l.ctx, "t", c.o) {
				l.ok(err)
				n++
			}
			if n != c.want {
				l.t.Errorf("%+v: %d records, want %d", c.o, n, c.want)
			}
		}
	}},
}
