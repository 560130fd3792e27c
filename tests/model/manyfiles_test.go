package model

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// A checkpoint that writes many files syncs them in batches, several at a time.
// These tests have more files than there are in a batch, all in one checkpoint.

const manyFiles = 100

func manyBench(t *testing.T) *bench {
	cfg := mutantConfig
	cfg.mode, cfg.walSize = pipeproc.SyncNever, 8<<20
	b := newBenchOf(t, cfg)
	for i := range manyFiles {
		b.commit(fmt.Sprintf("t%d", i), 20<<10)
	}
	return b
}

// TestMutantManySyncs: all of them are on disk once the checkpoint counts.
func TestMutantManySyncs(t *testing.T) {
	b := manyBench(t)
	b.must(b.node.Checkpoint(bg))
	if n := len(files(t, b.disk, "segments")); n != manyFiles {
		t.Fatalf("%d files of %d", n, manyFiles)
	}
	b.survives()
	for i := range manyFiles { // and once more, in files that are there
		b.commit(fmt.Sprintf("t%d", i), 20<<10)
	}
	b.must(b.node.Checkpoint(bg))
	b.survives()
}

// One failed sync among many stops the node, also when another file of the batch
// could not be written, and says which file it was.
func TestManySyncsOneFails(t *testing.T) {
	for _, full := range []bool{false, true} {
		b := manyBench(t)
		list := files(t, b.disk, "segments")
		bad := list[len(list)/3]
		b.fault.SetHook(func(op vfs.Op) error {
			switch {
			case (op.Kind == vfs.OpSync || op.Kind == vfs.OpSyncData) && strings.HasSuffix(op.Name, bad):
				return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: syscall.EIO}
			case full && op.Kind == vfs.OpWriteAt && strings.HasSuffix(op.Name, list[len(list)/2]):
				return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: syscall.ENOSPC}
			}
			return nil
		})
		err := b.node.Checkpoint(bg)
		if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), bad) {
			t.Errorf("full %v: checkpoint: %v, want EIO and %s", full, err, bad)
		}
		if b.node.Err() == nil {
			t.Errorf("full %v: the node goes on after a failed sync", full)
		}
		b.fault.SetHook(nil)
		if _, err := b.node.Commit(bg, pipeproc.Record{Topic: "t0", Body: []byte("x")}); err == nil {
			t.Errorf("full %v: a commit was acknowledged after a failed sync", full)
		}
		// A killed process loses nothing, in any mode.
		if err := b.whole(b.disk.Kill()); err != nil {
			t.Errorf("full %v: %v", full, err)
		}
	}
}

// A full disk in the middle of a batch costs nothing: the next checkpoint goes on.
func TestManyFilesDiskFull(t *testing.T) {
	b := manyBench(t)
	bad := files(t, b.disk, "segments")[manyFiles/2]
	b.fault.SetHook(vfs.FailKind(vfs.OpWriteAt, bad, syscall.ENOSPC))
	if err := b.node.Checkpoint(bg); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("checkpoint: %v", err)
	}
	b.must(b.node.Err())
	b.fault.SetHook(nil)
	b.must(b.node.Checkpoint(bg))
	b.survives()
}
