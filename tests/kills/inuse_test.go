package kills

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// hold starts a child that holds dir. release ends it in an orderly way.
func hold(t *testing.T, dir string) (c *process.Child, release func()) {
	t.Helper()
	c = process.Start(t, process.Command(process.Soon(t), nil, "hold", dir))
	if line, ok := c.Line(); line != "held" || !ok {
		t.Fatalf("the child says %q: %v: %s", line, c.Wait(), c.Stderr())
	}
	return c, func() {
		c.End()
		if err := c.Wait(); err != nil {
			t.Errorf("the child: %v: %s", err, c.Stderr())
		}
	}
}

func wantInUse(t *testing.T, when string, err error, pid int) {
	t.Helper()
	wantError(t, when, err, "in use", fmt.Sprint(pid))
	if !errors.Is(err, pipeproc.ErrInUse) {
		t.Errorf("%s: not ErrInUse: %v", when, err)
	}
	if l, ok := errors.AsType[*pipeproc.LockedError](err); !ok || l.PID != pid {
		t.Errorf("%s: not a LockedError of process %d: %v", when, pid, err)
	}
}

func TestInUseByOther(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	child, release := hold(t, dir)
	pid := child.Pid()
	for _, o := range []*pipeproc.Options{nil, {ReadOnly: true}, {MustExist: true}} {
		_, err := pipeproc.Open(dir, o)
		wantInUse(t, fmt.Sprintf("open with %+v", o), err, pid)
	}
	_, err := pipeproc.Verify(context.Background(), dir, nil)
	wantInUse(t, "verify", err, pid)
	release()
	n, err := pipeproc.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	// The lock of a process that is gone blocks nobody.
	child, _ = hold(t, dir)
	child.Kill()
	if err := child.Wait(); !process.Killed(err) {
		t.Fatal(err)
	}
	if n, err = pipeproc.Open(dir, nil); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestInUseBySelf(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	n, err := pipeproc.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pipeproc.Open(dir, nil)
	wantInUse(t, "second open", err, os.Getpid())
	if _, err := n.Commit(context.Background(), pipeproc.Record{Topic: "a"}); err != nil {
		t.Errorf("the refused open disturbed the first node: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if n, err = pipeproc.Open(link, nil); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	_, err = pipeproc.Open(dir, nil)
	wantInUse(t, "open by another name", err, os.Getpid())
}

func TestNoStore(t *testing.T) {
	dir := t.TempDir()
	for name, o := range map[string]*pipeproc.Options{"read-only": {ReadOnly: true}, "must exist": {MustExist: true}} {
		for _, d := range []string{dir, filepath.Join(dir, "missing")} {
			_, err := pipeproc.Open(d, o)
			wantError(t, name, err, d)
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: not fs.ErrNotExist: %v", name, err)
			}
		}
	}
	for name := range snapshotOf(t, dir) {
		if name != "." && name != "LOCK" {
			t.Errorf("%s was made", name)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []*pipeproc.Options{nil, {ReadOnly: true}} {
		_, err := pipeproc.Open(file, o)
		wantError(t, "a file as directory", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "mine" {
		t.Errorf("the file was changed: %q, %v", b, err)
	}
}

// A store that was closed can be opened again at once, even while the process
// starts others, which have copies of its descriptors for a moment.
func TestReopenWhileForking(t *testing.T) {
	path, err := exec.LookPath("true")
	process.Need(t, "the command true", err)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = exec.Command(path).Run()
				}
			}
		})
	}
	dir := filepath.Join(t.TempDir(), "data")
	for i := range 300 {
		n, err := pipeproc.Open(dir, &pipeproc.Options{Sync: pipeproc.SyncNever, ReadOnly: i > 0})
		if err != nil {
			t.Errorf("open %d: %v", i, err)
			break
		}
		if err := n.Close(); err != nil {
			t.Errorf("close %d: %v", i, err)
			break
		}
	}
	close(stop)
	wg.Wait()
}
