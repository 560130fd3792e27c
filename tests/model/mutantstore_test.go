package model

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// More tests TestMutant…: of checkpoints, seals, prunes, recovery and verification.

// neverConfig is mutantConfig without a sync of commits.
var neverConfig = func() config {
	c := mutantConfig
	c.mode = pipeproc.SyncNever
	return c
}()

// sound checks that fs opens and that nothing is damaged.
func (b *bench) sound(fs vfs.FS) error {
	n, err := pipeproc.Open(dir, historyOptions(b.cfg, fs, &b.clock))
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer n.Close()
	if d := n.Recovery().Damage; len(d) > 0 {
		return fmt.Errorf("damage: %v", d)
	}
	return nil
}

// at calls fn before the first operation of a kind on a name that ends in suffix, while
// do runs.
func (b *bench) at(kind vfs.OpKind, suffix string, fn func(), do func() error) {
	b.t.Helper()
	came := false
	b.fault.SetHook(func(op vfs.Op) error {
		if op.Kind == kind && strings.HasSuffix(op.Name, suffix) && !came {
			came = true
			fn()
		}
		return nil
	})
	err := do()
	b.fault.SetHook(nil)
	b.must(err)
	if !came {
		b.t.Fatalf("no %s of %s", kind, suffix)
	}
}

// failWrites has writes to files whose names hold part fail, while do runs.
func (b *bench) failWrites(part string, why error, do func() error) {
	b.t.Helper()
	b.fault.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpWriteAt && strings.Contains(op.Name, part) {
			return why
		}
		return nil
	})
	err := do()
	b.fault.SetHook(nil)
	if !errors.Is(err, why) {
		b.t.Fatalf("with failing writes to %s: %v", part, err)
	}
}

func (b *bench) checkpoint() error { return b.node.Checkpoint(bg) }

// sealed commits to topic a so that its first segment is sealed, and takes a checkpoint.
func (b *bench) sealed() {
	b.t.Helper()
	for range 3 {
		b.commit("a", 30<<10)
	}
	b.must(b.checkpoint())
}

// TestMutantNewWALSync cuts the power behind a checkpoint: the log file that it names
// exists.
func TestMutantNewWALSync(t *testing.T) {
	b := newBenchOf(t, neverConfig)
	b.commit("a", 100)
	b.must(b.checkpoint())
	b.survives()
}

// TestMutantStoreFirst kills the process between the two copies of STORE that a
// checkpoint writes, and cuts the power while the next opening writes STORE: the
// checkpoint was durable, and still is.
func TestMutantStoreFirst(t *testing.T) {
	b := newBenchOf(t, neverConfig)
	b.disk.Grain = 512 // a copy can be torn
	for range 5 {
		b.commit("a", 100)
	}
	var kills []*vfs.Crash
	b.fault.SetHook(func(op vfs.Op) error {
		if writesStore(op) {
			kills = append(kills, b.disk.Kill())
		}
		return nil
	})
	err := b.checkpoint()
	b.fault.SetHook(nil)
	b.must(err)
	opened := 0
	for _, disk := range kills {
		if b.whole(disk.Crash(nothing)) != nil {
			continue // the checkpoint is not durable yet
		}
		again, _ := reopenings(t, neverConfig, b, disk)
		for _, cut := range again {
			opened++
			if err := b.whole(cut); err != nil {
				t.Fatal(err)
			}
		}
	}
	if opened < 10 {
		t.Errorf("%d openings: the test shows nothing", opened)
	}
}

// TestMutantStoreCopies cuts the power while STORE is written, so that what is written
// is torn: one copy is whole.
func TestMutantStoreCopies(t *testing.T) {
	b := newBench(t)
	b.disk.Grain = 512
	b.commit("a", 100)
	var cuts []*vfs.Crash
	b.fault.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "/STORE") {
			cuts = append(cuts, b.disk.Crash(func(u vfs.Unit) bool { return u.Kind == vfs.Page && u.Page%8 == 0 }))
		}
		return nil
	})
	err := b.checkpoint()
	b.fault.SetHook(nil)
	b.must(err)
	for _, cut := range cuts {
		if err := b.sound(cut); err != nil {
			t.Error(err)
		}
	}
}

