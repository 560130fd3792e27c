package pipeproc_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

var syncModes = []struct {
	name string
	mode pipeproc.SyncMode
}{{"never", pipeproc.SyncNever}, {"always", pipeproc.SyncAlways}}

// feed commits count records of 128 bytes to a topic, unsynced.
func feed(b *testing.B, n *pipeproc.Node, topic string, count int) {
	b.Helper()
	body := make([]byte, 128)
	var bt pipeproc.Batch
	bt.Durability = pipeproc.Buffered
	for count > 0 {
		bt.Reset()
		for range min(count, 100) {
			_ = bt.Add(topic, body)
			count--
		}
		if err := n.CommitBatch(context.Background(), &bt); err != nil {
			b.Fatal(err)
		}
	}
}

// claimer claims for one proc, over and over the same topic.
type claimer struct {
	b *testing.B
	n *pipeproc.Node
	o pipeproc.ProcOptions
}

func newClaimer(b *testing.B, count int) *claimer {
	c := &claimer{b, openBench(b, pipeproc.SyncNever), pipeproc.ProcOptions{Name: "p", Topic: "in", Count: count}}
	feed(b, c.n, "in", 200_000)
	if err := c.n.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	return c
}

func (c *claimer) claim() pipeproc.Claim {
	cl, err := c.n.Claim(context.Background(), c.o)
	if err == nil && cl.Empty() { // at the end: again from the start
		if _, err = c.n.SeekProc(context.Background(), "p", ">"); err == nil {
			cl, err = c.n.Claim(context.Background(), c.o)
		}
	}
	if err != nil || len(cl.Records) != c.o.Count {
		c.b.Fatal(len(cl.Records), err)
	}
	return cl
}

// BenchmarkClaimAck claims and acknowledges, from one goroutine, not synced.
func BenchmarkClaimAck(b *testing.B) {
	for _, count := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("count=%d", count), func(b *testing.B) {
			c := newClaimer(b, count)
			b.ReportAllocs()
			for b.Loop() {
				cl := c.claim()
				if _, err := c.n.Ack(context.Background(), "p", cl.Token); err != nil {
					b.Fatal(err)
				}
			}
			report(b, b.N*count)
		})
	}
}

// BenchmarkClaimAckCommit claims, and acknowledges with as many new records.
func BenchmarkClaimAckCommit(b *testing.B) {
	for _, count := range []int{10, 100} {
		b.Run(fmt.Sprintf("count=%d", count), func(b *testing.B) {
			c := newClaimer(b, count)
			var bt pipeproc.Batch
			b.ReportAllocs()
			for b.Loop() {
				cl := c.claim()
				bt.Reset()
				for i := range cl.Records {
					_ = bt.Add("out", cl.Records[i].Body)
				}
				if _, err := c.n.AckCommitBatch(context.Background(), "p", cl.Token, &bt); err != nil {
					b.Fatal(err)
				}
			}
			report(b, b.N*count)
		})
	}
}

// copier emits what it is given.
func copier(_ context.Context, w *pipeproc.Work) error {
	for _, r := range w.Records() {
		w.Emit(r.Body)
	}
	return nil
}

// pipeline times stages that copy b.N records, from topic t0 to t1 and so on.
func pipeline(b *testing.B, mode pipeproc.SyncMode, stages int) {
	n := openBench(b, mode)
	ctx := context.Background()
	feed(b, n, "t0", b.N)
	if err := n.Checkpoint(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range stages {
		_, err := n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: fmt.Sprint("s", i), From: []string{fmt.Sprint("t", i)},
			To: []string{fmt.Sprint("t", i+1)}, Count: 100, Processor: copier})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := n.WaitForProcs(ctx); err != nil {
		b.Fatal(err)
	}
	report(b, b.N)
	b.StopTimer()
	if got, err := n.Length(ctx, fmt.Sprint("t", stages)); err != nil || got != uint64(b.N) {
		b.Fatal(got, err)
	}
}

// BenchmarkPipelineStage: one system proc at count 100. An operation is a record.
func BenchmarkPipelineStage(b *testing.B) {
	for _, m := range syncModes {
		b.Run("sync="+m.name, func(b *testing.B) { pipeline(b, m.mode, 1) })
	}
}

// BenchmarkPipelineThreeStages: three of them, in a row and at once.
func BenchmarkPipelineThreeStages(b *testing.B) {
	for _, m := range syncModes {
		b.Run("sync="+m.name, func(b *testing.B) { pipeline(b, m.mode, 3) })
	}
}

// BenchmarkCommitToProcessor measures from before Commit to the start of the
// processor, on a node that was at rest.
func BenchmarkCommitToProcessor(b *testing.B) {
	for _, m := range syncModes {
		b.Run("sync="+m.name, func(b *testing.B) {
			n := openBench(b, m.mode)
			ctx := context.Background()
			started := make(chan time.Time, 1)
			_, err := n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "p", From: []string{"in"},
				Processor: func(context.Context, *pipeproc.Work) error { started <- time.Now(); return nil }})
			if err != nil {
				b.Fatal(err)
			}
			rec := pipeproc.Record{Topic: "in", Body: make([]byte, 128)}
			rest := time.NewTicker(2 * time.Millisecond)
			defer rest.Stop()
			var took []time.Duration
			for b.Loop() {
				<-rest.C
				from := time.Now()
				if _, err := n.Commit(ctx, rec); err != nil {
					b.Fatal(err)
				}
				took = append(took, (<-started).Sub(from))
			}
			slices.Sort(took)
			us := func(d time.Duration) float64 { return float64(d) / 1e3 }
			b.ReportMetric(us(took[len(took)/2]), "p50-us")
			b.ReportMetric(us(took[len(took)*99/100]), "p99-us")
		})
	}
}
