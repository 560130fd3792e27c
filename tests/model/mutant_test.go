package model

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// The tests TestMutant… hold one rule each, and go red without it: see package
// internal/mutate and its TestMutants. Each is deterministic and quick.

// mutantConfig is the setting of these tests.
var mutantConfig = config{mode: pipeproc.SyncAlways, grain: 4096, walSize: 64 << 10, topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}

// nothing is the power cut that no unsynced unit survives.
func nothing(vfs.Unit) bool { return false }

// bench is a store of these tests.
type bench struct {
	t     *testing.T
	cfg   config
	disk  *vfs.Crash
	fault *vfs.Fault
	node  *pipeproc.Node
	clock clock
	sent  map[string][][]byte
}

func newBench(t *testing.T) *bench { return newBenchOf(t, mutantConfig) }

func newBenchOf(t *testing.T, cfg config) *bench {
	b := &bench{t: t, cfg: cfg, disk: newDisk(4096), sent: map[string][][]byte{}}
	b.clock.ms.Store(1_700_000_000_000)
	b.fault = vfs.NewFault(b.disk, nil)
	b.node = b.open(b.fault)
	t.Cleanup(func() { _ = b.node.Close() })
	return b
}

func (b *bench) open(fs vfs.FS) *pipeproc.Node {
	b.t.Helper()
	n, err := pipeproc.Open(dir, historyOptions(b.cfg, fs, &b.clock))
	if err != nil {
		b.t.Fatalf("open: %v", err)
	}
	return n
}

