package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
)

// threeBlocks is a small sealed segment, one of its blocks compressed.
func threeBlocks(m segment.Meta) *builder {
	b := newBuilder(m)
	b.add(segment.None, "first", "", "third")
	b.add(segment.Zstd, strings.Repeat("again and ", 9), "x")
	raw := segment.AppendRecord(nil, []byte("key"), segment.AppendHeader(nil, "n", []byte("v")), []byte("body"))
	b.addRaw(1, raw, segment.None)
	b.seal()
	return b
}

// scanAll reads all blocks as text, passing over damage.
func scanAll(s *segment.Scanner) (blocks []string, damage []int64, err error) {
	for {
		for s.Next() {
			h := s.Header()
			blocks = append(blocks, fmt.Sprintf("@%d %d+%d %x", s.Offset(), h.Base, h.Count, segment.Sum(s.Body())))
		}
		if s.Err() == nil {
			return blocks, damage, nil
		}
		var c *segment.CorruptError
		if !errors.As(s.Err(), &c) {
			return blocks, damage, s.Err()
		}
		damage = append(damage, c.Offset)
		if c.Offset != s.Offset() {
			return nil, nil, fmt.Errorf("offsets %d and %d", c.Offset, s.Offset())
		}
		if !s.Resync() {
			return blocks, damage, nil
		}
	}
}

func TestScannerBufferSizes(t *testing.T) {
	b := newBuilder(testMeta())
	for i := range 60 {
		b.add(segment.Codec(i%2), strings.Repeat("body ", i*i%97), "x")
	}
	want, _, err := scanAll(segment.NewScanner(readerAt(b.data), b.m.Place(), 512, b.sum.DataEnd, nil))
	if err != nil || len(want) != 60 {
		t.Fatalf("%d blocks, %v", len(want), err)
	}
	s := new(segment.Scanner)
	for size := 0; size < 1200; size += 7 {
		s.Reset(readerAt(b.data), b.m.Place(), 512, b.sum.DataEnd, make([]byte, size))
		got, damage, err := scanAll(s)
		if err != nil || damage != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("buffer of %d: %d blocks, damage %v, %v", size, len(got), damage, err)
		}
	}
	for i, off := range b.offs { // from any block to the end of any other
		s.Reset(readerAt(b.data), b.m.Place(), off, b.sum.DataEnd, nil)
		if got, _, err := scanAll(s); err != nil || len(got) != 60-i {
			t.Errorf("from block %d: %d blocks, %v", i, len(got), err)
		}
		s.Reset(readerAt(b.data[:off]), b.m.Place(), 512, off, nil)
		if got, _, err := scanAll(s); err != nil || len(got) != i {
			t.Errorf("up to block %d: %d blocks, %v", i, len(got), err)
		}
	}
	s.Reset(readerAt(b.data), b.m.Place(), 512, 512, nil)
	if s.Next() || s.Err() != nil || s.Resync() {
		t.Error("empty range: found something")
	}
}

func TestScannerReportsEveryCut(t *testing.T) {
	b := threeBlocks(testMeta())
	ends := map[int64]bool{512: true, b.offs[1]: true, b.offs[2]: true, b.sum.DataEnd: true}
	for to := int64(512); to <= b.sum.DataEnd; to++ {
		s := segment.NewScanner(readerAt(b.data), b.m.Place(), 512, to, nil)
		if _, damage, err := scanAll(s); err != nil || (damage == nil) != ends[to] {
			t.Errorf("range to %d: damage at %v, %v", to, damage, err)
		}
		s = segment.NewScanner(readerAt(b.data[:to]), b.m.Place(), 512, b.sum.DataEnd, nil)
		if _, damage, err := scanAll(s); err != nil || (damage == nil) != (to == b.sum.DataEnd) {
			t.Errorf("file of %d: damage at %v, %v", to, damage, err)
		}
	}
}

// failing is a reader that fails from some offset on.
type failing struct {
	readerAt
	from int64
}

