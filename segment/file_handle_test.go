package segment_test

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

func TestMappings(t *testing.T) {
	fsys, _, _ := segments(t, 3)
	c := segment.NewFiles(fsys, "", 10, 2)
	h := acquire(t, c, 0)
	size, _ := h.File().Size()
	m1, err := h.Mapping(10)
	if err != nil || int64(len(m1.Bytes())) != size {
		t.Fatalf("%v", err)
	}
	if m, _ := h.Mapping(size); m != m1 {
		t.Error("mapped twice")
	}
	if _, err := h.Mapping(size + 1); !errors.Is(err, segment.ErrCorrupt) {
		t.Errorf("beyond the file: %v", err)
	}
	wantStats(t, c, 1, 1)

	// The file grows: a new mapping, and the old one lives while someone holds
	// the handle.
	if _, err := h.File().WriteAt([]byte("tail"), size); err != nil {
		t.Fatal(err)
	}
	other := acquire(t, c, 0)
	m2, err := other.Mapping(size + 4)
	if err != nil || m2 == m1 || !bytes.HasSuffix(m2.Bytes(), []byte("tail")) {
		t.Fatalf("grown: %v", err)
	}
	other.Release()
	wantStats(t, c, 1, 2)
	if len(m1.Bytes()) == 0 {
		t.Error("old mapping closed while held")
	}
	full := acquire(t, c, 1)
	if _, err := full.Mapping(1); !errors.Is(err, segment.ErrNoMapping) {
		t.Errorf("one too many: %v", err)
	}
	h.Release()
	wantStats(t, c, 2, 1)
	if m1.Bytes() != nil || m2.Bytes() == nil {
		t.Error("wrong mapping closed")
	}
	if _, err := full.Mapping(1); err != nil {
		t.Errorf("room again: %v", err)
	}
	full.Release()
	third := acquire(t, c, 2)
	c.Forget(1, 0)
	fsys.SetHook(vfs.FailKind(vfs.OpMap, ".seg", syscall.ENOMEM))
	for range 2 {
		if _, err := third.Mapping(1); !errors.Is(err, segment.ErrNoMapping) {
			t.Errorf("refused: %v", err)
		}
	}
	third.Release()
	wantStats(t, c, 2, 1)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	wantStats(t, c, 0, 0)
}

func TestHandleFooter(t *testing.T) {
	for _, maps := range []int{0, 4} {
		fsys, _, _ := segments(t, 2)
		c := segment.NewFiles(fsys, "", 4, maps)
		m := testMeta()
		m.Topic, m.Number = 1, 0
		h := acquire(t, c, 0)
		for range 2 {
			f, err := h.Footer(m.Place())
			if err != nil || f.First != 1000 || f.Next != 1006 {
				t.Fatalf("%+v, %v", f.Summary, err)
			}
			if e, ok := f.Floor(1004); !ok || e.Off != 512 {
				t.Errorf("%+v, %v", e, ok)
			}
		}
		// The footer stays although its mapping is replaced.
		size, _ := h.File().Size()
		h.File().WriteAt([]byte("x"), size)
		h.Mapping(size + 1)
		h.Release()
		h.Retain()
		if f, err := h.Footer(m.Place()); err != nil || f.At(0).Seq != 1000 {
			t.Errorf("after growth: %v", err)
		}
		h.Release()

		bad := acquire(t, c, 1)
		var e *segment.CorruptError
		if _, err := bad.Footer(m.Place()); !errors.As(err, &e) || e.File != segment.FileName(1, 1) || e.Segment != 1 {
			t.Errorf("other place: %v", err)
		}
		m.Number = 1
		if _, err := bad.Footer(m.Place()); err != nil { // the failure is not remembered
			t.Error(err)
		}
		bad.Release()
		c.Close()
		wantStats(t, c, 0, 0)
	}
}

func TestBigFooterIsReadInTwoSteps(t *testing.T) {
	b := newBuilder(testMeta())
	for range 3000 {
		b.add(segment.None, "x")
	}
	b.entries = nil // one for each block, to have many
	for i, off := range b.offs {
		b.entries = append(b.entries, segment.Entry{Seq: 1000 + uint64(i), Time: b.sum.FirstTime + int64(5*i), Off: off})
	}
	b.seal()
	if sum, found := check(t, memFile(t, b.data), b.m, 0, true); sum != b.sum || found != nil {
		t.Errorf("%+v, %v", sum, found)
	}
}
