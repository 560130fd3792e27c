package vfs

import "runtime"

// Memory is anonymous memory outside of the Go heap, for large buffers that are
// reused. The garbage collector does not count it, and its pages can be brought in
// many at a time, which costs less than a fault for each as it is touched. (Huge pages
// would need fewer faults, but making one can take the system milliseconds while the
// page cache has fragmented all memory.)
//
// Nothing has to be freed: the address space is released when the Memory becomes
// unreachable, so a user of Bytes must keep a reference to the Memory. Where the
// system refuses, the memory is a slice of the heap.
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

// Populate brings in the pages of bytes [off,off+n) where the system can. Elsewhere
// they come in as they are touched. off is at the start of a page.
func (m *Memory) Populate(off, n int) {
	if m.mapped {
		populateMemory(m.b[off : off+n])
	}
}

// Discard gives the pages back to the system. The content is lost. The memory can be
// used again, at the cost of new faults.
func (m *Memory) Discard() {
	if m.mapped {
		discardMemory(m.b)
	}
}