// commit commits one record of n equal bytes.
func (b *bench) commit(topic string, n int) {
	b.t.Helper()
	body := bytes.Repeat([]byte{'A' + byte(len(b.sent[topic])%26)}, n)
	if _, err := b.node.Commit(bg, pipeproc.Record{Topic: topic, Body: body}); err != nil {
		b.t.Fatalf("commit: %v", err)
	}
	b.sent[topic] = append(b.sent[topic], body)
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// whole checks that all that was committed is on fs, and that there is no damage.
func (b *bench) whole(fs vfs.FS) error {
	n, err := pipeproc.Open(dir, historyOptions(b.cfg, fs, &b.clock))
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer n.Close()
	if d := n.Recovery().Damage; len(d) > 0 {
		return fmt.Errorf("damage: %v", d)
	}
	for topic, bodies := range b.sent {
		i := 0
		for r, err := range n.Range(bg, topic, pipeproc.RangeOptions{}) {
			if err != nil {
				return err
			}
			if i >= len(bodies) || !bytes.Equal(r.Body, bodies[i]) || r.ID.Millis != b.clock.ms.Load() {
				return fmt.Errorf("topic %s: record %d (%v) differs", topic, i, r.ID)
			}
			i++
		}
		if i != len(bodies) {
			return fmt.Errorf("topic %s: %d records, want %d", topic, i, len(bodies))
		}
	}
	return nil
}

// survives demands that a power cut now loses nothing.
func (b *bench) survives() {
	b.t.Helper()
	if err := b.whole(b.disk.Crash(nothing)); err != nil {
		b.t.Errorf("after a power cut: %v", err)
	}
}

// edit changes bytes of a file in the store.
func edit(t *testing.T, fs vfs.FS, name string, change func(b []byte) error) {
	t.Helper()
	f, err := fs.Open(dir+"/"+name, vfs.Write)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, _ := f.Size()
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && size > 0 {
		t.Logf("reading %s: %v", name, err)
	}
	if err := change(b); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}

// files lists the names in a folder of the store.
func files(t *testing.T, fs vfs.FS, folder string) []string {
	t.Helper()
	infos, err := fs.ReadDir(dir + "/" + folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range infos {
		names = append(names, folder+"/"+i.Name)
	}
	return names
}

func TestMutantWALSync(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	b.survives()
}

func TestMutantWALDirSync(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	b.survives()
}

func TestMutantSegmentSync(t *testing.T) {
	b := newBench(t)
	b.commit("a", 40<<10)
	b.must(b.node.Checkpoint(bg))
	b.survives()
}

func TestMutantSegmentDirSync(t *testing.T) {
	b := newBench(t)
	b.commit("a", 40<<10)
	b.must(b.node.Checkpoint(bg))
	b.survives()
}

func TestMutantSnapshotSync(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	b.must(b.node.Checkpoint(bg))
	b.survives()
}

func TestMutantStoreSync(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	b.must(b.node.Checkpoint(bg))
	b.commit("a", 100)
	b.survives()
}

// TestMutantBodySum damages a stored body: no read may serve it.
func TestMutantBodySum(t *testing.T) {
	b := newBench(t)
	b.commit("a", 40<<10)
	b.must(b.node.Close())
	edit(t, b.disk, files(t, b.disk, "segments")[0], func(b []byte) error { b[20<<10] ^= 4; return nil })
	n := b.open(b.disk)
	defer n.Close()
	if r, err := n.Get(bg, "a", 0); !errors.Is(err, pipeproc.ErrCorrupt) {
		t.Errorf("get: %v, %v", r.ID, err)
	}
	for r, err := range n.Range(bg, "a", pipeproc.RangeOptions{}) {
		if !errors.Is(err, pipeproc.ErrCorrupt) {
			t.Errorf("range: %v, %v", r.ID, err)
		}
	}
}

// TestMutantBlockSum changes the time in a block's header.
func TestMutantBlockSum(t *testing.T) {
	b := newBench(t)
	b.commit("a", 40<<10)
	b.must(b.node.Close())
	edit(t, b.disk, files(t, b.disk, "segments")[0], func(b []byte) error { b[512+16] ^= 1; return nil })
	n := b.open(b.disk)
	defer n.Close()
	if r, err := n.Get(bg, "a", 0); !errors.Is(err, pipeproc.ErrCorrupt) {
		t.Errorf("get: %v, %v", r.ID, err)
	}
	for r, err := range n.Range(bg, "a", pipeproc.RangeOptions{}) {
		if !errors.Is(err, pipeproc.ErrCorrupt) {
			t.Errorf("range: %v, %v", r.ID, err)
		}
	}
}

// TestMutantFrameSum changes the time in a frame that is known durable: that
// is damage, to be reported.
func TestMutantFrameSum(t *testing.T) {
	b := newBench(t)
	for range 3 {
		b.clock.ms.Add(10) // so that the change leaves the times in order
		b.commit("a", 100)
	}
	disk := b.disk.Kill()
	const meta = 4096 + 56 + 16 // the first frame has one part
	edit(t, disk, newest(t, disk), func(b []byte) error {
		if b[meta] != 1 {
			return fmt.Errorf("no command at offset %d", meta)
		}
		b[meta+1] ^= 2
		return nil
	})
	n := b.open(disk)
	defer n.Close()
	if d := n.Recovery().Damage; len(d) == 0 {
		t.Error("no damage reported")
	}
}

// TestMutantSeed kills a store whose WAL files were used before: what that use left
// in them must not be taken for frames.
func TestMutantSeed(t *testing.T) {
	b := newBench(t)
	for range 130 { // so that from now on all frames have the same length
		b.commit("a", 0)
	}
	for i := range 120 {
		b.commit("a", 1000)
		if i%40 == 39 {
			b.must(b.node.Checkpoint(bg))
		}
		if i > 80 && i%3 == 0 {
			if err := b.whole(b.disk.Kill()); err != nil {
				t.Fatalf("commit %d: %v", i, err)
			}
		}
	}
}

// TestMutantSnapshotSum changes a record that the snapshot carries.
func TestMutantSnapshotSum(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	b.must(b.node.Close())
	found := 0
	for _, name := range []string{"snapshot-0", "snapshot-1"} {
		if _, err := b.disk.Stat(dir + "/" + name); err != nil {
			continue
		}
		edit(t, b.disk, name, func(c []byte) error {
			if i := bytes.Index(c, b.sent["a"][0]); i >= 0 {
				c[i+50] ^= 1
				found++
			}
			return nil
		})
	}
	if found == 0 {
		t.Fatal("the record is in no snapshot")
	}
	n := b.open(b.disk)
	defer n.Close()
	if len(n.Recovery().Damage) == 0 {
		t.Error("no damage reported")
	}
	for r, err := range n.Range(bg, "a", pipeproc.RangeOptions{}) {
		if err == nil {
			t.Errorf("a damaged record is served: %v", r.ID)
		}
	}
}

// TestMutantStoreSum changes the position in the first copy of the store page:
// the second one must be used.
func TestMutantStoreSum(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	b.must(b.node.Close())
	edit(t, b.disk, "STORE", func(b []byte) error { b[64] ^= 1; return nil })
	if err := b.whole(b.disk); err != nil && !strings.HasPrefix(err.Error(), "damage: [corrupt: STORE at offset 0") {
		t.Error(err)
	}
}

// TestMutantFooterSum changes the footer of a sealed segment: the topic must
// be marked as damaged when it is used.
func TestMutantFooterSum(t *testing.T) {
	b := newBench(t)
	for range 4 {
		b.commit("a", 20<<10)
	}
	b.must(b.node.Close())
	edit(t, b.disk, files(t, b.disk, "segments")[0], func(b []byte) error {
		at := len(b) - 96
		if string(b[at:at+8]) != "PPSEGEND" {
			return errors.New("not sealed")
		}
		b[at+72] ^= 1 // the digest
		return nil
	})
	n := b.open(b.disk)
	defer n.Close()
	_, err := n.Get(bg, "a", 1) // the first needs no footer to be found
	i, err2 := n.Topic(bg, "a")
	if err2 != nil {
		t.Fatal(err2)
	}
	if err == nil && i.Damaged == nil {
		t.Error("the damage went unnoticed")
	}
}

// TestMutantOrder has the WAL refuse a commit: nothing of it may be seen.
func TestMutantOrder(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	b.fault.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpWriteAt && strings.Contains(op.Name, "/wal/") {
			return syscall.EIO
		}
		return nil
	})
	if _, err := b.node.Commit(bg, pipeproc.Record{Topic: "a", Body: []byte("refused")}, pipeproc.Record{Topic: "b"}); err == nil {
		t.Fatal("the commit went through")
	}
	if l, err := b.node.Length(bg, "a"); l != 1 || err != nil {
		t.Errorf("length %d, %v, want 1", l, err)
	}
	for r, err := range b.node.Range(bg, "a", pipeproc.RangeOptions{}) {
		if err != nil || string(r.Body) == "refused" {
			t.Errorf("%v %q %v", r.ID, r.Body, err)
		}
	}
	if _, err := b.node.Topic(bg, "b"); !errors.Is(err, pipeproc.ErrInvalidTopic) {
		t.Errorf("topic b: %v", err)
	}
}

