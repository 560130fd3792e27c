package behaviour_test

import (
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// diskOptions are those of a node with small segments; fillDisk commits k batches of
// 16 KiB.
func diskOptions() pipeproc.Options {
	return pipeproc.Options{WALSize: 128 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
}

func (n *lab) fillDisk(k int) {
	n.t.Helper()
	body := make([]byte, 16<<10)
	for range k {
		_, err := n.Commit(n.t.Context(), pipeproc.Record{Topic: "t", Body: body})
		n.ok(err)
	}
	n.ok(n.Checkpoint(n.t.Context()))
}

func (n *lab) topic(name string) pipeproc.TopicInfo {
	n.t.Helper()
	i, err := n.Topic(n.t.Context(), name)
	n.ok(err)
	return i
}

// What is collected frees its disk space, whole segments at a time.
func TestGCFreesDisk(t *testing.T) {
	reopenings(t, diskOptions(), func(t *testing.T, n *lab, reopen func() *lab) {
		n.fillDisk(100)
		before := n.topic("t")
		if before.DiskBytes < 100*16<<10 || before.Segments < 20 {
			t.Fatalf("%+v", before)
		}
		p := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 10}
		n.claimAck(p, 9)
		pass(time.Hour)
		n.collect(pipeproc.GCOptions{})
		n.ok(n.Checkpoint(t.Context()))
		check := func() {
			t.Helper()
			i := n.topic("t")
			if i.First != 70 || i.Next != 100 || i.Records != 30 || i.DiskBytes > before.DiskBytes/2 || i.DiskBytes < 30*16<<10 {
				t.Errorf("%+v", i)
			}
			if i.Bytes != before.Bytes {
				t.Errorf("bytes ever committed: %d, before %d", i.Bytes, before.Bytes)
			}
		}
		check()
		n = reopen()
		check()
		n.ok(n.WaitForWork(t.Context(), "p"))
		n.destroy("p")
		n.collect(pipeproc.GCOptions{})
		n.ok(n.Checkpoint(t.Context()))
		if i := n.topic("t"); i.Records != 0 || i.DiskBytes > 128<<10 {
			t.Errorf("%+v", i)
		}
		if ids := n.commit("t", "x"); ids[0].Seq != 100 {
			t.Error(ids)
		}
	})
}

// Retention by size removes the oldest segments, whole, as far as procs are done
// with them.
func TestRetentionBySize(t *testing.T) {
	reopenings(t, diskOptions(), func(t *testing.T, n *lab, reopen func() *lab) {
		n.fillDisk(100)
		const limit = 400 << 10
		n.retain("t", pipeproc.Retention{MaxBytes: limit})
		p := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 50}
		n.ensure(p)
		if pruned := n.collect(pipeproc.GCOptions{}); len(pruned) != 0 {
			t.Errorf("%+v", pruned)
		}
		n.claimAck(p, 1)
		pruned := n.collect(pipeproc.GCOptions{})
		if len(pruned) != 1 || pruned[0].Reason.String() != "size" || pruned[0].Next > 50 || pruned[0].Next < 45 {
			t.Errorf("%+v", pruned)
		}
		n = reopen()
		n.claimAck(p, 1)
		n.collect(pipeproc.GCOptions{})
		n.ok(n.Checkpoint(t.Context()))
		i := n.topic("t")
		if i.DiskBytes > limit+64<<10 || i.Records < 15 || i.First <= pruned[0].Next {
			t.Errorf("%+v", i)
		}
		if again := n.collect(pipeproc.GCOptions{}); len(again) != 0 {
			t.Errorf("%+v", again)
		}
		// At its interval the node does it by itself.
		n.fillDisk(50)
		n.claimAck(p, 1)
		pass(30 * time.Second)
		n.ok(n.Checkpoint(t.Context()))
		if i := n.topic("t"); i.DiskBytes > limit+64<<10 || i.Next != 150 {
			t.Errorf("%+v", i)
		}
	})
}

// With Force it does not stop at procs.
func TestRetentionBySizeForced(t *testing.T) {
	reopenings(t, diskOptions(), func(t *testing.T, n *lab, reopen func() *lab) {
		n.fillDisk(100)
		n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		n.retain("t", pipeproc.Retention{MaxBytes: 400 << 10, Force: true})
		pruned := n.collect(pipeproc.GCOptions{})
		if len(pruned) != 1 || len(pruned[0].Passed) != 1 || pruned[0].Passed[0] != "p" {
			t.Fatalf("%+v", pruned)
		}
		n = reopen()
		if c := n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t"}); c.Skipped != pruned[0].Next || c.Range.First.Seq != pruned[0].Next {
			t.Errorf("%+v, want %d skipped", c.Range, pruned[0].Next)
		}
	})
}
