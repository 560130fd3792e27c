package vfs

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// xfs is a file as xfs has it: whoever asks for blocks is refused unless there is
// room for the whole range, whatever part of it the file has.
type xfs struct {
	free   int // blocks
	blocks map[int64]bool
	asked  int // blocks of successful calls
}

func (x *xfs) install(t *testing.T) {
	oldFall, oldExt := fallocate, extents
	t.Cleanup(func() { fallocate, extents = oldFall, oldExt })
	fallocate = func(fd uintptr, off, n int64) error {
		from, to := off/4096, (off+n+4095)/4096
		if int(to-from) > x.free {
			return unix.ENOSPC
		}
		for b := from; b < to; b++ {
			if !x.blocks[b] {
				x.blocks[b] = true
				x.free--
			}
			x.asked++
		}
		return growTo(fd, off+n)
	}
	extents = func(_ uintptr, off, size int64) (from, to int64, err error) {
		for from = off; from < size && !x.blocks[from/4096]; from = (from/4096 + 1) * 4096 {
		}
		for to = min(from, size); to < size && x.blocks[to/4096]; to = (to/4096 + 1) * 4096 {
		}
		return min(from, size), min(to, size), nil
	}
}

func growTo(fd uintptr, size int64) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil || st.Size >= size {
		return err
	}
	return unix.Ftruncate(int(fd), size)
}

// TestS13AllocatedBlocksAreNotAskedForAgain: field case S13. What a file has is its
// own on a full disk, too.
func TestS13AllocatedBlocksAreNotAskedForAgain(t *testing.T) {
	x := &xfs{free: 20, blocks: map[int64]bool{}}
	x.install(t)
	f, err := OS().Open(filepath.Join(t.TempDir(), "f"), Create)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := func(want int64) {
		t.Helper()
		if n, err := f.Size(); n != want || err != nil {
			t.Errorf("%d bytes, %v; want %d", n, err, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	must(f.Preallocate(16 << 12))
	must(f.Preallocate(16 << 12)) // there is room for four blocks
	must(f.Preallocate(10))
	size(16 << 12)
	must(f.Preallocate(20 << 12)) // these four
	size(20 << 12)
	must(f.Preallocate(20 << 12)) // there is no room at all
	if err := f.Preallocate(20<<12 + 1); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a block that is not there: %v", err)
	}
	size(20 << 12)
	for _, hole := range []int64{0, 7, 8, 19} { // blocks in the middle are gone
		delete(x.blocks, hole)
	}
	if err := f.Preallocate(20 << 12); !errors.Is(err, unix.ENOSPC) || !NoSpace(err) {
		t.Errorf("holes on a full disk: %v", err)
	}
	x.free, x.asked = 4, 0
	must(f.Preallocate(20 << 12))
	if x.free != 0 || x.asked != 4 {
		t.Errorf("%d blocks left, %d asked for", x.free, x.asked)
	}
	size(20 << 12)

	x.blocks[20] = true // allocated in advance, past the end
	must(f.Preallocate(20<<12 + 9))
	size(20<<12 + 9)
}

// TestExtents compares what the file system says with what was allocated.
func TestExtents(t *testing.T) {
	f, err := OS().Open(filepath.Join(t.TempDir(), "f"), Create)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	of := f.(*osFile)
	_ = of.control("fill", func(fd uintptr) error {
		if err := unix.Ftruncate(int(fd), 1<<20); err != nil {
			t.Fatal(err)
		}
		if _, _, err := nextExtent(fd, 0, 1<<20); err != nil {
			t.Skipf("SKIPPED: this file system does not tell: %v", err)
		}
		for _, off := range []int64{64 << 10, 512 << 10} {
			if err := fallocate(fd, off, 64<<10); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct{ off, from, to int64 }{
			{0, 64 << 10, 128 << 10}, {100 << 10, 100 << 10, 128 << 10},
			{128 << 10, 512 << 10, 576 << 10}, {576 << 10, 1 << 20, 1 << 20},
		} {
			if from, to, err := nextExtent(fd, c.off, 1<<20); from != c.from || to != c.to || err != nil {
				t.Errorf("from %d on: %d to %d, %v; want %d to %d", c.off, from, to, err, c.from, c.to)
			}
		}
		return fillGaps(fd, 1<<20)
	})
	if fi, err := OS().Stat(f.Name()); err != nil || fi.Allocated < 1<<20 {
		t.Errorf("%d of 1 MiB are allocated, %v", fi.Allocated, err)
	}
}
