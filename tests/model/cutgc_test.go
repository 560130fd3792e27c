package model

import (
	"fmt"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestCutOffGC interrupts a collection, and the checkpoint that then unlinks files.
// A topic begins where it began before or where it was pruned to, and all of the
// rest is there.
func TestCutOffGC(t *testing.T) {
	b := cutStore(t)
	b.must(b.node.SetRetention(bg, "a", pipeproc.Retention{MaxBytes: 70 << 10}))
	before := len(b.sent["a"])
	begins := map[int]int{}
	m := &midway{t: t, name: "collection", dirs: []string{dir}}
	m.check = func(img *vfs.Crash) error {
		got, err := read(img, dir, false)
		if err != nil {
			return err
		}
		want := b.committed()
		first := before - len(got["a"])
		begins[first]++
		for seq := range first {
			delete(want["a"], uint64(seq))
		}
		if err := got.lacks(want); err != nil {
			return fmt.Errorf("from %d on: %w", first, err)
		}
		return use(img, dir)
	}
	b.fault.SetHook(m.watch(b.disk))
	gone, err := b.node.GC(bg, pipeproc.GCOptions{})
	if err == nil {
		err = b.node.Checkpoint(bg)
	}
	b.fault.SetHook(nil)
	b.must(err)
	if len(gone) != 1 || gone[0].Next == 0 {
		t.Fatalf("collected %v", gone)
	}
	m.settle(b.disk.Kill())
	m.done()
	t.Logf("topics began at: %v", begins)
	if len(begins) != 2 || begins[0] == 0 {
		t.Errorf("topics began at %v, want 0 or one other", begins)
	}
}
