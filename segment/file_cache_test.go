package segment_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// segments makes n sealed segments 0 to n-1 of one topic in a new file system
// that counts opens and closes.
func segments(t testing.TB, n int) (fsys *vfs.Fault, opens, closes *atomic.Int64) {
	t.Helper()
	opens, closes = new(atomic.Int64), new(atomic.Int64)
	mem := vfs.NewMem()
	for i := range n {
		m := testMeta()
		m.Topic, m.Number = 1, uint64(i)
		threeBlocks(m).writeFile(t, mem, "")
	}
	return vfs.NewFault(mem, func(op vfs.Op) error {
		switch op.Kind {
		case vfs.OpOpen:
			opens.Add(1)
		case vfs.OpClose:
			closes.Add(1)
		}
		return nil
	}), opens, closes
}

func acquire(t testing.TB, c *segment.Files, number uint64) *segment.Handle {
	t.Helper()
	h, err := c.Acquire(1, number)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func wantStats(t testing.TB, c *segment.Files, open, mapped int) {
	t.Helper()
	if o, m := c.Stats(); o != open || m != mapped {
		t.Errorf("%d open, %d mapped; want %d, %d", o, m, open, mapped)
	}
}

func TestFilesKeepsAndEvicts(t *testing.T) {
	fsys, opens, closes := segments(t, 10)
	c := segment.NewFiles(fsys, "", 3, 0)
	for range 5 {
		for i := range uint64(3) {
			acquire(t, c, i).Release()
		}
	}
	if opens.Load() != 3 || closes.Load() != 0 {
		t.Errorf("%d opens, %d closes", opens.Load(), closes.Load())
	}
	held := acquire(t, c, 0)
	for i := range uint64(10) {
		acquire(t, c, i).Release()
	}
	wantStats(t, c, 3, 0)
	before := opens.Load()
	acquire(t, c, 0).Release() // idle ones had to go first
	if opens.Load() != before {
		t.Error("a held file was given up for an idle one")
	}
	var all []*segment.Handle
	for i := range uint64(10) {
		all = append(all, acquire(t, c, i))
	}
	wantStats(t, c, 10, 0)
	for _, h := range all { // evicted or not, they work until released
		if _, err := h.File().Size(); err != nil {
			t.Error(err)
		}
		h.Release()
	}
	held.Release()
	wantStats(t, c, 3, 0)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	wantStats(t, c, 0, 0)
	if opens.Load() != closes.Load() {
		t.Errorf("%d opens, %d closes", opens.Load(), closes.Load())
	}
}

func TestFilesRetain(t *testing.T) {
	fsys, opens, _ := segments(t, 2)
	c := segment.NewFiles(fsys, "", 1, 0)
	defer c.Close()
	h := acquire(t, c, 0)
	h.Release()
	if !h.Retain() {
		t.Fatal("gone while in the cache")
	}
	acquire(t, c, 1).Release() // evicts it
	if !h.Retain() {
		t.Fatal("gone while held")
	}
	h.Release()
	h.Release()
	if h.Retain() {
		t.Fatal("there after it was closed")
	}
	if opens.Load() != 2 {
		t.Errorf("%d opens", opens.Load())
	}
	defer func() {
		if recover() == nil {
			t.Error("one release too many is not noticed")
		}
	}()
	h.Release()
}

func TestFilesErrors(t *testing.T) {
	fsys, _, _ := segments(t, 2)
	c := segment.NewFiles(fsys, "", 4, 0)
	for range 2 {
		if _, err := c.Acquire(1, 77); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("missing: %v", err)
		}
	}
	fsys.SetHook(vfs.FailKind(vfs.OpOpen, ".seg", syscall.EMFILE))
	if _, err := c.Acquire(1, 0); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("too many: %v", err)
	}
	fsys.SetHook(nil)
	acquire(t, c, 0).Release() // a failure is not remembered
	c.Forget(1, 0)
	fsys.SetHook(vfs.FailNth(fsys.Count()+1, syscall.EROFS)) // may be read, not written
	acquire(t, c, 0).Release()
	fsys.SetHook(nil)
	held := acquire(t, c, 1)
	fsys.SetHook(vfs.FailKind(vfs.OpClose, ".seg", syscall.EIO))
	if err := c.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("close: %v", err)
	}
	fsys.SetHook(nil)
	if _, err := c.Acquire(1, 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	if _, err := held.File().Size(); err != nil {
		t.Errorf("held over close: %v", err)
	}
	held.Release()
	wantStats(t, c, 0, 0)
	f, err := fsys.Open(segment.FileName(1, 0), vfs.Read)
	if err != nil {
		t.Fatal(err)
	}
	c.Add(1, 0, f).Release()
	wantStats(t, c, 0, 0)
	if _, err := f.Size(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("added after close: %v", err)
	}
}

