package model

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// hurtSegment makes a store, closed, with a sealed segment of topic a in which a record
// is damaged. It returns the name of the file.
func hurtSegment(t *testing.T) (*bench, string) {
	b := newBench(t)
	for range 8 {
		b.commit("a", 15<<10)
	}
	b.must(b.node.Close())
	name := files(t, b.disk, "segments")[0]
	invert(t, b.disk, name, 20<<10)
	return b, name
}

func (b *bench) repair() *pipeproc.RepairReport {
	b.t.Helper()
	rep, err := pipeproc.Repair(bg, dir, &pipeproc.RepairOptions{FS: b.disk})
	if err != nil || !rep.Changed {
		b.t.Fatalf("repair: %+v, %v", rep, err)
	}
	return rep
}

// TestMutantRepairList: what a repair drops is in its list.
func TestMutantRepairList(t *testing.T) {
	b, _ := hurtSegment(t)
	if rep := b.repair(); len(rep.Dropped) != 1 || rep.Dropped[0].Topic != "a" {
		t.Errorf("dropped: %v", rep.Dropped)
	}
}

// TestMutantRepairGap: records that a repair dropped are a gap, and no damage.
func TestMutantRepairGap(t *testing.T) {
	b, _ := hurtSegment(t)
	b.repair()
	n := b.open(b.disk)
	defer n.Close()
	for r, err := range n.Range(bg, "a", pipeproc.RangeOptions{}) {
		if err != nil {
			t.Fatal(r.ID, err)
		}
	}
}

// TestMutantRepairAside: a repair keeps the damaged file.
func TestMutantRepairAside(t *testing.T) {
	b, name := hurtSegment(t)
	b.repair()
	folders := files(t, b.disk, "quarantine")
	if len(folders) != 1 {
		t.Fatal(folders)
	}
	if _, err := b.disk.Stat(dir + "/" + folders[0] + name[len("segments"):]); err != nil {
		t.Error(err)
	}
}

// TestMutantRepairNumbers: a repair that knows topics from their files only leaves these
// files as they are while it reads them.
func TestMutantRepairNumbers(t *testing.T) {
	b := newBench(t)
	for range 8 {
		b.commit("a", 15<<10)
	}
	b.must(b.node.Close())
	for _, name := range []string{"snapshot-0", "snapshot-1"} {
		if _, err := b.disk.Stat(dir + "/" + name); err == nil {
			invert(t, b.disk, name, 40)
		}
	}
	b.repair()
	n := b.open(b.disk)
	defer n.Close()
	if r, err := n.Get(bg, "a", 0); err != nil || !bytes.Equal(r.Body, b.sent["a"][0]) {
		t.Error(r.ID, err)
	}
}

// TestMutantRepairClamp: no proc is beyond the end of a topic that a repair made shorter.
func TestMutantRepairClamp(t *testing.T) {
	b := newBench(t)
	b.commit("in", 40<<10)
	b.must(b.checkpoint())
	for range 5 {
		b.commit("in", 100) // in the snapshot only
	}
	for range 6 {
		if _, err := b.node.Ack(bg, "p", b.claimNext().Token); err != nil {
			t.Fatal(err)
		}
	}
	b.must(b.node.Close())
	found := 0
	for _, name := range []string{"snapshot-0", "snapshot-1"} {
		edit(t, b.disk, name, func(c []byte) error {
			if i := bytes.Index(c, b.sent["in"][3]); i >= 0 {
				c[i] ^= 1
				found++
			}
			return nil
		})
	}
	if found == 0 {
		t.Fatal("the records are in no snapshot")
	}
	b.repair()
	n := b.open(b.disk)
	defer n.Close()
	topic, err := n.Topic(bg, "in")
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.InspectProc(bg, "p")
	if errors.Is(err, pipeproc.ErrInvalidProc) {
		t.Fatal("the proc is gone, so the test shows nothing")
	}
	if err != nil || p.Next > topic.Next {
		t.Errorf("the proc is at %d, the topic ends at %d, %v", p.Next, topic.Next, err)
	}
}
