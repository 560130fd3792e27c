package topics

import (
	"bytes"
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// keptConfig is that of registries whose files take no writes once they exist.
func keptConfig(fsys vfs.FS) Config {
	return Config{FS: fsys, Dir: "s", Files: segment.NewFiles(fsys, "s", 4, 4), Codecs: new(segment.Codecs),
		Default: Options{SegmentSize: 64 << 10}, MaxBody: 1 << 20, MaxBatch: 1 << 20, KeepMax: 1 << 20}
}

// keptCheckpoint returns a flushed checkpoint of the topic "a", of which three segments
// are kept.
func keptCheckpoint(t *testing.T, limit int64) (*Registry, *Checkpoint, error) {
	t.Helper()
	m := vfs.NewMem()
	if err := m.MkdirAll("s"); err != nil {
		t.Fatal(err)
	}
	fault := vfs.NewFault(m, nil)
	c := keptConfig(fault)
	c.KeepMax = limit
	r := NewRegistry(c)
	var pos uint64
	commitTo(t, r, &pos, 10<<10, slices.Repeat([]string{"a"}, 16)...)
	fault.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpWriteAt {
			return syscall.EIO
		}
		return nil
	})
	k := r.Capture()
	_, err := r.WriteBack(k, 1<<20, false)
	return r, k, err
}

// TestS3Bound: there is a bound on what a snapshot keeps. More of it fails the
// checkpoint, with an error that names a topic.
func TestS3Bound(t *testing.T) {
	_, c, err := keptCheckpoint(t, 100<<10)
	d, ok := errors.AsType[*segment.CorruptError](err)
	if !ok || d.Topic != "a" || len(c.Damaged) != 1 {
		t.Errorf("more than the bound: %v; found %v", err, c.Damaged)
	}
	_, c, err = keptCheckpoint(t, 200<<10)
	if err != nil || c.Kept < 160<<10 || !c.Keeps || c.Stuck != 1 {
		t.Errorf("%d bytes within the bound: %v", c.Kept, err)
	}
}

// TestKeptRestore restores kept blocks, and refuses those that do not fit.
func TestKeptRestore(t *testing.T) {
	_, c, err := keptCheckpoint(t, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var kept [][]byte
	c.Topics[0].EachKept(func(fill func([]byte) []byte) { kept = append(kept, fill(nil)) })
	topic := c.Topics[0].Append(nil)
	restored := func(list ...[]byte) (*Registry, error) {
		m := vfs.NewMem()
		r := NewRegistry(keptConfig(m))
		if err := r.RestoreTopic(topic, 100); err != nil {
			t.Fatal(err)
		}
		var first error
		for _, b := range list {
			if err := r.RestoreKept(b); err != nil && first == nil {
				first = err
			}
		}
		r.Publish(100)
		return r, errors.Join(first, r.KeptWhole())
	}
	count := func(r *Registry) int {
		n := 0
		for i := range uint64(16) {
			var g Getter
			var rec segment.Record
			a, err := r.Topic("a")
			if err != nil {
				t.Fatal(err)
			}
			if g.Get(a, i, &rec) == nil && bytes.Equal(rec.Body, bytes.Repeat([]byte{'x'}, 10<<10)) {
				n++
			}
		}
		return n
	}
	r, err := restored(kept...)
	if n := count(r); err != nil || n != 16 {
		t.Errorf("%d records, %v", n, err)
	}
	if a, _ := r.Topic("a"); a.Damage() != nil || a.Stuck() == nil {
		t.Errorf("nothing is lost: %v, %v", a.Damage(), a.Stuck())
	}
	for name, list := range map[string][][]byte{
		"none":       nil,
		"no first":   kept[1:],
		"no last":    kept[:len(kept)-1],
		"a hole":     slices.Delete(slices.Clone(kept), 1, 2),
		"swapped":    {kept[1], kept[0]},
		"twice":      append(slices.Clone(kept), kept[0]),
		"too long":   append(slices.Clone(kept), slices.Concat(kept[0], kept[0])),
		"empty":      append(slices.Clone(kept), []byte{1, 1, 200, 4}),
		"cut short":  append(slices.Clone(kept), []byte{1}),
		"no topic":   append(slices.Clone(kept), []byte{9, 1, 200, 4, 1}),
		"no segment": append(slices.Clone(kept), []byte{1, 99, 200, 4, 1}),
		"far away":   append(slices.Clone(kept), []byte{1, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1}),
	} {
		r, err := restored(list...)
		if err == nil {
			t.Errorf("%s: restored", name)
		}
		count(r) // no panic
		if a, _ := r.Topic("a"); a != nil {
			for _, f := range a.Files() {
				if _, err := a.Salvage(Source{Number: f.Number, To: f.DataEnd}); err != nil {
					t.Logf("%s: %v", name, err) // there is no folder
				}
			}
		}
	}
}