func TestFilesReadOnly(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("the superuser may write everything")
	}
	dir := t.TempDir()
	b := threeBlocks(testMeta())
	if err := os.WriteFile(filepath.Join(dir, b.m.FileName()), b.data, 0o400); err != nil {
		t.Fatal(err)
	}
	c := segment.NewFiles(vfs.OS(), dir, 4, 4)
	defer c.Close()
	h, err := c.Acquire(b.m.Topic, b.m.Number)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if _, err := h.Footer(b.m.Place()); err != nil {
		t.Error(err)
	}
}

func TestFilesAddAndForget(t *testing.T) {
	fsys, opens, closes := segments(t, 1)
	c := segment.NewFiles(fsys, "", 4, 4)
	defer c.Close()
	old := acquire(t, c, 0)
	m := testMeta()
	m.Topic, m.Number = 1, 0
	f, err := segment.Create(fsys, "", m, 4096)
	if err != nil {
		t.Fatal(err)
	}
	h := c.Add(1, 0, f)
	if h.File() != f || h == old {
		t.Error("not the added file")
	}
	if again := acquire(t, c, 0); again != h {
		t.Error("the added file is not found")
	} else {
		again.Release()
	}
	old.Release()
	if closes.Load() != 1 {
		t.Error("the old file is still open")
	}
	c.Forget(1, 0)
	c.Forget(1, 0)
	if _, err := f.Size(); err != nil {
		t.Errorf("closed while held: %v", err)
	}
	h.Release()
	if _, err := f.Size(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("open after its last release: %v", err)
	}
	if opens.Load() != 1 {
		t.Errorf("%d opens", opens.Load())
	}
	wantStats(t, c, 0, 0)
}

// TestFilesConcurrently runs readers, eviction, growth and forgetting at once. The
// race detector and the in-memory files find errors.
func TestFilesConcurrently(t *testing.T) {
	const n = 12
	fsys, opens, closes := segments(t, n)
	c := segment.NewFiles(fsys, "", 4, 3)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewSource(int64(g)))
			var cached [n]*segment.Handle
			for range 2000 {
				i := rnd.Intn(n)
				h := cached[i]
				if h == nil || !h.Retain() {
					var err error
					if h, err = c.Acquire(1, uint64(i)); err != nil {
						t.Error(err)
						return
					}
					cached[i] = h
				}
				m := testMeta()
				m.Topic, m.Number = 1, uint64(i)
				switch rnd.Intn(4) {
				case 0:
					if mp, err := h.Mapping(600); err == nil && !bytes.Equal(mp.Bytes()[:8], []byte("PPSEGMNT")) {
						t.Error("wrong bytes")
					} else if err != nil && !errors.Is(err, segment.ErrNoMapping) {
						t.Error(err)
					}
				case 1:
					if i > 2 { // the others grow
						if f, err := h.Footer(m.Place()); err != nil || f.At(0).Seq != 1000 {
							t.Error(err)
						}
					}
				case 2:
					if i <= 2 {
						size, _ := h.File().Size()
						h.File().WriteAt([]byte("grown"), size)
						if mp, err := h.Mapping(size); err == nil && mp.Bytes()[0] != 'P' {
							t.Error("wrong bytes")
						}
					}
				default:
					if rnd.Intn(20) == 0 {
						c.Forget(1, uint64(i))
					}
				}
				h.Release()
			}
		})
	}
	wg.Wait()
	if open, mapped := c.Stats(); open > 4 || mapped > 3 {
		t.Errorf("%d open, %d mapped", open, mapped)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	wantStats(t, c, 0, 0)
	if opens.Load() != closes.Load() {
		t.Errorf("%d opens, %d closes", opens.Load(), closes.Load())
	}
}

func TestFilesHotPathDoesNotAllocate(t *testing.T) {
	fsys, _, _ := segments(t, 1)
	c := segment.NewFiles(fsys, "", 4, 4)
	defer c.Close()
	m := testMeta()
	m.Topic, m.Number = 1, 0
	hot := acquire(t, c, 0)
	defer hot.Release()
	if n := testing.AllocsPerRun(100, func() {
		h, _ := c.Acquire(1, 0)
		h.Retain()
		h.Mapping(600)
		f, _ := h.Footer(m.Place())
		f.Floor(1003)
		h.Release()
		h.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
