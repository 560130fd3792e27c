package behaviour_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// A repair drops what is damaged on both sides of gaps that an import left: the gaps
// that there were and the new one are one, and nothing counts twice.
func TestRepairOverGaps(t *testing.T) {
	ctx := context.Background()
	disk := vfs.NewMem()
	o := &pipeproc.Options{FS: disk}
	n, err := pipeproc.Open("s", o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.Import(ctx, "a", func(yield func(pipeproc.Record, error) bool) {
		for i := range uint64(40) {
			seq := i/10*20 + i%10 // 0 to 9, 20 to 29, 40 to 49, 60 to 69
			rec := pipeproc.Record{Topic: "a", ID: pipeproc.ID{Millis: 1000 + int64(i), Seq: seq}}
			rec.Body = append([]byte{'<', byte(seq), '>'}, strings.Repeat("x", 3000)...)
			if !yield(rec, nil) {
				return
			}
		}
	}, nil)
	if err == nil {
		err = n.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	name := "s/segments/" + files(t, disk, "s/segments", ".seg")[0].Name
	f, err := disk.Open(name, vfs.Read)
	if err != nil {
		t.Fatal(err)
	}
	size, _ := f.Size()
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for seq := byte(20); seq < 50; seq++ {
		if at := bytes.Index(data, []byte{'<', seq, '>'}); at >= 0 {
			flip(t, disk, name, int64(at+10))
		} else if seq < 30 || seq >= 40 {
			t.Fatalf("record %d is not in the file", seq)
		}
	}
	if _, err := pipeproc.Repair(ctx, "s", &pipeproc.RepairOptions{FS: disk}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // also after the snapshot
		if n, err = pipeproc.Open("s", o); err != nil {
			t.Fatal(err)
		}
		count := uint64(0)
		for _, err := range n.Range(ctx, "a", pipeproc.RangeOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			count++
		}
		length, err := n.Length(ctx, "a")
		if err != nil || length != count || count != 20 {
			t.Errorf("%d records can be read, and Length says %d, %v", count, length, err)
		}
		rep, err := n.Verify(ctx, nil)
		if err != nil || len(rep.Damage) > 0 {
			t.Errorf("verify after the repair: %+v, %v", rep, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
