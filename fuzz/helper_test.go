package fuzz

import (
	"runtime"
	"testing"

	"github.com/pipeproc/pipeproc/internal/selfcheck"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

func init() { selfcheck.On = true }

// bounded runs fn and fails if it allocates more than base bytes and factor for
// each of the n bytes of input.
func bounded(t *testing.T, n int, base, factor uint64, fn func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	if got, limit := after.TotalAlloc-before.TotalAlloc, base+factor*uint64(n); got > limit {
		t.Errorf("%d bytes of input led to %d bytes of memory, the limit is %d", n, got, limit)
	}
}

// place is where the segments of the targets are.
var storeID = [16]byte{1, 2, 3}

const (
	topicID = 7
	number  = 3
)

func meta() segment.Meta {
	return segment.Meta{Store: storeID, Topic: topicID, Number: number, Base: 100, Epoch: 5, Name: "topic"}
}

// memFile makes a file of the bytes.
func memFile(t *testing.T, m *vfs.Mem, name string, b []byte) {
	t.Helper()
	f, err := m.Open(name, vfs.Create)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// edit changes b as a script says: offset (3 bytes), count (1 byte), and as many
// bytes to put there; count 255 cuts b off at the offset.
func edit(b, script []byte) []byte {
	b = append([]byte(nil), b...)
	for len(script) >= 4 {
		off := int(script[0]) | int(script[1])<<8 | int(script[2])<<16
		n := int(script[3])
		script = script[4:]
		if n == 255 {
			b = b[:min(off, len(b))]
			continue
		}
		n = min(n, len(script))
		if off < len(b) {
			copy(b[off:], script[:n])
		}
		script = script[n:]
	}
	return b
}

// edits is the inverse of edit for one change.
func edits(off int, b ...byte) []byte {
	return append([]byte{byte(off), byte(off >> 8), byte(off >> 16), byte(len(b))}, b...)
}
