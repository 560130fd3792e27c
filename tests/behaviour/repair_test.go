package behaviour_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// damagedStore makes a closed store with topics "a" and "b" of 1500 records in
// three segments and more, and "small", which has no file. It is killed, not
// closed, when kill is set.
func damagedStore(t *testing.T, kill bool) (vfs.FS, *pipeproc.Options) {
	t.Helper()
	disk := vfs.NewCrash()
	o := &pipeproc.Options{FS: disk, WALSize: 256 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
	n, err := pipeproc.Open("s", o)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for i := range 150 {
		if i == 140 { // what follows is in one file of the log
			if err := n.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
		}
		var recs []pipeproc.Record
		for j := range 10 {
			for _, topic := range []string{"a", "b"} {
				recs = append(recs, pipeproc.Record{Topic: topic, Body: repairBody(topic, 10*i+j)})
			}
		}
		if i%10 == 0 {
			recs = append(recs, pipeproc.Record{Topic: "small", Body: repairBody("small", i/10)})
		}
		if _, err := n.Commit(ctx, recs...); err != nil {
			t.Fatal(err)
		}
	}
	if kill {
		killed := disk.Kill()
		n.Close()
		o.FS = killed
		return killed, o
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return disk, o
}

func repairBody(topic string, i int) []byte { return fmt.Appendf(nil, "%s %d %0120d", topic, i, i) }

// flip inverts a byte of a file.
func flip(t *testing.T, fsys vfs.FS, name string, off int64) {
	t.Helper()
	f, err := fsys.Open(name, vfs.Write)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// files lists the files of a folder that hold s in their name.
func files(t *testing.T, fsys vfs.FS, dir, s string) []vfs.Info {
	t.Helper()
	list, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []vfs.Info
	for _, i := range list {
		if strings.Contains(i.Name, s) {
			out = append(out, i)
		}
	}
	return out
}

// inUse reports whether the header of a log file says its own number, which that
// of a spare never does.
func inUse(t *testing.T, fsys vfs.FS, name string) bool {
	t.Helper()
	f, err := fsys.Open(name, vfs.Read)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var head [64]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		t.Fatal(err)
	}
	return strings.Contains(name, fmt.Sprintf("wal-%016x", binary.LittleEndian.Uint64(head[40:])))
}

// TestRepair damages a store in many ways. Repair must lose little, say so,
// and leave a store that verifies, takes commits, and holds every other
// record.
func TestRepair(t *testing.T) {
	const total = 1500
	for _, c := range []struct {
		name    string
		kill    bool
		damage  func(t *testing.T, fsys vfs.FS)
		maxLost int // records of topics a and b together
		small   bool
	}{
		{"a block's body in a sealed segment", false, func(t *testing.T, f vfs.FS) {
			flip(t, f, "s/segments/"+files(t, f, "s/segments", "-00000001")[0].Name, 20000)
		}, 64, true},
		{"block headers all over a sealed segment", false, func(t *testing.T, f vfs.FS) {
			name := "s/segments/" + files(t, f, "s/segments", "-00000002")[0].Name
			for off := int64(600); off < 60000; off += 12000 {
				for k := range int64(40) {
					flip(t, f, name, off+k)
				}
			}
		}, 400, true},
		{"a footer", false, func(t *testing.T, f vfs.FS) {
			i := files(t, f, "s/segments", "-00000001")[0]
			flip(t, f, "s/segments/"+i.Name, i.Size-20)
		}, 0, true},
		{"a segment file's header", false, func(t *testing.T, f vfs.FS) {
			flip(t, f, "s/segments/"+files(t, f, "s/segments", "-00000001")[0].Name, 30)
		}, 0, true},
		{"a missing sealed segment", false, func(t *testing.T, f vfs.FS) {
			if err := f.Remove("s/segments/" + files(t, f, "s/segments", "-00000002")[0].Name); err != nil {
				t.Fatal(err)
			}
		}, 520, true},
		{"the growing segment", false, func(t *testing.T, f vfs.FS) {
			list := files(t, f, "s/segments", ".seg")
			flip(t, f, "s/segments/"+list[len(list)-1].Name, 700)
		}, 64, true},
		{"one copy of STORE", false, func(t *testing.T, f vfs.FS) { flip(t, f, "s/STORE", 50) }, 0, true},
		{"both copies of STORE", false, func(t *testing.T, f vfs.FS) {
			flip(t, f, "s/STORE", 50)
			flip(t, f, "s/STORE", 4096+50)
		}, 0, true},
		{"STORE is gone", false, func(t *testing.T, f vfs.FS) {
			if err := f.Remove("s/STORE"); err != nil {
				t.Fatal(err)
			}
		}, 0, true},
		{"the snapshot's header", false, func(t *testing.T, f vfs.FS) {
			for _, i := range files(t, f, "s", "snapshot-") {
				flip(t, f, "s/"+i.Name, 40)
			}
		}, 300, false},
		{"the snapshot's sections", false, func(t *testing.T, f vfs.FS) {
			for _, i := range files(t, f, "s", "snapshot-") {
				flip(t, f, "s/"+i.Name, 300)
			}
		}, 300, false},
		{"the middle of the write-ahead log", true, func(t *testing.T, f vfs.FS) {
			list := files(t, f, "s/wal", "wal-")
			for i := len(list) - 1; ; i-- { // the last ones may be spares
				if name := "s/wal/" + list[i].Name; inUse(t, f, name) {
					flip(t, f, name, 6000)
					return
				}
			}
		}, 80, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys, o := damagedStore(t, c.kill)
			c.damage(t, fsys)
			ctx := context.Background()
			before, err := pipeproc.Verify(ctx, "s", &pipeproc.VerifyOptions{FS: fsys})
			if err != nil {
				t.Fatal(err)
			}
			if len(before.Damage) == 0 {
				t.Fatal("verify found nothing")
			}
			no := func(*pipeproc.VerifyReport) bool { return false }
			if _, err := pipeproc.Repair(ctx, "s", &pipeproc.RepairOptions{FS: fsys, Confirm: no}); !errors.Is(err, pipeproc.ErrNotConfirmed) {
				t.Fatalf("without consent: %v", err)
			}
			rep, err := pipeproc.Repair(ctx, "s", &pipeproc.RepairOptions{FS: fsys})
			if err != nil {
				t.Fatalf("repair: %v; so far: %v", err, rep.Actions)
			}
			t.Log(rep.Actions, rep.Dropped)
			after, err := pipeproc.Verify(ctx, "s", &pipeproc.VerifyOptions{FS: fsys})
			if err != nil || len(after.Damage) > 0 {
				t.Fatalf("after the repair: %v, %v", after.Damage, err)
			}
			n, err := pipeproc.Open("s", o)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			if n.Err() != nil {
				t.Fatal(n.Err())
			}
			kept := 0
			for _, topic := range []string{"a", "b"} {
				k := checkKept(t, n, topic)
				if l, err := n.Length(ctx, topic); err != nil || l != uint64(k) {
					t.Errorf("length of %s is %d (%v), %d records can be read", topic, l, err, k)
				}
				kept += k
			}
			if lost := 2*total - kept; lost > c.maxLost {
				t.Errorf("lost %d records, at most %d are in the damage", lost, c.maxLost)
			} else if lost > 0 && len(rep.Dropped) == 0 {
				t.Errorf("lost %d records and did not say so", lost)
			}
			if k := checkKept(t, n, "small"); c.small && k != 15 {
				t.Errorf("topic small has %d records", k)
			}
			if _, err := n.Commit(ctx, pipeproc.Record{Topic: "a"}, pipeproc.Record{Topic: "b"}); err != nil {
				t.Errorf("commit after the repair: %v", err)
			}
		})
	}
}

// checkKept reads a topic both ways and returns how many records it has; each
// must be what was committed under its sequence.
func checkKept(t *testing.T, n *pipeproc.Node, topic string) int {
	t.Helper()
	ctx := context.Background()
	if _, err := n.Length(ctx, topic); errors.Is(err, pipeproc.ErrInvalidTopic) {
		return 0
	}
	k, back := 0, 0
	for r, err := range n.Range(ctx, topic, pipeproc.RangeOptions{}) {
		if err != nil {
			t.Error(err)
			continue
		}
		if k++; string(r.Body) != string(repairBody(topic, int(r.ID.Seq))) {
			t.Fatalf("%s %v has body %.40q", topic, r.ID, r.Body)
		}
		if g, err := n.Get(ctx, topic, r.ID.Seq); err != nil || string(g.Body) != string(r.Body) {
			t.Fatalf("get %s %v: %v", topic, r.ID, err)
		}
	}
	for _, err := range n.Range(ctx, topic, pipeproc.RangeOptions{Reverse: true}) {
		if err != nil {
			t.Error(err)
			continue
		}
		back++
	}
	if back != k {
		t.Errorf("%s: %d records forwards, %d backwards", topic, k, back)
	}
	return k
}
