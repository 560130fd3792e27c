//go:build linux

package scale

import (
	"context"
	"runtime"
	"runtime/pprof"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// resident returns the resident memory of this process, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// Field case S20: many topics of 2 KB each.
func TestS20Topics(t *testing.T) {
	count := 2000
	if *full {
		count = 50_000
	}
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "data")
	n, _ := openNode(t, dir, &pipeproc.Options{Sync: pipeproc.SyncNever})
	fill := func(from, to, size int) time.Duration {
		start := time.Now()
		var b pipeproc.Batch
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * 7)
		}
		for from < to {
			b.Reset()
			for range min(500, to-from) {
				if err := b.Add(fmt.Sprintf("topic-%05d", from), data); err != nil {
					t.Fatal(err)
				}
				from++
			}
			if err := n.CommitBatch(ctx, &b); err != nil {
				t.Fatal(err)
			}
		}
		return time.Since(start)
	}
	checkpoint := func() time.Duration {
		start := time.Now()
		if err := n.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	t.Logf("writing: %v", fill(0, count, 2000))
	within(t, "checkpoint", checkpoint(), 10*time.Second)
	fill(0, 100, 100)
	within(t, "checkpoint with 100 topics changed", checkpoint(), time.Second)
	t.Logf("rss %d MB, heap %d MB, tails %d MB", resident(t)>>20, heap()>>20, n.Stats().TailBytes>>20)
	t.Logf("writing: %v", fill(0, count, 100))
	within(t, "checkpoint with all topics changed", checkpoint(), 10*time.Second)
	t.Logf("rss %d MB, heap %d MB, tails %d MB", resident(t)>>20, heap()>>20, n.Stats().TailBytes>>20)
	fill(0, count, 1)
	within(t, "close", closeNode(t, n), 10*time.Second)
	size, files := diskUse(t, dir)
	t.Logf("on disk: %d MB in %d files", size>>20, files)
	n, took := openNode(t, dir, &pipeproc.Options{Sync: pipeproc.SyncNever})
	within(t, "open", took, 3*time.Second)
	t.Logf("rss %d MB, heap %d MB, tails %d MB", resident(t)>>20, heap()>>20, n.Stats().TailBytes>>20)
	if p := os.Getenv("HEAPPROF"); p != "" { f, _ := os.Create(p); runtime.GC(); pprof.WriteHeapProfile(f); f.Close() }
	closeNode(t, n)
}
