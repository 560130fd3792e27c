//go:build unix

package spawn

import (
	"context"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/worker/program"
)

// BenchmarkExternalProcessor is how many records of 128 bytes go through a system
// proc that runs in a worker process of its node: claimed by 1000, copied by the
// worker, and committed with the acknowledgement.
func BenchmarkExternalProcessor(b *testing.B) {
	ctx := context.Background()
	n, err := pipeproc.Open(b.TempDir()+"/store", &pipeproc.Options{Sync: pipeproc.SyncNever, Programs: runner(b, program.RunnerOptions{Self: self})})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := n.Close(); err != nil {
			b.Error(err)
		}
	})
	body := make([]byte, 128)
	for i := range body {
		body[i] = 'a' + byte(i%26)
	}
	fill := func(records int) {
		var batch pipeproc.Batch
		for records > 0 {
			batch.Reset()
			for range min(records, 1000) {
				_ = batch.Add("in", body)
			}
			records -= batch.Len()
			if err := n.CommitBatch(ctx, &batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	o := through("copy")
	o.Count = 1000
	fill(1)
	if _, err := n.DefineSystemProc(ctx, o); err != nil { // starts the worker
		b.Fatal(err)
	}
	if err := n.WaitForProcs(ctx, o.Name); err != nil {
		b.Fatal(err)
	}
	if _, err := n.DisableProc(ctx, o.Name); err != nil {
		b.Fatal(err)
	}
	fill(b.N)
	b.ResetTimer()
	if _, err := n.ResumeProc(ctx, o.Name); err != nil {
		b.Fatal(err)
	}
	if err := n.WaitForProcs(ctx, o.Name); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if l, err := n.Length(ctx, "out"); err != nil || l != uint64(b.N)+1 {
		b.Fatal(l, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
