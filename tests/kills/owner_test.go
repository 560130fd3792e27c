package kills

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/vfs"
)

// ownerOptions are options of a small store, whose events are collected.
func ownerOptions(mode pipeproc.SyncMode) (*pipeproc.Options, *events) {
	got := new(events)
	return &pipeproc.Options{Sync: mode, WALSize: 64 << 10, OnEvent: got.add}, got
}

// events are those of a node that tell of its directory.
type events struct {
	mu    sync.Mutex
	moved []string // File
}

func (e *events) add(ev pipeproc.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ev.Kind == pipeproc.EventMoved {
		e.moved = append(e.moved, ev.File)
	}
}

func (e *events) want(t *testing.T, when string, files ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if fmt.Sprint(e.moved) != fmt.Sprint(files) {
		t.Errorf("%s: events for %q, want %q", when, e.moved, files)
	}
}

func openOwner(t *testing.T, dir string, mode pipeproc.SyncMode) (*pipeproc.Node, *events) {
	t.Helper()
	o, got := ownerOptions(mode)
	n, err := pipeproc.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n, got
}

func put(n *pipeproc.Node, topic string) error {
	_, err := n.Commit(context.Background(), pipeproc.Record{Topic: topic, Body: bytes.Repeat([]byte("x"), 1000)})
	return err
}

func mustPut(t *testing.T, n *pipeproc.Node, topic string, count int) {
	t.Helper()
	for range count {
		if err := put(n, topic); err != nil {
			t.Fatal(err)
		}
	}
}

