package topics

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// commitTo stages and applies one record of size bytes to each topic.
func commitTo(t *testing.T, r *Registry, pos *uint64, size int, names ...string) {
	t.Helper()
	for _, name := range names {
		var b Batch
		if err := b.Add(name, nil, nil, bytes.Repeat([]byte{'x'}, size)); err != nil {
			t.Fatal(err)
		}
		if err := r.Prepare(&b); err != nil {
			t.Fatal(err)
		}
		ms, err := r.Stage(&b, 1)
		if err != nil {
			t.Fatal(err)
		}
		*pos++
		r.ApplyBatch(&b, *pos, ms)
		r.Publish(*pos)
	}
}

func segmentFiles(t *testing.T, fsys vfs.FS) map[string]int64 {
	t.Helper()
	infos, err := fsys.ReadDir("s")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]int64{}
	for _, i := range infos {
		m[i.Name] = i.Size
	}
	return m
}

// TestCarry demands that a snapshot that cannot carry all small tails carries those
// without a file first, and then the smallest. Each of the others gets a file of the
// size that it needs.
func TestCarry(t *testing.T) {
	fsys := vfs.NewMem()
	if err := fsys.MkdirAll("s"); err != nil {
		t.Fatal(err)
	}
	r := NewRegistry(Config{FS: fsys, Dir: "s", Files: segment.NewFiles(fsys, "s", 4, 4), Codecs: new(segment.Codecs),
		Default: Options{SegmentSize: 1 << 20}, MaxBody: 1 << 20, MaxBatch: 1 << 20})
	var pos uint64
	// A topic with a file, and a small tail that is not in it.
	commitTo(t, r, &pos, 20<<10, "filed")
	if _, err := r.WriteBack(r.Capture(), 1<<20, false); err != nil {
		t.Fatal(err)
	}
	commitTo(t, r, &pos, 5000, "filed")
	for i := range 10 { // all larger than TinyMax
		commitTo(t, r, &pos, 4500+1000*(10-i), fmt.Sprint("t", i))
	}
	if n := len(segmentFiles(t, fsys)); n != 1 {
		t.Fatalf("%d files before", n)
	}

	// Room for t9 to t5: 5500 to 9500 bytes each, and the overhead of a record.
	c := r.Capture()
	n, err := r.WriteBack(c, 37800, false)
	if err != nil || n != 6 || c.Carried > 37800 || c.Carried < 37500 {
		t.Fatalf("%d files written, %d bytes carried, %v", n, c.Carried, err)
	}
	var carried []string
	for i := range c.Topics {
		k := &c.Topics[i]
		if k.carry {
			carried = append(carried, k.t.name)
		}
		if want := k.unwritten() == 0; want == k.carry {
			t.Errorf("%s: carried %v, %d bytes are not in its file", k.t.name, k.carry, k.unwritten())
		}
	}
	slices.Sort(carried)
	if want := []string{"t5", "t6", "t7", "t8", "t9"}; !slices.Equal(carried, want) {
		t.Errorf("carried are %v, want %v", carried, want)
	}
	var sum int64
	for _, size := range segmentFiles(t, fsys) {
		sum += size
	}
	want := int64(firstReserve) // of the topic whose file was there
	for i := range c.Topics {
		if k := &c.Topics[i]; !k.carry && k.t.name != "filed" {
			want += blockUp(k.last.end)
		}
	}
	if sum != want || r.DiskBytes() != want {
		t.Errorf("files of %d bytes, counted are %d, want %d", sum, r.DiskBytes(), want)
	}

	// With room for all nothing is written, and nothing is synced again.
	if n, err := r.WriteBack(r.Capture(), 1<<20, false); n != 0 || err != nil {
		t.Errorf("%d files written, %v", n, err)
	}
}

// TestFine demands that the last snapshot lists all positions, within its bound.
func TestFine(t *testing.T) {
	c := &Checkpoint{Topics: make([]Captured, 3)}
	for i, end := range []int64{fineMaxBytes / 2, fineMaxBytes, fineMaxBytes / 4} {
		c.Topics[i].spacing = coarseSpacing
		c.Topics[i].last.end = end
	}
	c.listAllPoints()
	for i, want := range []int64{pointSpacing, coarseSpacing, pointSpacing} {
		if got := c.Topics[i].spacing; got != want {
			t.Errorf("topic %d has a position every %d bytes, not %d", i, got, want)
		}
	}
}

// TestS20: the snapshot carries the tails of very many tiny topics, as each would cost a
// file and a sync; larger ones stay within the budget.
func TestS20(t *testing.T) {
	tiny, small := 0, 0
	c := &Checkpoint{}
	for i := range 60_000 {
		size := int64(2 << 10)
		if i%20 == 0 {
			size = 10 << 10
		}
		s := &seg{number: 1}
		s.flushed.Store(segment.FileHeaderSize)
		k := Captured{t: &Topic{id: uint64(i)}, segs: []*seg{s}}
		k.last.end = segment.FileHeaderSize + size
		c.Topics = append(c.Topics, k)
	}
	const budget = 16 << 20
	c.chooseCarried(budget)
	sum := int64(0)
	for i := range c.Topics {
		k := &c.Topics[i]
		switch {
		case k.carry && k.tail <= TinyMax:
			tiny++
		case k.carry:
			small++
		default:
			continue
		}
		sum += k.tail
	}
	if tiny != 57_000 || small > 0 || sum != c.Carried || sum > budget+TinyBudget {
		t.Errorf("%d tiny tails and %d others, %d bytes, said to be %d", tiny, small, sum, c.Carried)
	}
}
