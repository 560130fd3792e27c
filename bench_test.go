package pipeproc_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/pipeproc/pipeproc"
)

func openBench(b *testing.B, mode pipeproc.SyncMode) *pipeproc.Node {
	b.Helper()
	n, err := pipeproc.Open(b.TempDir(), &pipeproc.Options{Sync: mode})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { n.Close() })
	return n
}

func report(b *testing.B, records int) {
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkAppend commits records of 128 bytes, not synced, from one goroutine.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{128, 1024} {
		for _, batch := range []int{1, 100} {
			b.Run(fmt.Sprintf("size=%d/batch=%d", size, batch), func(b *testing.B) {
				n := openBench(b, pipeproc.SyncNever)
				body := make([]byte, size)
				var bt pipeproc.Batch
				ctx := context.Background()
				b.ReportAllocs()
				for b.Loop() {
					bt.Reset()
					for range batch {
						_ = bt.Add("t", body)
					}
					if err := n.CommitBatch(ctx, &bt); err != nil {
						b.Fatal(err)
					}
				}
				report(b, b.N*batch)
			})
		}
	}
}

// BenchmarkAtomic commits batches of 10 records to each of 10 topics.
func BenchmarkAtomic(b *testing.B) {
	n := openBench(b, pipeproc.SyncNever)
	body := make([]byte, 128)
	names := make([]string, 10)
	for i := range names {
		names[i] = fmt.Sprintf("topic-%d", i)
	}
	var bt pipeproc.Batch
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		bt.Reset()
		for _, t := range names {
			for range 10 {
				_ = bt.Add(t, body)
			}
		}
		if err := n.CommitBatch(ctx, &bt); err != nil {
			b.Fatal(err)
		}
	}
	report(b, b.N*100)
}

// BenchmarkDurable commits single records of 128 bytes with SyncAlways.
func BenchmarkDurable(b *testing.B) {
	for _, workers := range []int{1, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", workers), func(b *testing.B) {
			n := openBench(b, pipeproc.SyncAlways)
			body := make([]byte, 128)
			ctx := context.Background()
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range workers {
				wg.Go(func() {
					var bt pipeproc.Batch
					for i := w; i < b.N; i += workers {
						bt.Reset()
						_ = bt.Add("t", body)
						if err := n.CommitBatch(ctx, &bt); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			report(b, b.N)
		})
	}
}

// fill commits n records of 128 bytes in batches of 100.
func fill(b *testing.B, node *pipeproc.Node, n int) {
	b.Helper()
	body := make([]byte, 128)
	var bt pipeproc.Batch
	for range n / 100 {
		bt.Reset()
		for range 100 {
			_ = bt.Add("t", body)
		}
		if err := node.CommitBatch(context.Background(), &bt); err != nil {
			b.Fatal(err)
		}
	}
	if err := node.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkScan reads 1 million records through a cursor.
func BenchmarkScan(b *testing.B) {
	const records = 1_000_000
	n := openBench(b, pipeproc.SyncNever)
	fill(b, n, records)
	b.ReportAllocs()
	for b.Loop() {
		c, err := n.Cursor(context.Background(), "t", pipeproc.RangeOptions{})
		if err != nil {
			b.Fatal(err)
		}
		k := 0
		for c.Next() {
			k++
		}
		c.Close()
		if c.Err() != nil || k != records {
			b.Fatal(k, c.Err())
		}
	}
	report(b, b.N*records)
}

// BenchmarkGet reads random records by sequence.
func BenchmarkGet(b *testing.B) {
	const records = 1_000_000
	n := openBench(b, pipeproc.SyncNever)
	fill(b, n, records)
	seq := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		seq = (seq*2862933555777941757 + 3037000493)
		if _, err := n.Get(context.Background(), "t", seq%records); err != nil {
			b.Fatal(err)
		}
	}
	report(b, b.N)
}
