package vfs

import "runtime"

// Memory is anonymous memory outside of the Go heap: for buffers that are large and
// used again. The garbage collector does not count it, and its pages can be brought in
// many at a time, which costs less than a fault for each as it is touched. (Huge pages
// would be fewer, but to make one while the page cache has all memory in pieces may
// take the system milliseconds.)
//
// Nothing has to be freed: the address space goes when the Memory is not reachable
// any more, so whoever has a slice of Bytes must keep the Memory, too. Where the
// system refuses, it is a slice of the heap.
type Memory struct {
	b      []byte
	mapped bool
}

// NewMemory returns zeroed memory of size bytes, at least 1.
func NewMemory(size int) *Memory {
	b, err := mapMemory(size)
	if err != nil {
		return &Memory{b: make([]byte, size)}
	}
	m := &Memory{b: b, mapped: true}
	runtime.AddCleanup(m, unmapMemory, b)
	return m
}

// Bytes returns the memory.
func (m *Memory) Bytes() []byte { return m.b }

// Populate brings in the pages of bytes [off,off+n), where the system knows how.
// Elsewhere they come in as they are touched. off is at the start of a page.
func (m *Memory) Populate(off, n int) {
	if m.mapped {
		populateMemory(m.b[off : off+n])
	}
}

// Discard gives the pages back to the system. The content is lost; the memory can be
// used again, and costs faults again.
func (m *Memory) Discard() {
	if m.mapped {
		discardMemory(m.b)
	}
}
