package segment

import (
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

// TestMappedBytes bounds the mappings by their bytes, whether the files that they
// are of are in the cache or held, and counts those that failed not at all.
func TestMappedBytes(t *testing.T) {
	fsys := vfs.NewMem()
	fault := vfs.NewFault(fsys, nil)
	const size = 100 << 10
	for n := range uint64(4) {
		f, err := Create(fsys, "/", Meta{Topic: 1, Number: n, Name: "t"}, size)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	c := NewFiles(fault, "/", 10, 10)
	if c.maxBytes != maxMappedBytes {
		t.Error("no bound")
	}
	c.maxBytes = 2*size + 10
	acquire := func(n uint64) *Handle {
		h, err := c.Acquire(1, n)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	fault.SetHook(vfs.FailKind(vfs.OpMap, "00.seg", vfs.ErrMapFault))
	first := acquire(0)
	if _, err := first.Mapping(size); err == nil {
		t.Error("mapped")
	}
	fault.SetHook(nil)
	var held []*Handle
	for n := range uint64(3) {
		h := acquire(n + 1)
		held = append(held, h)
		switch _, err := h.Mapping(size); {
		case n < 2 && err != nil:
			t.Error(err)
		case n == 2 && err != ErrNoMapping:
			t.Errorf("mapping %d: %v", n, err)
		}
	}
	if _, mapped := c.Stats(); mapped != 2 || c.bytes.Load() != 2*size {
		t.Error(mapped, c.bytes.Load())
	}
	c.Forget(1, 1)
	held[0].Release()
	if _, err := held[2].Mapping(size); err != nil {
		t.Error(err)
	}
	for _, h := range append(held[1:], first) {
		h.Release()
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if open, mapped := c.Stats(); open != 0 || mapped != 0 || c.bytes.Load() != 0 {
		t.Error(open, mapped, c.bytes.Load())
	}
}

// TestMapsNotFreely: where files must not be cut or removed while they are mapped,
// none is mapped, and readers read.
func TestMapsNotFreely(t *testing.T) {
	mapsFreely = false
	defer func() { mapsFreely = vfs.MapsFreely }()
	fsys := vfs.NewFault(vfs.NewMem(), nil)
	f, err := Create(fsys, "/", Meta{Topic: 1, Name: "t"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	fsys.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpMap {
			t.Error("mapped")
		}
		return nil
	})
	c := NewFiles(fsys, "/", 10, 10)
	h := c.Add(1, 0, f)
	if _, err := h.Mapping(FileHeaderSize); err != ErrNoMapping {
		t.Error(err)
	}
	if m := h.Rescan(FileHeaderSize); m != nil {
		t.Error("mapped for a scan")
	}
	h.Release()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