// wantRecords closes nothing and opens dir, which must have count records in topic.
func wantRecords(t *testing.T, dir, topic string, count uint64) {
	t.Helper()
	n, err := pipeproc.Open(dir, &pipeproc.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if l, err := n.Length(context.Background(), topic); l != count || err != nil || len(n.Recovery().Damage) > 0 {
		t.Errorf("%d records in %s, want %d: %v, %v", l, topic, count, err, n.Recovery().Damage)
	}
}

// TestS11LockRemoved removes the file LOCK under a node: nobody else gets in, through
// whichever name, and the file is made again.
func TestS11LockRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	lock := filepath.Join(dir, "LOCK")
	refused := func(t *testing.T, dir string, pid int) {
		t.Helper()
		before := snapshotOf(t, dir)
		for _, o := range []*pipeproc.Options{nil, {ReadOnly: true}, {MustExist: true}} {
			n, err := pipeproc.Open(dir, o)
			if err == nil {
				_ = n.Close()
				t.Fatal("a second node got in")
			}
			wantError(t, "second node", err, "in use")
			held, ok := errors.AsType[*pipeproc.LockedError](err)
			if !ok || held.PID != pid || !errors.Is(err, pipeproc.ErrInUse) {
				t.Errorf("%v", err)
			}
		}
		_, err := pipeproc.Verify(context.Background(), dir, nil)
		wantError(t, "verify", err, "in use")
		_, err = pipeproc.Repair(context.Background(), dir, nil)
		wantError(t, "repair", err, "in use")
		if pid == 0 { // the other one does nothing meanwhile
			same(t, "refused", before, snapshotOf(t, dir))
		}
		if _, err := os.Stat(filepath.Join(dir, "LOCK")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a refused node made LOCK: %v", err)
		}
	}
	t.Run("other process", func(t *testing.T) {
		child, release := hold(t, dir)
		remove(t, lock)
		refused(t, dir, 0)
		moved := filepath.Join(filepath.Dir(dir), "moved")
		if err := os.Rename(dir, moved); err != nil {
			t.Fatal(err)
		}
		refused(t, moved, 0)
		if err := os.Rename(moved, dir); err != nil {
			t.Fatal(err)
		}
		child.Kill() // the lock ends with the process
		if err := child.Wait(); !process.Killed(err) {
			t.Fatal(err)
		}
		_ = release
	})
	t.Run("same process", func(t *testing.T) {
		n, got := openOwner(t, dir, pipeproc.SyncAlways)
		mustPut(t, n, "one", 5)
		remove(t, lock)
		refused(t, dir, os.Getpid())
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(dir, link); err != nil {
			t.Fatal(err)
		}
		refused(t, link, os.Getpid())
		t.Run("bind mount", func(t *testing.T) {
			at := t.TempDir()
			out, err := exec.Command("mount", "--bind", dir, at).CombinedOutput()
			process.Need(t, "a bind mount: "+strings.TrimSpace(string(out)), err)
			refused(t, at, os.Getpid())
			if err := exec.Command("umount", at).Run(); err != nil {
				t.Error(err)
			}
		})
		mustPut(t, n, "one", 345)
		if err := n.Checkpoint(context.Background()); err != nil {
			t.Fatal(err)
		}
		got.want(t, "checkpoint", "LOCK")
		// An older program knows LOCK only, and is kept out again.
		_, err := vfs.OS().Lock(lock)
		wantInUse(t, "by LOCK", err, os.Getpid())
		_, err = pipeproc.Open(dir, nil)
		wantInUse(t, "once more", err, os.Getpid())
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		wantRecords(t, dir, "one", 350)
	})
	t.Run("older program first", func(t *testing.T) {
		held, err := vfs.OS().Lock(lock)
		if err != nil {
			t.Fatal(err)
		}
		_, err = pipeproc.Open(dir, nil)
		wantInUse(t, "open", err, os.Getpid())
		if err := held.Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("older program after", func(t *testing.T) {
		n, _ := openOwner(t, dir, pipeproc.SyncAlways)
		mustPut(t, n, "one", 1)
		remove(t, lock)
		held, err := vfs.OS().Lock(lock)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		err = n.Checkpoint(context.Background())
		wantError(t, "checkpoint", err, "LOCK")
		if !errors.Is(n.Err(), pipeproc.ErrLogFailed) || put(n, "one") == nil {
			t.Errorf("two programs in one directory: %v", n.Err())
		}
		wantError(t, "close", n.Close(), "LOCK")
	})
	wantRecords(t, dir, "one", 351)
}

// removeOpen removes a folder in which a node may be making files.
func removeOpen(t *testing.T, dir string) {
	t.Helper()
	err := os.RemoveAll(dir)
	for range 1000 {
		if err == nil {
			return
		}
		err = os.RemoveAll(dir)
	}
	t.Fatal(err)
}

// removals is what may happen to an open store, and the word that the error has for it.
var removals = map[string]struct {
	do   func(t *testing.T, dir string)
	word string
}{
	"all": {removeOpen, "removed"},
	"all, and another made": {func(t *testing.T, dir string) {
		removeOpen(t, dir)
		n, err := pipeproc.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}, "removed"},
	"STORE":    {func(t *testing.T, dir string) { remove(t, dir+"/STORE") }, "STORE was removed"},
	"wal":      {func(t *testing.T, dir string) { removeOpen(t, dir+"/wal") }, "removed"},
	"segments": {func(t *testing.T, dir string) { remove(t, dir+"/segments") }, "segments was removed"},
	"wal moved": {func(t *testing.T, dir string) {
		if err := os.Rename(dir+"/wal", dir+"-wal"); err != nil {
			t.Fatal(err)
		}
	}, "wal was removed"},
	"another STORE": {func(t *testing.T, dir string) {
		b, err := os.ReadFile(dir + "/STORE")
		if err := errors.Join(err, os.WriteFile(dir+"/new", b, 0o600), os.Rename(dir+"/new", dir+"/STORE")); err != nil {
			t.Fatal(err)
		}
	}, "STORE was replaced"},
	"a link to segments": {func(t *testing.T, dir string) {
		if err := errors.Join(os.Rename(dir+"/segments", dir+"-segments"), os.Symlink(dir+"-segments", dir+"/segments")); err != nil {
			t.Fatal(err)
		}
	}, "segments was replaced"},
}

// TestS12Removed removes the directory, or what the next opening cannot do without, under
// a node. With SyncAlways no commit is acknowledged into files that have no name; in any
// mode the node has stopped when a file of the log is full, or a checkpoint is taken.
func TestS12Removed(t *testing.T) {
	for name, mode := range map[string]pipeproc.SyncMode{"always": pipeproc.SyncAlways, "never": pipeproc.SyncNever, "interval": pipeproc.SyncMode(time.Millisecond)} {
		for what, r := range removals {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "data")
				n, _ := openOwner(t, dir, mode)
				mustPut(t, n, "one", 10)
				if err := n.Checkpoint(context.Background()); err != nil {
					t.Fatal(err)
				}
				mustPut(t, n, "one", 10)
				r.do(t, dir)
				var err error
				acknowledged := 0
				switch {
				case mode == pipeproc.SyncAlways && (strings.HasPrefix(what, "all") || what == "wal"):
					if err = put(n, "one"); err == nil {
						t.Fatal("acknowledged into a file without a name")
					}
					if !errors.Is(err, pipeproc.ErrOutcomeUnknown) && !errors.Is(err, pipeproc.ErrLogFailed) { // the latter if it was noticed before
						t.Error(err)
					}
				default: // enough for two files of the log, whose next one is looked at by another goroutine
					for deadline := time.Now().Add(20 * time.Second); err == nil && time.Now().Before(deadline); acknowledged++ {
						if err = put(n, "one"); acknowledged > 1000 {
							time.Sleep(time.Millisecond)
						}
					}
				}
				wantError(t, "commit", err, r.word)
				wantError(t, "Err", n.Err(), r.word, dir)
				if !errors.Is(n.Err(), pipeproc.ErrLogFailed) {
					t.Errorf("not ErrLogFailed: %v", n.Err())
				}
				wantError(t, "close", n.Close(), r.word)
			})
		}
	}
}

