package vfs

import (
	"os"
	"runtime"
	"testing"
	"unsafe"
)

func TestMemory(t *testing.T) {
	for _, size := range []int{1, 4096, 4097, 5 << 20} {
		m := NewMemory(size)
		b := m.Bytes()
		if len(b) != size || cap(b) != size {
			t.Fatalf("%d bytes: got %d, capacity %d", size, len(b), cap(b))
		}
		for i := 0; i < len(b); i += 1000 {
			if b[i] != 0 {
				t.Fatalf("%d bytes: byte %d is %d", size, i, b[i])
			}
			b[i] = byte(i) | 1
		}
		b[len(b)-1] = 1
		m.Discard()
		m.Populate(0, size)
		b[0], b[len(b)-1] = 2, 2 // still usable
	}
}

// TestMemoryPages looks at which pages are there.
func TestMemoryPages(t *testing.T) {
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skip("cannot be seen here: ", err)
	}
	defer pagemap.Close()
	page := os.Getpagesize()
	m := NewMemory(64 * page)
	if !m.mapped {
		t.Fatal("the memory is of the heap")
	}
	present := func() (n int) {
		t.Helper()
		entries := make([]byte, 8*64)
		first := int64(uintptr(unsafe.Pointer(unsafe.SliceData(m.b)))) / int64(page)
		if _, err := pagemap.ReadAt(entries, 8*first); err != nil {
			t.Skip("cannot be seen here: ", err)
		}
		for i := range 64 {
			n += int(entries[8*i+7] >> 7) // bit 63 of the entry
		}
		return n
	}
	if n := present(); n != 0 {
		t.Errorf("%d pages are there at the start", n)
	}
	switch m.Populate(16*page, 16*page); present() {
	case 16:
	case 0:
		t.Log("this system, older than Linux 5.14, brings in nothing")
	default:
		t.Errorf("%d pages are there after 16 were brought in", present())
	}
	m.b[0] = 1
	m.Discard()
	if n := present(); n != 0 {
		t.Errorf("%d pages are there after they were given back", n)
	}
	runtime.KeepAlive(m)
}
