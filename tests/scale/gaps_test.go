//go:build unix

package scale

import (
	"context"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// Field case S19: an import that leaves a gap behind each record costs by the records.
// Copies are allocated, so four times the records allocate about four times as much.
func TestS19Gaps(t *testing.T) {
	few, _ := importGaps(t, 2_500)
	bytes, took := importGaps(t, 10_000)
	if bytes > 6*few {
		t.Errorf("10,000 gaps allocate %d bytes, a quarter of them %d", bytes, few)
	}
	if *full {
		_, took = importGaps(t, 40_000)
	}
	within(t, "import", took, 200*time.Millisecond)
}

func importGaps(t *testing.T, count int) (allocated uint64, took time.Duration) {
	t.Helper()
	ctx := context.Background()
	n, _ := openNode(t, filepath.Join(t.TempDir(), "data"), &pipeproc.Options{Sync: pipeproc.SyncNever})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	got, err := n.Import(ctx, "imported", func(yield func(pipeproc.Record, error) bool) {
		rec := pipeproc.Record{Topic: "imported", Body: []byte("x")}
		for i := range count {
			rec.ID = pipeproc.ID{Millis: int64(i + 1), Seq: uint64(2 * i)}
			if !yield(rec, nil) {
				return
			}
		}
	}, nil)
	took = time.Since(start)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(got, err)
	}
	length := func(want int) {
		t.Helper()
		if l, err := n.Length(ctx, "imported"); err != nil || l != uint64(want) {
			t.Fatalf("%d records, %v, want %d", l, err, want)
		}
	}
	length(count)
	start = time.Now()
	for i := count / 2; i < count/2+count/10; i++ { // each prune meets a gap
		if err := n.Prune(ctx, "imported", uint64(2*i)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d gaps: import %v, %d prunes %v", count, took, count/10, time.Since(start))
	length(count - (count/2 + count/10 - 1))
	closeNode(t, n)
	return after.TotalAlloc - before.TotalAlloc, took
}