// TestS12CheckpointLooks: also a checkpoint, and Close, say that the directory is gone.
func TestS12CheckpointLooks(t *testing.T) {
	for what, r := range removals {
		for _, last := range []string{"checkpoint", "close"} {
			t.Run(last+"/"+what, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "data")
				n, _ := openOwner(t, dir, pipeproc.SyncNever)
				mustPut(t, n, "one", 10)
				r.do(t, dir)
				if last == "checkpoint" {
					wantError(t, "checkpoint", n.Checkpoint(context.Background()), r.word)
					wantError(t, "Err", n.Err(), r.word)
				}
				wantError(t, "close", n.Close(), r.word)
			})
		}
	}
}

// TestS12OneLogFile removes the log's file alone.
func TestS12OneLogFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	n, _ := openOwner(t, dir, pipeproc.SyncAlways)
	mustPut(t, n, "one", 3)
	for name := range snapshotOf(t, dir) {
		if strings.HasPrefix(name, "wal/") {
			remove(t, filepath.Join(dir, name))
		}
	}
	wantError(t, "commit", put(n, "one"), "removed")
	if l, err := n.Length(context.Background(), "one"); l != 3 || err != nil {
		t.Errorf("%d records, %v", l, err)
	}
}

// TestS10Moved: a directory that is moved, or has another one in its place, is told once,
// and a change of the working directory is not; the node goes on in its own.
func TestS10Moved(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	n, got := openOwner(t, "data", pipeproc.SyncAlways)
	count := uint64(0)
	step := func(when string, files ...string) {
		t.Helper()
		for range 2 { // the second one has nothing new to tell
			mustPut(t, n, "one", 1)
			count++
			if err := n.Checkpoint(context.Background()); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
		got.want(t, when, files...)
	}
	t.Chdir(t.TempDir())
	step("elsewhere")
	rename := func(from, to string) {
		if err := os.Rename(filepath.Join(here, from), filepath.Join(here, to)); err != nil {
			t.Fatal(err)
		}
	}
	rename("data", "moved")
	step("moved", "data")
	other, _ := openOwner(t, filepath.Join(here, "data"), pipeproc.SyncAlways)
	mustPut(t, other, "two", 5)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	step("another in its place", "data")
	rename("data", "other")
	rename("moved", "data")
	step("put back", "data")
	rename("data", "moved")
	step("moved again", "data", "data")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, filepath.Join(here, "moved"), "one", count)
	wantRecords(t, filepath.Join(here, "other"), "two", 5)
}