var errDisk = errors.New("disk on fire")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.readerAt.ReadAt(p, off)
	if end := off + int64(n); end > f.from {
		return max(int(f.from-off), 0), errDisk
	}
	return n, err
}

func TestScannerReadErrors(t *testing.T) {
	b := threeBlocks(testMeta())
	for from := int64(512); from < b.sum.DataEnd; from++ {
		s := segment.NewScanner(failing{b.data, from}, b.m.Place(), 512, b.sum.DataEnd, nil)
		n := 0
		for s.Next() {
			n++
		}
		if !errors.Is(s.Err(), errDisk) || errors.Is(s.Err(), segment.ErrCorrupt) || s.Resync() || s.Next() {
			t.Errorf("from %d: %v", from, s.Err())
		}
		want := 0
		for want < 2 && b.offs[want+1] <= from {
			want++
		}
		if n != want {
			t.Errorf("from %d: %d blocks before the error, want %d", from, n, want)
		}
	}
	// A read error in the middle of a search.
	data := bytes.Clone(b.data)
	data[512+30] ^= 1
	s := segment.NewScanner(failing{data, b.offs[2] + 3}, b.m.Place(), 512, b.sum.DataEnd, make([]byte, 64))
	for s.Next() {
	}
	if !s.Resync() || !s.Next() || s.Next() || !errors.Is(s.Err(), errDisk) {
		t.Errorf("search: %v", s.Err())
	}
	for _, at := range []int64{9, 45} { // with the header damaged, and with the body
		for from := b.offs[1] + 100; from < b.sum.DataEnd; from++ {
			data := bytes.Clone(b.data)
			data[b.offs[1]+at] ^= 1
			s.Reset(failing{data, from}, b.m.Place(), b.offs[1], b.sum.DataEnd, make([]byte, 100))
			if s.Next() || !errors.Is(s.Err(), segment.ErrCorrupt) || s.Resync() || !errors.Is(s.Err(), errDisk) {
				t.Errorf("search from %d: %v", from, s.Err())
			}
		}
	}
}

func TestResync(t *testing.T) {
	for _, buf := range []int{40, 64, 1 << 16} {
		b := newBuilder(testMeta())
		for i := range 20 {
			b.add(segment.None, strings.Repeat("z", 10+i), "more")
		}
		want, _, _ := scanAll(segment.NewScanner(readerAt(b.data), b.m.Place(), 512, b.sum.DataEnd, nil))
		for i, off := range b.offs {
			end := b.sum.DataEnd
			if i+1 < len(b.offs) {
				end = b.offs[i+1]
			}
			for at := off; at < end; at++ {
				b.data[at] ^= 0x10
				s := segment.NewScanner(readerAt(b.data), b.m.Place(), 512, b.sum.DataEnd, make([]byte, buf))
				got, damage, err := scanAll(s)
				b.data[at] ^= 0x10
				left := append(append([]string(nil), want[:i]...), want[i+1:]...)
				if err != nil || len(damage) != 1 || damage[0] != off || strings.Join(got, "\n") != strings.Join(left, "\n") {
					t.Fatalf("byte %d of block %d: damage %v, %d blocks, %v", at-off, i, damage, len(got), err)
				}
			}
		}
		// Neighbours, both damaged in the body: the chain of headers leads on.
		b.data[b.offs[3]+45] ^= 1
		b.data[b.offs[4]+45] ^= 1
		b.data[b.offs[7]+5] ^= 1
		b.data[b.offs[8]+45] ^= 1
		b.data[b.offs[19]+45] ^= 1
		got, damage, err := scanAll(segment.NewScanner(readerAt(b.data), b.m.Place(), 512, b.sum.DataEnd, make([]byte, buf)))
		if err != nil || len(got) != 15 || len(damage) != 3 {
			t.Errorf("several: %d blocks, damage %v, %v", len(got), damage, err)
		}
	}
}

