package behaviour_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// Each test here is about a defect that was found and fixed; see
// docs/track-record.md.

// TestRepairedEnd: a topic whose last records a repair dropped ends with a gap, which is
// not damage.
func TestRepairedEnd(t *testing.T) {
	m := vfs.NewMem()
	o := &pipeproc.Options{FS: m}
	n, err := pipeproc.Open("d", o)
	must(t, err)
	for i := range 20 {
		_, err := n.Commit(bg, pipeproc.Record{Topic: "a", Body: bytes.Repeat([]byte{byte(i)}, 3000)})
		must(t, err)
	}
	must(t, n.Close())
	infos, _ := m.ReadDir("d/segments")
	f, err := m.Open("d/segments/"+infos[0].Name, vfs.Write)
	must(t, err)
	size, _ := f.Size()
	_, err = f.WriteAt([]byte{0xff, 0xfe}, size-100)
	must(t, err)
	f.Close()
	rep, err := pipeproc.Repair(bg, "d", &pipeproc.RepairOptions{FS: m})
	must(t, err)
	t.Logf("%+v", rep.Dropped)
	n, err = pipeproc.Open("d", o)
	must(t, err)
	defer n.Close()
	k := 0
	for _, err := range n.Range(bg, "a", pipeproc.RangeOptions{}) {
		if err != nil {
			t.Errorf("range after repair: %v", err)
			continue
		}
		k++
	}
	t.Logf("%d records, length:", k)
	if _, err := n.Commit(bg, pipeproc.Record{Topic: "a"}); err != nil {
		t.Errorf("commit after repair: %v", err)
	}
}

// precious returns a closed store d of three topics with a record each.
func precious(t *testing.T) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: m})
	must(t, err)
	for _, tp := range []string{"a", "b", "c"} {
		_, err := n.Commit(bg, pipeproc.Record{Topic: tp, Body: []byte("precious")})
		must(t, err)
	}
	must(t, n.Close())
	return m
}

// TestRegistrySection: damage of the snapshot's registry section costs no topic.
func TestRegistrySection(t *testing.T) {
	m := precious(t)
	f, err := m.Open("d/snapshot-1", vfs.Write)
	must(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], 128+32) // the registry's payload
	must(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b[:], 128+32)
	must(t, err)
	must(t, f.Close())
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: m})
	must(t, err)
	list, _ := n.Topics(bg)
	t.Logf("topics readable with the registry section damaged: %d of 3; %v", len(list), n.Recovery().Damage)
	if len(list) != 3 {
		t.Errorf("%d topics", len(list))
	}
	n.Close()
	rep, err := pipeproc.Repair(bg, "d", &pipeproc.RepairOptions{FS: m})
	must(t, err)
	t.Logf("%q %+v", rep.Actions, rep.Dropped)
	n, err = pipeproc.Open("d", &pipeproc.Options{FS: m})
	must(t, err)
	list, _ = n.Topics(bg)
	if len(list) != 3 {
		t.Errorf("%d topics after repair", len(list))
	}
	n.Close()
}

// TestFooterRoom: a full segment has room for its footer reserved.
func TestFooterRoom(t *testing.T) {
	m := vfs.NewMem()
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: m, WALSize: 4 << 20, Topic: pipeproc.TopicOptions{SegmentSize: 16 << 20}})
	must(t, err)
	defer n.Close()
	body := make([]byte, 3900)
	// Until the second segment begins, without a checkpoint having sealed the first
	for i := 0; ; i++ {
		var recs []pipeproc.Record
		for range 10 {
			recs = append(recs, pipeproc.Record{Topic: "a", Body: body})
		}
		_, err = n.Commit(bg, recs...)
		must(t, err)
		info, _ := n.Topic(bg, "a")
		if info.Segments == 2 {
			break
		}
	}
	_, err = n.Commit(bg, pipeproc.Record{Topic: "victim", Body: make([]byte, 1<<20)})
	must(t, err)
	m.SetCapacity(1) // the disk is full
	err = n.Checkpoint(bg)
	t.Log("checkpoint on the full disk:", err)
	err2 := n.DeleteTopic(bg, "victim")
	t.Log("delete:", err2)
	err = n.Checkpoint(bg)
	if err != nil {
		t.Errorf("nothing can be freed on the full disk: %v", err)
	}
}

