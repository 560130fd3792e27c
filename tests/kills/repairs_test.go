package kills

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestS4: a repair of a store whose log is gone says what is gone.
func TestS4(t *testing.T) {
	for times := 1; times <= 2; times++ {
		im, tr, log := killedTimes(t, pipeproc.SyncAlways, times)
		for i, name := range log {
			m, err := im.without(name).put(flipDir)
			if err != nil {
				t.Fatal(err)
			}
			repaired(t, m, tr, func() *pipeproc.Options { return flipOptions(m) })
			if times == 1 {
				continue
			}
			n, err := pipeproc.Open(flipDir, flipOptions(m))
			if err != nil {
				t.Fatal(err)
			}
			// The first file has the name of the topic, the second one only its number.
			topic := []string{"recovered-1", "a"}[i]
			if got, err := n.Length(context.Background(), topic); got != 100 || err != nil {
				t.Errorf("without %s: topic %s has %d records, the other file had 100: %v", name, topic, got, err)
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestS5 flips one bit of a topic's name in the snapshot. The records in the log
// name the topic by its number, and are kept; so are all originals.
func TestS5(t *testing.T) {
	ctx := context.Background()
	disk := vfs.NewCrash()
	n, err := pipeproc.Open(flipDir, flipOptions(disk))
	if err != nil {
		t.Fatal(err)
	}
	put := func(body string) {
		for range 20 {
			if _, err := n.Commit(ctx, pipeproc.Record{Topic: "orders", Body: []byte(body)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, known := range []bool{false, true} { // whether the snapshot before has the name, too
		put("in the snapshot")
		if err := n.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		put("in the log, durable")
		im, err := take(disk, flipDir)
		if err != nil {
			t.Fatal(err)
		}
		snapshot := "snapshot-1"
		if known {
			snapshot = "snapshot-0"
		}
		im = im.with(snapshot, func(b []byte) []byte {
			at := bytes.Index(b, []byte("orders"))
			if at < 0 {
				t.Fatal("the snapshot does not have the topic")
			}
			b[at] ^= 1
			return b
		})
		m, rep := fix(t, im)
		fixed, err := pipeproc.Open(flipDir, flipOptions(m))
		if err != nil {
			t.Fatal(err)
		}
		topics, err := fixed.Topics(ctx)
		if err != nil || len(topics) != 1 || known != (topics[0].Name == "orders") || !known && !strings.HasPrefix(topics[0].Name, "recovered-") {
			t.Fatalf("topics %+v, %v", topics, err)
		}
		got := 0
		for rec, err := range fixed.Range(ctx, topics[0].Name, pipeproc.RangeOptions{}) {
			if err != nil || string(rec.Body) != "in the log, durable" {
				t.Fatalf("%q, %v", rec.Body, err)
			}
			got++
		}
		if got != 20 {
			t.Errorf("%d records of the log are left, it had 20; it did %q", got, rep.Actions)
		}
		for range 3 { // life goes on
			if _, err := fixed.Commit(ctx, pipeproc.Record{Topic: "x", Body: make([]byte, 60<<10)}); err != nil {
				t.Fatal(err)
			}
			if err := fixed.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := fixed.Close(); err != nil {
			t.Fatal(err)
		}
		kept(t, m, im)
	}
	_ = n.Close()
}

// fix repairs a copy of the store, which must lose something and say so.
func fix(t *testing.T, im image) (*vfs.Mem, *pipeproc.RepairReport) {
	t.Helper()
	m, err := im.put(flipDir)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := pipeproc.Repair(context.Background(), flipDir, &pipeproc.RepairOptions{FS: m})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Dropped) == 0 {
		t.Error("nothing is said to be lost")
	}
	return m, rep
}

// kept demands that the originals of everything but segments are in quarantine.
func kept(t *testing.T, fsys vfs.FS, im image) {
	t.Helper()
	aside, err := take(fsys, flipDir+"/quarantine/repair-1")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range im {
		if name == "LOCK" || strings.HasPrefix(name, "segments/") {
			continue
		}
		if !bytes.Equal(aside[name[strings.LastIndexByte(name, '/')+1:]], b) {
			t.Errorf("the original of %s is not in quarantine", name)
		}
	}
}

// TestS6: the originals of what a repair replaced survive a power cut at any moment.
func TestS6(t *testing.T) {
	im, _, log := killedTimes(t, pipeproc.SyncAlways, 2)
	im = im.with(log[1], func(b []byte) []byte { b[5000] ^= 1; return b })
	disk := onDisk(t, im)
	if _, err := pipeproc.Repair(context.Background(), flipDir, &pipeproc.RepairOptions{FS: disk}); err != nil {
		t.Fatal(err)
	}
	kept(t, disk.Crash(func(vfs.Unit) bool { return false }), im)

	// Cut at each of its operations: each original is in its place or in quarantine.
	for n := int64(1); ; n++ {
		d := onDisk(t, im)
		var after *vfs.Crash
		f := vfs.NewFault(d, nil)
		f.SetHook(func(op vfs.Op) error {
			if op.N == n {
				after = d.Crash(func(vfs.Unit) bool { return n%2 == 0 })
			}
			return nil
		})
		if _, err := pipeproc.Repair(context.Background(), flipDir, &pipeproc.RepairOptions{FS: f}); err != nil {
			t.Fatal(err)
		}
		if after == nil {
			break
		}
		now, err := take(after, flipDir)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range im {
			if name != "LOCK" && !strings.HasPrefix(name, "segments/") && !bytes.Equal(now[name], b) && !bytes.Equal(now["quarantine/repair-1/"+name[strings.LastIndexByte(name, '/')+1:]], b) {
				t.Fatalf("after a power cut at operation %d the original of %s is gone", n, name)
			}
		}
	}
}

// onDisk returns a disk that holds the store durably.
func onDisk(t *testing.T, im image) *vfs.Crash {
	t.Helper()
	d := vfs.NewCrash()
	if err := im.into(d, flipDir); err != nil {
		t.Fatal(err)
	}
	return d.Crash(func(vfs.Unit) bool { return true })
}

// TestTornIsKept: the bytes of a torn frame are in quarantine, durably, before the
// store takes a commit.
func TestTornIsKept(t *testing.T) {
	im, _, log := killedTimes(t, pipeproc.SyncNever, 1)
	b := im[log[0]]
	end := len(b)
	for b[end-1] == 0 {
		end--
	}
	const torn = 50
	im = im.without("wal/mark").with(log[0], func(b []byte) []byte { clear(b[end-torn:]); return b })
	disk := onDisk(t, im)
	n, err := pipeproc.Open(flipDir, flipOptions(disk))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	cuts := n.Recovery().Cut
	if len(cuts) != 1 || len(n.Recovery().Damage) > 0 {
		t.Fatalf("%+v", n.Recovery())
	}
	after, err := take(disk.Crash(func(vfs.Unit) bool { return false }), flipDir)
	if err != nil {
		t.Fatal(err)
	}
	want := im[log[0]][cuts[0].From : end-torn]
	if kept := after["quarantine/"+cuts[0].Kept]; cuts[0].Kept == "" || !bytes.HasPrefix(kept, want) {
		t.Errorf("%q has %d bytes, %d were torn", cuts[0].Kept, len(kept), len(want))
	}
}

// TestRepairWithoutSnapshot loses STORE and both snapshots, or has rubbish in their
// places. What whole segments and the log hold comes back, and stays.
func TestRepairWithoutSnapshot(t *testing.T) {
	ctx := context.Background()
	for _, checkpoint := range []bool{true, false} {
		disk := vfs.NewCrash()
		n, err := pipeproc.Open(flipDir, flipOptions(disk))
		if err != nil {
			t.Fatal(err)
		}
		tr := newTruth()
		commit := func(size int) {
			if err := tr.commit(n, pipeproc.Record{Topic: "a", Body: bytes.Repeat([]byte{'x'}, size)}); err != nil {
				t.Fatal(err)
			}
		}
		if checkpoint {
			for range 40 {
				commit(10 << 10) // several segments
			}
			if err := n.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			commit(100)
		}
		im, err := take(disk, flipDir)
		if err != nil {
			t.Fatal(err)
		}
		_ = n.Close()
		for _, rubbish := range []bool{false, true} {
			for _, name := range []string{"STORE", "snapshot-0", "snapshot-1"} {
				im = im.with(name, func([]byte) []byte {
					if rubbish {
						return bytes.Repeat([]byte("rubbish "), 2000)
					}
					return nil
				})
			}
			m, rep := fix(t, im)
			for range 2 {
				n, err := pipeproc.Open(flipDir, flipOptions(m))
				if err != nil {
					t.Fatal(err)
				}
				r := tr.read(n, false)
				want := 10
				if checkpoint {
					want = 36 // in whole segments; the log may have more
				}
				got := 0
				for _, ok := range r.got["a"] {
					if ok {
						got++
					}
				}
				if got < want || r.wrong != nil || n.Err() != nil {
					t.Errorf("checkpoint %v, rubbish %v: %d records, %v, %v; it did %q and dropped %v", checkpoint, rubbish, got, r.wrong, n.Err(), rep.Actions, rep.Dropped)
				}
				if err := n.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