// TestMutantChunk reads a record from the tail in memory, which a checkpoint then
// writes to its file and another topic uses again.
func TestMutantChunk(t *testing.T) {
	b := newBench(t)
	for range 80 {
		b.commit("a", 300)
	}
	c, err := b.node.Cursor(bg, "a", pipeproc.RangeOptions{})
	b.must(err)
	defer c.Close()
	if !c.Next() {
		t.Fatal(c.Err())
	}
	b.must(b.node.Checkpoint(bg))
	for range 10 {
		b.commit("b", 200)
	}
	if !bytes.Equal(c.Body(), b.sent["a"][0]) {
		t.Errorf("the record under the cursor is %q now", c.Body())
	}
	for i := 1; c.Next(); i++ {
		if !bytes.Equal(c.Body(), b.sent["a"][i]) {
			t.Fatalf("record %d is %q", i, c.Body())
		}
	}
	b.must(c.Err())
}

// TestMutantRecycle kills the process when a checkpoint is about to be noted
// in STORE: the WAL that it covers must still be there.
func TestMutantRecycle(t *testing.T) {
	b := newBench(t)
	b.commit("a", 100)
	b.commit("a", 40<<10) // in a WAL file of its own, which is not kept as a spare
	b.commit("a", 100)
	var at *vfs.Crash
	b.fault.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpWriteAt && strings.HasSuffix(op.Name, "/STORE") && at == nil {
			at = b.disk.Kill()
		}
		return nil
	})
	b.must(b.node.Checkpoint(bg))
	b.fault.SetHook(nil)
	if at == nil {
		t.Fatal("STORE was not written")
	}
	if err := b.whole(at); err != nil {
		t.Error(err)
	}
}

// newest returns the newest file of the log.
func newest(t *testing.T, fs vfs.FS) string {
	t.Helper()
	all := files(t, fs, "wal")
	for i := len(all) - 1; i >= 0; i-- {
		if strings.HasPrefix(path.Base(all[i]), "wal-") {
			return all[i]
		}
	}
	t.Fatal("there is no log")
	return ""
}