// TestBackupUnderPrune: a prune while a checkpoint runs must not take the index entries of a footer
// that is about to be written.
func TestBackupUnderPrune(t *testing.T) {
	m := vfs.NewMem()
	fault := vfs.NewFault(m, nil)
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: fault, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}})
	must(t, err)
	defer n.Close()
	for range 30 {
		_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: make([]byte, 10000)})
		must(t, err)
	}
	var once sync.Once
	fault.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpWriteAt && strings.Contains(op.Name, "segments/") {
			once.Do(func() { must(t, n.Prune(bg, "a", 25)) })
		}
		return nil
	})
	if _, err := n.Backup(bg, "copy"); err != nil {
		t.Errorf("backup while a prune ran: %v", err)
	}
}

// TestSegmentBytes: the bytes of segments are right after a reopen, and what was reserved for a
// deleted topic goes with it.
func TestSegmentBytes(t *testing.T) {
	m := vfs.NewMem()
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: m})
	must(t, err)
	for range 10 {
		_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: make([]byte, 1<<20)})
		must(t, err)
	}
	must(t, n.Close())
	n, err = pipeproc.Open("d", &pipeproc.Options{FS: m})
	must(t, err)
	if s := n.Stats().SegmentBytes; s < 10<<20 {
		t.Errorf("SegmentBytes after reopening: %d, the files hold 10 MiB", s)
	}
	n.Close()
	// MaxDisk counts what was there before.
	n, err = pipeproc.Open("d", &pipeproc.Options{FS: m, MaxDisk: 11 << 20})
	must(t, err)
	k := 0
	for range 20 {
		if _, err = n.Commit(bg, pipeproc.Record{Topic: "b", Body: make([]byte, 1<<20)}); err != nil {
			break
		}
		k++
	}
	t.Logf("with 10 MiB there and MaxDisk 11 MiB, %d MiB more went in: %v", k, err)
	n.Close()

	// A planned segment does not outlive its topic.
	m = vfs.NewMem()
	n, err = pipeproc.Open("d", &pipeproc.Options{FS: m})
	must(t, err)
	_, err = n.Commit(bg, pipeproc.Record{Topic: "b", Body: nil})
	must(t, err)
	must(t, n.CreateTopic(bg, "a", pipeproc.TopicOptions{}))
	var b pipeproc.Batch
	must(t, b.Add("a", make([]byte, 1<<20)))
	must(t, b.Add("b", []byte("x")))
	must(t, b.Expect("b", 77))
	if err := n.CommitBatch(bg, &b); err == nil {
		t.Error("the conditional commit went through")
	}
	must(t, n.DeleteTopic(bg, "a"))
	must(t, n.DeleteTopic(bg, "b"))
	must(t, n.Checkpoint(bg))
	infos, _ := m.ReadDir("d/segments")
	if s := n.Stats().SegmentBytes; s != 0 || len(infos) != 0 {
		t.Errorf("no topics left, SegmentBytes %d, files %v", s, infos)
	}
	n.Close()
}

// TestFollowEndsWithContext: Follow ends with its context even if there are more records.
func TestFollowEndsWithContext(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	must(t, err)
	defer n.Close()
	for range 10 {
		var recs []pipeproc.Record
		for range 1000 {
			recs = append(recs, pipeproc.Record{Topic: "a", Body: []byte("x")})
		}
		_, err := n.Commit(bg, recs...)
		must(t, err)
	}
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	k := 0
	for _, err := range n.Follow(ctx, "a", 0) {
		if err != nil {
			break
		}
		k++
		cancel()
	}
	if k > 1 {
		t.Errorf("%d records after cancel", k-1)
	}
}

