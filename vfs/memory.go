package vfs

import "runtime"

// HugePage is the size and the alignment of the pages that Memory asks for, in
// bytes.
const HugePage = 2 << 20

// Memory is anonymous memory outside of the Go heap, in huge pages where the
// system has them. For buffers that are large and used again it costs far less
// than the heap: one page fault for each 2 MiB, not one for each 4 KiB, and
// nothing that the garbage collector counts.
//
// Nothing has to be freed: the address space goes when the Memory is not reachable
// any more, so whoever has a slice of Bytes must keep the Memory, too. Where the
// system refuses, it is a slice of the heap.
type Memory struct {
	b      []byte
	mapped bool
}

// NewMemory returns zeroed memory of size bytes, rounded up to huge pages.
func NewMemory(size int) *Memory {
	size = (size + HugePage - 1) &^ (HugePage - 1)
	b, whole, err := mapMemory(size)
	if err != nil {
		return &Memory{b: make([]byte, size)}
	}
	m := &Memory{b: b, mapped: true}
	runtime.AddCleanup(m, func(whole []byte) { unmapMemory(whole) }, whole)
	return m
}

// Bytes returns the memory.
func (m *Memory) Bytes() []byte { return m.b }

// Discard gives the pages back to the system. The content is lost; the memory can be
// used again, and costs faults again.
func (m *Memory) Discard() {
	if m.mapped {
		discardMemory(m.b)
	}
}
