package pipelines

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestRestartGoesOn: what the processors of a killed process had claimed is
// processed as soon as the store is open again, not only when the claim times
// out. Nobody is left who could acknowledge it.
func TestRestartGoesOn(t *testing.T) {
	disk := vfs.NewCrash()
	gate, claimed := make(chan struct{}), make(chan struct{})
	defer close(gate)
	o := pipeproc.SystemProcOptions{Name: "p", From: []string{"in"}, To: []string{"out"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Minute},
		Processor: func(_ context.Context, w *pipeproc.Work) error {
			close(claimed)
			<-gate
			return nil
		}}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	n, err := pipeproc.Open(dir, &pipeproc.Options{FS: disk, CloseGrace: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := n.DefineSystemProc(ctx, o); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Commit(ctx, pipeproc.Record{Topic: "in", Body: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	<-claimed

	again, err := pipeproc.Open(dir, &pipeproc.Options{FS: disk.Kill(), Processors: map[string]pipeproc.Processor{
		"p": func(_ context.Context, w *pipeproc.Work) error { w.Emit([]byte("done")); return nil }}})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	start := time.Now()
	if err := again.WaitForProcs(ctx, "p"); err != nil {
		p, _ := again.InspectProc(context.Background(), "p")
		t.Fatalf("%v after %v: claim %v of an earlier opening is still open, its timeout is %v", err, time.Since(start).Round(time.Millisecond),
			p.Claim, p.Retry.ReclaimTimeout)
	}
	t.Logf("processed %v after the store was opened", time.Since(start).Round(time.Microsecond))
	if l, err := again.Length(ctx, "out"); err != nil || l != 1 {
		t.Errorf("%d outputs: %v", l, err)
	}
}

// TestWaitOnFailedNode: waiting ends with an error once the node has failed and
// what is waited for cannot come.
func TestWaitOnFailedNode(t *testing.T) {
	for name, wait := range map[string]func(context.Context, *pipeproc.Node) error{
		"for procs": func(ctx context.Context, n *pipeproc.Node) error { return n.WaitForProcs(ctx) },
		"for work":  func(ctx context.Context, n *pipeproc.Node) error { return n.WaitForWork(ctx, "idle") },
	} {
		for _, before := range []bool{true, false} {
			when := " after the failure"
			if before {
				when = " before the failure"
			}
			t.Run(name+when, func(t *testing.T) { waitOnFailed(t, before, wait) })
		}
	}
}

func waitOnFailed(t *testing.T, before bool, wait func(context.Context, *pipeproc.Node) error) {
	t.Parallel()
	fault := vfs.NewFault(vfs.NewMem(), nil)
	n, err := pipeproc.Open(dir, &pipeproc.Options{FS: fault})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	for _, name := range []string{"behind", "idle"} {
		if _, err := n.EnsureProc(ctx, pipeproc.ProcOptions{Name: name, Topic: name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Commit(ctx, pipeproc.Record{Topic: "behind", Body: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	if before {
		go func() { waiting <- wait(ctx, n) }()
	}
	fault.SetHook(func(op vfs.Op) error {
		if strings.HasPrefix(string(op.Kind), "sync") {
			return syscall.EIO
		}
		return nil
	})
	if _, err := n.Commit(ctx, pipeproc.Record{Topic: "other"}); !errors.Is(err, pipeproc.ErrOutcomeUnknown) {
		t.Fatalf("the commit returned %v", err)
	}
	if n.Err() == nil {
		t.Fatal("the node has not failed")
	}
	if !before {
		go func() { waiting <- wait(ctx, n) }()
	}
	if err := <-waiting; err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting returned %v; the node had failed: %v", err, n.Err())
	}
}
