package vfs

import (
	"math"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestMemNames(t *testing.T) {
	m := NewMem()
	put(t, m, "a", "text")
	for _, name := range []string{"/a", "./a", "/x/../a", "//a"} {
		wantText(t, get(t, m, name), "text")
	}
	info, err := m.Stat("/")
	must(t, err)
	if !info.Dir {
		t.Errorf("%+v", info)
	}
	must(t, m.MkdirAll("/"))
	must(t, m.MkdirAll("x/y"))
	wantText(t, names(t, m, "x"), "[y]")
	wantErr(t, m.Remove("/"), syscall.EBUSY)
	wantErr(t, m.Rename("/", "b"), syscall.EBUSY)
	wantErr(t, m.Link("x", "z"), syscall.EPERM)
	_, err = m.Open("a\x00b", Create)
	wantErr(t, err, syscall.ENOENT)
	wantErr(t, m.MkdirAll(""), syscall.ENOENT)
}

func TestMemCapacity(t *testing.T) {
	m := NewMem()
	if free, err := m.Free("/"); free != math.MaxInt64 {
		t.Error(free, err)
	}
	m.SetCapacity(4 * pageSize)
	wantFree := func(pages int64) {
		t.Helper()
		if free, err := m.Free("/"); free != pages*pageSize {
			t.Errorf("free %d, want %d pages (%v)", free, pages, err)
		}
	}
	a, b := open(t, m, "a", Create), open(t, m, "b", Create)
	wantFree(4)
	must(t, a.Preallocate(2*pageSize))
	write(t, b, 0, "b")
	wantFree(1)

	err := a.Preallocate(4 * pageSize)
	wantErr(t, err, syscall.ENOSPC)
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("%v", err)
	}
	if size, _ := a.Size(); size != 2*pageSize {
		t.Errorf("size %d after failure", size)
	}
	n, err := b.WriteAt(make([]byte, 2*pageSize), pageSize)
	wantErr(t, err, syscall.ENOSPC)
	if n != 0 {
		t.Errorf("wrote %d", n)
	}
	wantErr(t, b.Truncate(9*pageSize), syscall.ENOSPC)
	write(t, b, 1, "within") // no growth
	wantFree(1)

	must(t, a.Truncate(1))
	wantFree(2)
	must(t, m.Link("a", "c"))
	must(t, m.Remove("a"))
	must(t, m.Rename("b", "c"))
	wantFree(2) // the handle holds it
	must(t, a.Close())
	wantFree(3)
	mapped := mapping(t, b, 1, false)
	must(t, m.Remove("c"))
	must(t, b.Close())
	wantFree(3)
	must(t, mapped.Close())
	wantFree(4)

	m.SetCapacity(0)
	put(t, m, "d", strings.Repeat("d", 5*pageSize))
	m.SetCapacity(1)
	if free, err := m.Free("/"); free != 0 {
		t.Error(free, err)
	}
}

func TestMemTooLarge(t *testing.T) {
	file := open(t, NewMem(), "a", Create)
	for _, size := range []int64{maxMemFile + 1, math.MaxInt64} {
		wantErr(t, file.Truncate(size), syscall.EFBIG)
		wantErr(t, file.Preallocate(size), syscall.EFBIG)
		_, err := file.WriteAt([]byte{1}, size)
		wantErr(t, err, syscall.EFBIG)
	}
}

func TestMemWritableMappings(t *testing.T) {
	m := NewMem()
	file := open(t, m, "a", Create)
	write(t, file, 0, "0123456789")
	rw := mapping(t, file, 10, true)
	_, err := file.WriteAt([]byte("x"), 10)
	wantErr(t, err, errGrowMapped)
	wantErr(t, file.Preallocate(11), errGrowMapped)
	wantErr(t, file.Truncate(11), errGrowMapped)
	must(t, file.Preallocate(10))
	ro := mapping(t, file, 10, false)
	must(t, rw.Close())
	must(t, file.Preallocate(100000)) // ro is left with the old memory
	_, err = file.Map(10, true)
	wantErr(t, err, errStaleMapped)
	write(t, file, 3, "xyz")
	wantText(t, string(ro.Bytes()), "012xyz6789")
	must(t, ro.Close())
	rw = mapping(t, file, 10, true)
	rw.Bytes()[0] = 'a'
	wantText(t, text(t, file)[:10], "a12xyz6789")
}

func TestMemTruncateUnderMapping(t *testing.T) {
	file := open(t, NewMem(), "a", Create)
	write(t, file, 0, "0123456789")
	for _, writable := range []bool{false, true} {
		m := mapping(t, file, 10, writable)
		must(t, file.Truncate(5))
		wantText(t, string(m.Bytes()), "0123456789")
		wantText(t, text(t, file), "01234")
		must(t, m.Close())
		must(t, file.Truncate(10))
		wantText(t, text(t, file), "01234\x00\x00\x00\x00\x00")
		write(t, file, 5, "56789")
	}
}

// TestMemReadersWhileGrowing has the race detector look at readers of a mapping
// that take no lock, while the file is appended to and outgrows its memory.
func TestMemReadersWhileGrowing(t *testing.T) {
	file := open(t, NewMem(), "a", Create)
	write(t, file, 0, strings.Repeat("a", 1000))
	m := mapping(t, file, 1000, false)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 1000 {
				if m.Bytes()[0] != 'a' || m.Bytes()[999] != 'a' {
					t.Error("changed")
				}
			}
		})
	}
	for i := range 1000 {
		write(t, file, 1000+int64(i)*100, strings.Repeat("b", 100))
	}
	wg.Wait()
	if got := len(file.(*memFile).c.stale); got != 1 {
		t.Errorf("%d old buffers", got)
	}
	must(t, m.Close())
	if got := len(file.(*memFile).c.stale); got != 0 {
		t.Errorf("%d old buffers after close", got)
	}
}

func BenchmarkMemAppend(b *testing.B) {
	for _, s := range []struct {
		name string
		fs   FS
	}{{"mem", NewMem()}, {"crash", NewCrash()}} {
		b.Run(s.name, func(b *testing.B) {
			file := open(b, s.fs, "a", Create)
			p := make([]byte, 256)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			var off int64
			for b.Loop() {
				if _, err := file.WriteAt(p, off); err != nil {
					b.Fatal(err)
				}
				if off += int64(len(p)); off > 16<<20 {
					off = 0
				}
			}
		})
	}
}
