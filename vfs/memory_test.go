package vfs

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

func TestMemory(t *testing.T) {
	for _, size := range []int{1, HugePage, HugePage + 1, 5 * HugePage} {
		m := NewMemory(size)
		b := m.Bytes()
		if len(b) < size || len(b)%HugePage != 0 || cap(b) != len(b) {
			t.Fatalf("%d bytes: got %d, capacity %d", size, len(b), cap(b))
		}
		if m.mapped && uintptr(unsafe.Pointer(&b[0]))%HugePage != 0 {
			t.Errorf("%d bytes: not aligned: %p", size, &b[0])
		}
		for i := 0; i < len(b); i += 1000 {
			if b[i] != 0 {
				t.Fatalf("%d bytes: byte %d is %d", size, i, b[i])
			}
			b[i] = byte(i) | 1
		}
		b[len(b)-1] = 1
		m.Discard()
		b[0], b[len(b)-1] = 2, 2 // still usable
	}
}

// TestMemoryHuge looks whether the system was asked for huge pages, and for private
// memory, which it gives them to.
func TestMemoryHuge(t *testing.T) {
	m := NewMemory(1)
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil || !m.mapped {
		t.Skip("cannot be seen here: ", err)
	}
	_, rest, ok := strings.Cut(string(maps), fmt.Sprintf("%x-", unsafe.SliceData(m.b)))
	if !ok { // the mapping begins before
		t.Skip("the memory is part of a larger mapping")
	}
	if perm := strings.Fields(rest)[1]; perm != "rw-p" {
		t.Errorf("permissions are %s, want rw-p", perm)
	}
	_, rest, _ = strings.Cut(rest, "VmFlags:")
	if flags, _, _ := strings.Cut(rest, "\n"); !strings.Contains(flags, " hg ") && strings.Contains(flags, " rd ") {
		t.Errorf("huge pages were not asked for:%s", flags)
	}
	runtime.KeepAlive(m)
}