func TestDamageNamesSequences(t *testing.T) {
	b := threeBlocks(testMeta())
	b.data[b.offs[1]+45] ^= 1
	s := segment.NewScanner(readerAt(b.data), b.m.Place(), 512, b.sum.DataEnd, nil)
	for s.Next() {
	}
	var c *segment.CorruptError
	if !errors.As(s.Err(), &c) || c.First != 1003 || c.Next != 1005 || c.Offset != b.offs[1] {
		t.Errorf("got %+v", c)
	}
}

// TestBodyIsNoBlock has a record that looks like a block at its own offset. If its
// block is damaged, it must not be returned.
func TestBodyIsNoBlock(t *testing.T) {
	b := newBuilder(testMeta())
	fake := segment.AppendRecord(nil, nil, nil, []byte("forged"))
	h := segment.Header{Stored: uint32(len(fake)), Raw: uint32(len(fake)), Base: 1000, Count: 1, Sum: segment.Sum(fake)}
	head := make([]byte, segment.HeaderSize)
	h.Put(head, b.m.Place(), 512+segment.HeaderSize+2) // after a two-byte length
	b.add(segment.None, string(head)+string(fake)+strings.Repeat("x", 100))
	b.add(segment.None, "true")
	b.data[b.offs[1]-1] ^= 1
	got, damage, err := scanAll(segment.NewScanner(readerAt(b.data), b.m.Place(), 512, b.sum.DataEnd, nil))
	if err != nil || len(damage) != 1 || len(got) != 1 || !strings.Contains(got[0], "1001+1") {
		t.Errorf("blocks %v, damage %v, %v", got, damage, err)
	}
}

// TestPlantedHeaders checks that a file full of valid headers over bodies that do
// not match is scanned in linear time.
func TestPlantedHeaders(t *testing.T) {
	m := testMeta()
	const size = 1 << 20
	data := make([]byte, size)
	for off := int64(512) + 1; off+segment.HeaderSize < size; off += segment.HeaderSize {
		h := segment.Header{Stored: uint32(size - off - segment.HeaderSize), Base: 1, Count: 1, Sum: 1}
		h.Raw = h.Stored
		h.Put(data[off:], m.Place(), off)
	}
	r := &counting{readerAt: data}
	s := segment.NewScanner(r, m.Place(), 512, size, nil)
	if s.Next() || s.Resync() {
		t.Error("found a block")
	}
	if r.n > 20*size {
		t.Errorf("read %d bytes of a file of %d", r.n, size)
	}
}

type counting struct {
	readerAt
	n int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.readerAt.ReadAt(p, off)
	c.n += int64(n)
	return n, err
}

// TestHugeBlockIsNotAllocated has a valid header of a block of 1 GiB in a
// small range.
func TestHugeBlockIsNotAllocated(t *testing.T) {
	m := testMeta()
	b := newBuilder(m)
	h := segment.Header{Stored: segment.MaxStored, Raw: segment.MaxRaw, Base: m.Base, Count: 1}
	head := make([]byte, segment.HeaderSize)
	h.Put(head, m.Place(), 512)
	data := append(b.data, head...)
	data = append(data, make([]byte, 1000)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := segment.NewScanner(readerAt(data), m.Place(), 512, int64(len(data)), nil)
	if s.Next() || !errors.Is(s.Err(), segment.ErrCorrupt) || s.Resync() {
		t.Error(s.Err())
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
		t.Errorf("%d bytes allocated", n)
	}
}

func TestScannerIsAReaderOfAnyKind(t *testing.T) {
	b := threeBlocks(testMeta())
	r := io.NewSectionReader(bytes.NewReader(b.data), 0, int64(len(b.data)))
	if got, _, err := scanAll(segment.NewScanner(r, b.m.Place(), 512, b.sum.DataEnd, nil)); err != nil || len(got) != 3 {
		t.Errorf("%v, %v", got, err)
	}
}