// TestSectionHead: a damaged section head costs that section, not those after
// it.
func TestSectionHead(t *testing.T) {
	m := precious(t)
	for off := range int64(32) { // the head of the first section, the registry's
		f, err := m.Open("d/snapshot-1", vfs.Write)
		must(t, err)
		var b [1]byte
		_, err = f.ReadAt(b[:], 128+off)
		must(t, err)
		flip := func() {
			b[0] ^= 0xff
			_, err := f.WriteAt(b[:], 128+off)
			must(t, err)
		}
		flip()
		n, err := pipeproc.Open("d", &pipeproc.Options{FS: m, ReadOnly: true})
		must(t, err)
		if list, _ := n.Topics(bg); len(list) != 3 || len(n.Recovery().Damage) == 0 {
			t.Errorf("byte %d: %d topics, damage %v", off, len(list), n.Recovery().Damage)
		}
		must(t, n.Close())
		flip()
		must(t, f.Close())
	}
}

// TestFormatLimits: sequences and times that the format cannot hold are refused
// before they are acknowledged.
func TestFormatLimits(t *testing.T) {
	n, err := pipeproc.OpenMemory(nil)
	must(t, err)
	defer n.Close()
	_, err = n.Import(bg, "a", func(yield func(pipeproc.Record, error) bool) {
		yield(pipeproc.Record{ID: pipeproc.ID{Millis: 1000, Seq: math.MaxUint64 - 1}, Body: []byte("x")}, nil)
	}, nil)
	if !errors.Is(err, pipeproc.ErrInvalidImport) {
		t.Errorf("import at the end of the sequences: %v", err)
	}
	late, err := pipeproc.OpenMemory(&pipeproc.Options{Clock: func() time.Time { return time.Date(7000, 1, 1, 0, 0, 0, 0, time.UTC) }})
	must(t, err)
	defer late.Close()
	if _, err := late.Commit(bg, pipeproc.Record{Topic: "a"}); !errors.Is(err, pipeproc.ErrInvalidOptions) {
		t.Errorf("commit in the year 7000: %v", err)
	}
}

// TestSpaceComesBack: a node at its limit on disk space accepts commits again by
// itself once something has been pruned.
func TestSpaceComesBack(t *testing.T) {
	n, err := pipeproc.OpenMemory(&pipeproc.Options{MaxDisk: 24 << 20, WALSize: 4 << 20, Topic: pipeproc.TopicOptions{SegmentSize: 1 << 20}})
	must(t, err)
	defer n.Close()
	body := make([]byte, 256<<10)
	k := uint64(0)
	for err == nil && k < 1000 {
		_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: body})
		k++
	}
	if !errors.Is(err, pipeproc.ErrDiskLimit) {
		t.Fatalf("after %d records: %v", k, err)
	}
	if k < 60 {
		t.Errorf("only %d records of 256 KiB fit 24 MiB", k)
	}
	must(t, n.Prune(bg, "a", k-2))
	if _, err := n.Commit(bg, pipeproc.Record{Topic: "a", Body: body}); err != nil {
		t.Errorf("after a prune: %v", err)
	}
}

// TestRepairLetsGo: a repair that cannot begin releases the directory.
func TestRepairLetsGo(t *testing.T) {
	m := vfs.NewMem()
	must(t, m.MkdirAll("d/wal"))
	f, err := m.Open("d/wal/wal-0000000000000001.log", vfs.Create)
	must(t, err)
	_, err = f.WriteAt([]byte("garbage"), 0)
	must(t, err)
	must(t, f.Close())
	for range 2 {
		if _, err := pipeproc.Repair(bg, "d", &pipeproc.RepairOptions{FS: m}); err == nil || errors.Is(err, pipeproc.ErrInUse) {
			t.Errorf("repair of garbage: %v", err)
		}
	}
}
