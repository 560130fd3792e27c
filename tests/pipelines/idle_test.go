//go:build unix

package pipelines

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// cpuTime returns what this process has used so far.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestIdleProcs: a node with 100 system procs that have nothing to do uses less
// than a hundredth of a processor.
func TestIdleProcs(t *testing.T) {
	n, err := pipeproc.Open(filepath.Join(t.TempDir(), "data"), &pipeproc.Options{Sync: process.Mode("interval"), GC: &pipeproc.GCOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ctx := context.Background()
	for i := range 100 {
		topic := fmt.Sprint("topic-", i)
		_, err := n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: fmt.Sprint("proc-", i), From: []string{topic}, To: []string{"out"},
			Processor: func(_ context.Context, w *pipeproc.Work) error { w.Emit(nil); return nil }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: topic, Body: []byte("work")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.WaitForProcs(ctx); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	const span = 2 * time.Second
	from := cpuTime(t)
	<-time.After(span)
	used := cpuTime(t) - from
	share := float64(used) / float64(span) * 100
	t.Logf("100 idle system procs use %v of processor time in %v: %.2f %%", used, span, share)
	if share >= 1 {
		t.Errorf("%.2f %% of a processor, the limit is 1 %%", share)
	}
}
