//go:build linux

package scale

import (
	"context"
	"fmt"
	"os"
	"os/exec"
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

// Field case S20: the cost of many topics of 2 KB each: checkpoints, close, open, memory.
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
	t.Logf("heap: %d MB", heap()>>20)
	t.Logf("writing: %v", fill(0, count, 100))
	within(t, "checkpoint with all topics changed", checkpoint(), 10*time.Second)
	t.Logf("heap: %d MB", heap()>>20)
	fill(0, count, 1)
	within(t, "close", closeNode(t, n), 10*time.Second)
	size, files := diskUse(t, dir)
	t.Logf("on disk: %d MB in %d files", size>>20, files)
	// In a process of its own, which has no other memory.
	cmd := exec.Command(os.Args[0], "-test.run=^TestS20Open$", "-test.v", fmt.Sprint("-scale.full=", *full))
	cmd.Env = append(os.Environ(), openEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

const openEnv = "SCALE_OPEN"

// TestS20Open is the part of TestS20Topics that opens the store.
func TestS20Open(t *testing.T) {
	dir := os.Getenv(openEnv)
	if dir == "" {
		return
	}
	n, took := openNode(t, dir, &pipeproc.Options{Sync: pipeproc.SyncNever})
	within(t, "open", took, 3*time.Second)
	rss := resident(t)
	t.Logf("resident after opening: %d MB, heap %d MB", rss>>20, heap()>>20)
	if rss > 200<<20 {
		t.Errorf("the open store takes %d MB", rss>>20)
	}
	closeNode(t, n)
}
