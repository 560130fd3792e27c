package remote_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
)

// The benchmarks here are the targets of the remote path: a client and a node on
// disk that never syncs, over a unix socket.

func benchRemote(b *testing.B) (*pipeproc.Node, *rpc.Client) {
	n, err := pipeproc.Open(b.TempDir()+"/store", &pipeproc.Options{Sync: pipeproc.SyncNever})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { n.Close() })
	c, err := rpc.Connect(context.Background(), serveNode(b, n), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return n, c
}

// BenchmarkRemoteDiskRoundTrip is one commit of one record at a time.
func BenchmarkRemoteDiskRoundTrip(b *testing.B) {
	_, c := benchRemote(b)
	ctx := context.Background()
	var batch pipeproc.Batch
	body := make([]byte, 128)
	times := make([]time.Duration, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		_ = batch.Add("t", body)
		begin := time.Now()
		if err := c.CommitBatch(ctx, &batch); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1000, "µs-median")
	b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds())/1000, "µs-p99")
}

// BenchmarkRemoteDiskPipelined is 64 goroutines that share a connection.
func BenchmarkRemoteDiskPipelined(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
			_, c := benchRemote(b)
			body := make([]byte, 128)
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for g := range 64 {
				wg.Go(func() {
					var batch pipeproc.Batch
					for range (b.N + g) / 64 {
						batch.Reset()
						for range size {
							_ = batch.Add("t", body)
						}
						if err := c.CommitBatch(context.Background(), &batch); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkRemoteDiskRange is a range of 500,000 records of 128 bytes.
func BenchmarkRemoteDiskRange(b *testing.B) {
	n, c := benchRemote(b)
	const total = 500_000
	var batch pipeproc.Batch
	for range total / 100 {
		batch.Reset()
		for range 100 {
			_ = batch.Add("t", make([]byte, 128))
		}
		if err := n.CommitBatch(context.Background(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		k := 0
		for _, err := range c.Range(context.Background(), "t", pipeproc.RangeOptions{}) {
			if err != nil {
				b.Fatal(err)
			}
			k++
		}
		if k != total {
			b.Fatal(k)
		}
	}
	b.ReportMetric(float64(b.N*total)/b.Elapsed().Seconds(), "records/s")
}
