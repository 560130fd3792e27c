//go:build linux

package kills

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// tmpfs mounts a file system in memory until the test ends, or skips the test.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	process.Need(t, "a mount of tmpfs (root)", err)
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// A store on a file system that is mounted read-only can be read, and what
// writes says why it cannot.
func TestReadOnlyFileSystem(t *testing.T) {
	mount := tmpfs(t, "64m")
	stores := map[string]*diskStore{"closed": closedStore(t), "killed": openStore(t)}
	for name, d := range stores {
		copyTree(t, filepath.Join(mount, name), d.dir)
		copyTree(t, filepath.Join(mount, name+" without LOCK"), d.dir)
		if err := os.Remove(filepath.Join(mount, name+" without LOCK", "LOCK")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(mount, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", mount, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for name, d := range stores {
		for _, dir := range []string{filepath.Join(mount, name), filepath.Join(mount, name+" without LOCK")} {
			before := snapshotOf(t, dir)
			n, err := pipeproc.Open(dir, nil)
			if err == nil {
				t.Errorf("%s: opens for writing; Err: %v", name, n.Err())
				_ = n.Close()
			}
			wantError(t, name, err, "read-only file system")
			if !errors.Is(err, syscall.EROFS) {
				t.Errorf("%s: not EROFS: %v", name, err)
			}
			n, err = pipeproc.Open(dir, &pipeproc.Options{ReadOnly: true})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			d.mustRead(t, name, n)
			_, err = n.Commit(context.Background(), pipeproc.Record{Topic: "plain"})
			wantError(t, name+": commit", err)
			if !errors.Is(err, pipeproc.ErrReadOnly) {
				t.Errorf("%s: not ErrReadOnly: %v", name, err)
			}
			if rep, err := n.Verify(context.Background(), nil); err != nil || len(rep.Damage) > 0 {
				t.Errorf("%s: verify: %v %v", name, rep, err)
			}
			if err := n.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			same(t, name, before, snapshotOf(t, dir))
		}
	}
	for _, dir := range []string{"empty", "missing"} {
		for _, ro := range []bool{true, false} {
			_, err := pipeproc.Open(filepath.Join(mount, dir), &pipeproc.Options{ReadOnly: ro})
			wantError(t, fmt.Sprintf("%s, read-only %v", dir, ro), err)
		}
	}
}