// TestMutantTwoSnapshots kills the process when the second checkpoint is about to count:
// the snapshot of the first one is there.
func TestMutantTwoSnapshots(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	b.must(b.checkpoint())
	b.commit("a", 100)
	var kill *vfs.Crash
	b.at(vfs.OpWriteAt, "/STORE", func() { kill = b.disk.Kill() }, b.checkpoint)
	if err := b.whole(kill); err != nil {
		t.Error(err)
	}
}

// TestMutantNewNames has a checkpoint fail that has made a segment file. The next one
// makes none, but the name must be durable.
func TestMutantNewNames(t *testing.T) {
	cfg := mutantConfig
	cfg.walSize = 1 << 20 // no checkpoint but those here
	b := newBenchOf(t, cfg)
	b.commit("a", 40<<10)
	b.commit("b", 40<<10)
	b.failWrites("/segments/0000000000000002", syscall.ENOSPC, b.checkpoint)
	b.must(b.node.DeleteTopic(bg, "b"))
	delete(b.sent, "b")
	b.must(b.checkpoint())
	b.survives()
}

// TestMutantTruncSync cuts the power after a segment was sealed that had more space than
// it needs: its file has the size that the footer says.
func TestMutantTruncSync(t *testing.T) {
	b := newBench(t)
	b.commit("a", 20<<10)
	b.must(b.checkpoint())
	b.commit("a", 10<<10)
	b.commit("a", 40<<10) // does not fit
	b.must(b.checkpoint())
	b.survives()
}

// TestMutantSealFlush: a sealed segment holds what its footer says.
func TestMutantSealFlush(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.commit("a", 30<<10)
		b.commit("a", 100)
	}
	b.must(b.node.Close())
	if err := b.whole(b.disk); err != nil {
		t.Error(err)
	}
}

// TestMutantPruneBound: a topic cannot be pruned beyond its end.
func TestMutantPruneBound(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	if err := b.node.Prune(bg, "a", 5); !errors.Is(err, pipeproc.ErrInvalidSequence) {
		t.Error(err)
	}
}

// TestMutantPruneSegment: a prune takes nothing at or above its sequence.
func TestMutantPruneSegment(t *testing.T) {
	b := newBench(t)
	b.sealed()
	b.must(b.node.Prune(bg, "a", 1))
	if r, err := b.node.Get(bg, "a", 1); err != nil || !bytes.Equal(r.Body, b.sent["a"][1]) {
		t.Errorf("%v, %v", r.ID, err)
	}
}

// TestMutantInheritSync: what an open shows is on disk.
func TestMutantInheritSync(t *testing.T) {
	b := newBenchOf(t, neverConfig)
	b.commit("a", 100)
	disk := b.disk.Kill()
	n := b.open(disk)
	defer n.Close()
	if err := b.whole(disk.Crash(nothing)); err != nil {
		t.Error(err)
	}
}

// TestMutantLostNames has a sync of the log's folder fail, which loses the name of a file:
// the next opening shows what is in the file, and makes the name again.
func TestMutantLostNames(t *testing.T) {
	for range 100 {
		if loseName(t) {
			return
		}
	}
	t.Error("no name was lost, so the test shows nothing")
}

// loseName does it, unless the preparation of a spare has made the name durable.
func loseName(t *testing.T) bool {
	b := newBenchOf(t, neverConfig)
	b.commit("a", 100)
	b.must(b.node.Sync(bg))
	b.commit("a", 40<<10) // in a file of its own
	b.fault.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpSyncDir && strings.HasSuffix(op.Name, "/wal") {
			b.disk.FailSync(op.Name)
			return syscall.EIO
		}
		return nil
	})
	if err := b.node.Sync(bg); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	_ = b.node.Close()
	b.fault.SetHook(nil)
	lost := 0
	for _, name := range files(t, b.disk, "wal") {
		if _, err := b.disk.Crash(nothing).Stat(dir + "/" + name); err != nil && inLog(t, b.disk, name) {
			lost++
		}
	}
	b.node = b.open(b.fault)
	if n, err := b.node.Length(bg, "a"); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	b.survives()
	return lost > 0
}

