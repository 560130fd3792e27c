package behaviour_test

import (
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// prunable is an open store of a topic "a" with segments of 64 KiB, all of which is
// durable; all of it but the newest record is then pruned, which is not.
func prunable(t *testing.T, disk *vfs.Crash, fsys vfs.FS) *pipeproc.Node {
	t.Helper()
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: fsys, Sync: pipeproc.SyncNever, WALSize: 1 << 20, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}})
	must(t, err)
	for range 30 {
		_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: make([]byte, 10000)})
		must(t, err)
	}
	must(t, n.Checkpoint(bg))
	if len(files(t, disk, "d/segments", ".seg")) < 4 {
		t.Fatal("there are too few segments")
	}
	return n
}

// cuts is a hook that takes what a power cut would leave before each operation, if
// what was done to directories survives and nothing else.
type cuts struct {
	disk *vfs.Crash
	mu   sync.Mutex
	all  []*vfs.Crash
	ops  []vfs.Op
}

func (c *cuts) hook(op vfs.Op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops = append(c.ops, op)
	c.all = append(c.all, c.disk.Crash(func(u vfs.Unit) bool { return u.Kind == vfs.DirOp }))
	return nil
}

func (c *cuts) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, disk := range c.all {
		n, err := pipeproc.Open("d", &pipeproc.Options{FS: disk, WALSize: 1 << 20})
		if err != nil {
			t.Errorf("a power cut before %s %s: %v", c.ops[i].Kind, c.ops[i].Name, err)
			continue
		}
		if d := n.Recovery().Damage; len(d) > 0 {
			t.Errorf("a power cut before %s %s: %v", c.ops[i].Kind, c.ops[i].Name, d)
		}
		n.Close()
	}
	if len(c.all) < 10 {
		t.Errorf("there were %d operations only", len(c.all))
	}
}

// TestPrunedFilesGoLast: a power cut in the checkpoint that frees pruned segments finds
// each file that the checkpoint before it needs.
func TestPrunedFilesGoLast(t *testing.T) {
	disk := vfs.NewCrash()
	fault := vfs.NewFault(disk, nil)
	n := prunable(t, disk, fault)
	defer n.Close()
	c := &cuts{disk: disk}
	must(t, n.Prune(bg, "a", 29))
	fault.SetHook(c.hook)
	must(t, n.Checkpoint(bg))
	fault.SetHook(nil)
	c.check(t)
	if list := files(t, disk, "d/segments", ".seg"); len(list) > 1 {
		t.Errorf("%d files are left", len(list))
	}
}

// TestGarbageGoesLast: a power cut in an opening that has replayed a prune, which is not
// durable yet, finds each file that the checkpoint needs.
func TestGarbageGoesLast(t *testing.T) {
	disk := vfs.NewCrash()
	n := prunable(t, disk, disk)
	defer n.Close()
	must(t, n.Prune(bg, "a", 29))
	killed := disk.Kill()
	c := &cuts{disk: killed}
	fault := vfs.NewFault(killed, c.hook)
	again, err := pipeproc.Open("d", &pipeproc.Options{FS: fault, Sync: pipeproc.SyncNever, WALSize: 1 << 20, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}})
	fault.SetHook(nil)
	must(t, err)
	defer again.Close()
	c.check(t)
}

// TestPrunedAfterFailure: a checkpoint that fails leaves pruned files to the next one.
func TestPrunedAfterFailure(t *testing.T) {
	disk := vfs.NewCrash()
	fault := vfs.NewFault(disk, nil)
	n := prunable(t, disk, fault)
	fault.SetHook(func(op vfs.Op) error { // the node's own checkpoints too
		if op.Kind == vfs.OpCreate && strings.Contains(op.Name, "/snapshot-") {
			return syscall.EIO
		}
		return nil
	})
	must(t, n.Prune(bg, "a", 29))
	if err := n.Checkpoint(bg); err == nil {
		t.Error("a checkpoint without a snapshot is none")
	}
	fault.SetHook(nil)
	_, err := n.Commit(bg, pipeproc.Record{Topic: "b"})
	must(t, err)
	must(t, n.Checkpoint(bg))
	if list := files(t, disk, "d/segments", ".seg"); len(list) > 1 {
		t.Errorf("%d files are left", len(list))
	}
	must(t, n.Close())
}
