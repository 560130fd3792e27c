package model

import (
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestCopiesOfStore cuts the power between the two copies of STORE that a
// checkpoint writes, so that one is newer, and again at each write of STORE by
// the next opening, which may tear the copy being written: what the first cut
// had left must be there after the second one.
func TestCopiesOfStore(t *testing.T) {
	b := newBench(t)
	b.must(b.node.Close())
	b.disk.Grain = 512 // a copy can be torn
	cfg := mutantConfig
	cfg.mode = pipeproc.SyncNever // what is in the log only is lost
	n, err := pipeproc.Open(dir, historyOptions(cfg, b.fault, &b.clock))
	b.must(err)
	b.node = n
	for range 5 {
		b.commit("a", 100)
	}
	var cuts []*vfs.Crash
	b.fault.SetHook(func(op vfs.Op) error {
		if writesStore(op) {
			cuts = append(cuts, b.disk.Crash(nothing))
		}
		return nil
	})
	b.must(b.node.Checkpoint(bg))
	b.fault.SetHook(nil)
	newer, opened := 0, 0
	for _, cut := range cuts {
		again, whole := reopenings(t, cfg, b, cut)
		if !whole {
			continue // the checkpoint did not count yet
		}
		newer++
		for _, disk := range again {
			opened++
			if err := b.whole(disk); err != nil {
				t.Fatalf("a power cut during the opening after a power cut: %v", err)
			}
		}
	}
	if newer == 0 || opened < 10 {
		t.Errorf("%d states with the checkpoint, %d openings: the test shows nothing", newer, opened)
	}
}

// reopenings opens a disk, cuts the power at each operation on STORE, and
// returns what that leaves. whole reports whether all commits were found.
func reopenings(t *testing.T, cfg config, b *bench, disk *vfs.Crash) (out []*vfs.Crash, whole bool) {
	if b.whole(disk.Kill()) != nil {
		return nil, false
	}
	fault := vfs.NewFault(disk, nil)
	fault.SetHook(func(op vfs.Op) error {
		if writesStore(op) {
			for unit := range int64(16) {
				out = append(out, disk.Crash(func(u vfs.Unit) bool { return u.Kind == vfs.Page && u.Page == unit }))
			}
		}
		return nil
	})
	n, err := pipeproc.Open(dir, historyOptions(cfg, fault, &b.clock))
	if err != nil {
		t.Fatal(err)
	}
	fault.SetHook(nil)
	_ = n.Close()
	return out, true
}

// writesStore reports whether an operation writes or syncs STORE. Others look at it, on
// goroutines of their own.
func writesStore(op vfs.Op) bool {
	return (op.Kind == vfs.OpWriteAt || op.Kind == vfs.OpSync) && strings.HasSuffix(op.Name, "/STORE")
}
