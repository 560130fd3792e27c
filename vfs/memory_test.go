package vfs

import (
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