// inLog reports whether a file holds frames of the log.
func inLog(t *testing.T, fs vfs.FS, name string) (is bool) {
	edit(t, fs, name, func(b []byte) error {
		is = bytes.Contains(b, bytes.Repeat([]byte{'B'}, 40<<10))
		return nil
	})
	return is
}

// TestMutantFileCheck: an open notices that a segment file is missing.
func TestMutantFileCheck(t *testing.T) {
	b := newBench(t)
	b.commit("a", 40<<10)
	b.must(b.node.Close())
	b.must(b.disk.Remove(dir + "/" + files(t, b.disk, "segments")[0]))
	n := b.open(b.disk)
	defer n.Close()
	if len(n.Recovery().Damage) == 0 {
		t.Error("no damage reported")
	}
}

// TestMutantSnapMatch puts the older snapshot in place of the newer one.
func TestMutantSnapMatch(t *testing.T) {
	b := newBench(t)
	for range 2 {
		b.commit("a", 100)
		b.must(b.checkpoint())
	}
	disk := b.disk.Kill()
	var content [2][]byte
	for i := range content {
		edit(t, disk, fmt.Sprintf("snapshot-%d", i), func(b []byte) error { content[i] = bytes.Clone(b); return nil })
	}
	for i := range content { // whichever is the newer one
		edit(t, disk, fmt.Sprintf("snapshot-%d", i), func(b []byte) error { copy(b, content[1-i]); return nil })
	}
	n := b.open(disk)
	defer n.Close()
	if len(n.Recovery().Damage) == 0 {
		t.Error("no damage reported")
	}
}

// TestMutantDigest swaps a sealed segment with that of a copy of the store that went its
// own way.
func TestMutantDigest(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	copied := b.disk.Kill()
	sealOther := func(n *pipeproc.Node, fill byte) {
		for range 4 {
			if _, err := n.Commit(bg, pipeproc.Record{Topic: "a", Body: bytes.Repeat([]byte{fill}, 20<<10)}); err != nil {
				t.Fatal(err)
			}
		}
		b.must(n.Close())
	}
	sealOther(b.node, 'x')
	other := b.open(copied)
	sealOther(other, 'y')
	name := files(t, b.disk, "segments")[0]
	var foreign []byte
	edit(t, copied, name, func(c []byte) error { foreign = bytes.Clone(c); return nil })
	edit(t, b.disk, name, func(c []byte) error {
		if len(c) != len(foreign) || string(c[len(c)-96:len(c)-88]) != "PPSEGEND" {
			return errors.New("not sealed, or not of the same size")
		}
		copy(c, foreign)
		return nil
	})
	rep, err := pipeproc.Verify(bg, dir, &pipeproc.VerifyOptions{FS: b.disk})
	if err != nil || len(rep.Damage) == 0 {
		t.Errorf("verify found nothing: %v", err)
	}
}

// TestMutantExpect: a batch that expects another sequence is refused.
func TestMutantExpect(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	var batch pipeproc.Batch
	b.must(errors.Join(batch.Add("a", nil), batch.Expect("a", 7)))
	if err := b.node.CommitBatch(bg, &batch); !errors.Is(err, pipeproc.ErrConflict) {
		t.Error(err)
	}
}

// TestMutantAbort: a commit that did not get into the log leaves no trace in the
// sequences.
func TestMutantAbort(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	b.failWrites("/wal/", syscall.EIO, func() error { _, err := b.node.Commit(bg, pipeproc.Record{Topic: "a"}); return err })
	b.commit("a", 100)
	if r, err := b.node.Get(bg, "a", 1); err != nil || !bytes.Equal(r.Body, b.sent["a"][1]) {
		t.Errorf("%v, %v", r.ID, err)
	}
}
