//go:build linux

package kills

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// A small real file system is filled under load.
func TestDiskFull(t *testing.T) {
	for name, mount := range map[string]func(t *testing.T) string{
		"tmpfs": func(t *testing.T) string { return tmpfs(t, "24m") },
		"ext4":  func(t *testing.T) string { return loop(t, 40<<20, "mkfs.ext4", "-q", "-F", "-m", "0") },
	} {
		for _, mode := range process.Modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				sync := process.Mode(mode)
				f := &fullDisk{t: t, mount: mount(t), truth: newTruth(), rnd: rand.New(rand.NewPCG(*seed, 6))}
				f.o = &pipeproc.Options{Sync: sync, WALSize: 1 << 20, Topic: pipeproc.TopicOptions{SegmentSize: 1 << 20}}
				f.run()
			})
		}
	}
}

type fullDisk struct {
	t     *testing.T
	mount string
	o     *pipeproc.Options
	rnd   *rand.Rand
	truth *truth
}

func (f *fullDisk) run() {
	t, ctx := f.t, context.Background()
	ballast := filepath.Join(f.mount, "ballast")
	if err := fillFile(ballast, 4<<20); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(f.mount, "data")
	n := f.open(dir)
	before := len(f.truth.commits)
	f.fill(n)
	filled := len(f.truth.commits)
	f.preallocated(dir)
	f.mustRead("full", n)
	for range 3 { // it stays so, and stays whole
		f.wantFull(n)
	}

	// Close and open on the full disk.
	if err := n.Close(); err != nil {
		wantError(t, "close", err, "no space left on device")
	}
	n = f.open(dir)
	f.mustRead("opened while full", n)
	if rep, err := n.Verify(ctx, nil); err != nil || len(rep.Damage) > 0 {
		t.Errorf("verify on the full disk: %+v, %v", rep, err)
	}
	f.fill(n) // what room there is left
	f.mustRead("full again", n)

	// Space is freed: commits go on in the same process.
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := f.commit(n, 1000); err != nil {
			t.Fatalf("commit after space was freed: %v", err)
		}
	}
	freed := len(f.truth.commits)
	f.fill(n)
	f.mustRead("full for the third time", n)

	// What frees space works on the full disk.
	was := freeBytes(t, f.mount)
	length, err := n.Length(ctx, "t0")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Prune(ctx, "t0", length-10); err != nil {
		t.Fatalf("prune on the full disk: %v", err)
	}
	f.truth.topics["t0"].first = length - 10
	if err := n.DeleteTopic(ctx, "t1"); err != nil {
		t.Fatalf("delete on the full disk: %v", err)
	}
	delete(f.truth.topics, "t1")
	if err := n.Checkpoint(ctx); err != nil {
		t.Fatalf("checkpoint on the full disk: %v", err)
	}
	if now := freeBytes(t, f.mount); now < was+1<<20 {
		t.Errorf("prune and delete freed %d bytes", now-was)
	}
	for range 5 {
		if err := f.commit(n, 1000); err != nil {
			t.Fatalf("commit after prune and delete: %v", err)
		}
	}
	f.mustRead("after prune and delete", n)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = f.open(dir)
	f.mustRead("in the end", n)
	if rep, err := n.Verify(ctx, nil); err != nil || len(rep.Damage) > 0 {
		t.Errorf("verify in the end: %+v, %v", rep, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commits until the disk was full, %d more after reopening and freeing, %d after that; nothing lost", filled-before, freed-filled, len(f.truth.commits)-freed)
}

func (f *fullDisk) open(dir string) *pipeproc.Node {
	f.t.Helper()
	n, err := pipeproc.Open(dir, f.o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = n.Close() }) // before the unmount, after a failure
	return n
}

func (f *fullDisk) commit(n *pipeproc.Node, size int) error {
	var recs []pipeproc.Record
	for i := range 3 {
		recs = append(recs, pipeproc.Record{Topic: fmt.Sprintf("t%d", i), Body: randomBytes(f.rnd, f.rnd.IntN(2*size))})
	}
	if f.truth.topics["t1"] == nil && len(f.truth.commits) > 0 {
		recs = append(recs[:1], recs[2])
	}
	return f.truth.commit(n, recs...)
}

// fill commits until the disk is full for small batches, too.
func (f *fullDisk) fill(n *pipeproc.Node) {
	f.t.Helper()
	for size := 20000; size >= 200; {
		err := f.commit(n, size)
		if err == nil {
			continue
		}
		f.checkFull(err)
		size /= 3
	}
}

func (f *fullDisk) wantFull(n *pipeproc.Node) {
	f.t.Helper()
	// A batch that cannot fit, whatever is left in preallocated files.
	err := f.commit(n, 4<<20)
	if err == nil {
		f.t.Fatal("there is room for a large batch")
	}
	f.checkFull(err)
}

func (f *fullDisk) checkFull(err error) {
	f.t.Helper()
	wantError(f.t, "commit on the full disk", err, "no space left on device")
	if !errors.Is(err, pipeproc.ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
		f.t.Fatalf("not ErrNoSpace: %v", err)
	}
}

func (f *fullDisk) mustRead(when string, n *pipeproc.Node) {
	f.t.Helper()
	if err := n.Err(); err != nil {
		f.t.Fatalf("%s: the node takes no writes: %v", when, err)
	}
	(&diskStore{truth: f.truth}).mustRead(f.t, when, n)
}

// preallocated checks that every byte of WAL and segment files has its block.
func (f *fullDisk) preallocated(dir string) {
	f.t.Helper()
	seen := 0
	for _, name := range files(f.t, dir) {
		var st unix.Stat_t
		switch err := unix.Stat(filepath.Join(dir, name), &st); {
		case errors.Is(err, unix.ENOENT):
			continue // a checkpoint in the background has removed it
		case err != nil:
			f.t.Fatal(err)
		}
		if strings.HasPrefix(name, "wal/") || strings.HasPrefix(name, "segments/") {
			seen++
			if st.Blocks*512 < st.Size {
				f.t.Errorf("%s has %d bytes and blocks for %d", name, st.Size, st.Blocks*512)
			}
		}
		if st.Mode&0o777 != 0o600 {
			f.t.Errorf("%s has mode %o", name, st.Mode&0o777)
		}
	}
	if seen < 4 {
		f.t.Errorf("only %d files", seen)
	}
}

func fillFile(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, size), f.Close())
}

func freeBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * int64(st.Bsize)
}
