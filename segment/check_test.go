package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// memFile returns an open file in memory with the given content.
func memFile(t testing.TB, data []byte) vfs.File {
	t.Helper()
	f, err := vfs.NewMem().Open("f", vfs.Write|vfs.Create)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func check(t testing.TB, f vfs.File, m segment.Meta, dataEnd int64, sealed bool) (segment.Summary, []*segment.CorruptError) {
	t.Helper()
	var found []*segment.CorruptError
	sum, err := segment.Check(f, m, dataEnd, sealed, func(e *segment.CorruptError) { found = append(found, e) })
	if err != nil {
		t.Fatal(err)
	}
	return sum, found
}

func TestCheckIntact(t *testing.T) {
	b := threeBlocks(testMeta())
	for _, dataEnd := range []int64{0, b.sum.DataEnd} {
		if sum, found := check(t, memFile(t, b.data), b.m, dataEnd, true); sum != b.sum || found != nil {
			t.Errorf("sealed: %+v, %v", sum, found)
		}
	}
	growing := append(bytes.Clone(b.data[:b.sum.DataEnd]), make([]byte, 4096)...)
	if sum, found := check(t, memFile(t, growing), b.m, b.sum.DataEnd, false); sum != b.sum || found != nil {
		t.Errorf("growing: %+v, %v", sum, found)
	}
	growing = append(growing[:b.sum.DataEnd], bytes.Repeat([]byte("garbage"), 99)...)
	if sum, found := check(t, memFile(t, growing), b.m, b.sum.DataEnd, false); sum != b.sum || found != nil {
		t.Errorf("growing into garbage: %+v, %v", sum, found)
	}
	e := newBuilder(testMeta())
	e.seal()
	if sum, found := check(t, memFile(t, e.data), e.m, 0, true); sum != e.sum || found != nil {
		t.Errorf("empty: %+v, %v", sum, found)
	}
}

// TestCheckFindsEveryFlip flips every bit of a sealed segment, where nothing
// is harmless, and of a growing one, where only the garbage is.
func TestCheckFindsEveryFlip(t *testing.T) {
	b := threeBlocks(testMeta())
	f := memFile(t, b.data)
	var one [1]byte
	for bit := range len(b.data) * 8 {
		at := int64(bit / 8)
		one[0] = b.data[at] ^ 1<<(bit%8)
		f.WriteAt(one[:], at)
		_, found := check(t, f, b.m, 0, true)
		if len(found) == 0 {
			t.Errorf("sealed: bit %d of byte %d is not missed", bit%8, at)
		}
		for _, e := range found {
			if e.File != b.m.FileName() || e.Topic != b.m.Name || e.Segment != b.m.Number || e.What == "" {
				t.Errorf("byte %d: incomplete: %+v", at, e)
			}
		}
		if at < b.sum.DataEnd {
			if _, found := check(t, f, b.m, b.sum.DataEnd, false); len(found) != 1 {
				t.Errorf("growing: bit %d of byte %d: %v", bit%8, at, found)
			}
		}
		one[0] = b.data[at]
		f.WriteAt(one[:], at)
	}
}

func TestCheckFindsEveryCut(t *testing.T) {
	b := threeBlocks(testMeta())
	f := memFile(t, b.data)
	for n := len(b.data) - 1; n >= 0; n-- {
		if err := f.Truncate(int64(n)); err != nil {
			t.Fatal(err)
		}
		for _, dataEnd := range []int64{0, b.sum.DataEnd} {
			if _, found := check(t, f, b.m, dataEnd, true); len(found) == 0 {
				t.Errorf("sealed: cut to %d is not missed", n)
			}
		}
		_, found := check(t, f, b.m, b.sum.DataEnd, false)
		if (len(found) > 0) != (int64(n) < b.sum.DataEnd) {
			t.Errorf("growing: cut to %d: %v", n, found)
		}
	}
}

func TestCheckLocatesDamage(t *testing.T) {
	b := threeBlocks(testMeta())
	for name, c := range map[string]struct {
		at          int64
		off         int64
		first, next uint64
	}{
		"header of the first": {512 + 9, 512, 1000, 1003},
		"body of the first":   {512 + 41, 512, 1000, 1003},
		"header of the next":  {b.offs[1] + 9, b.offs[1], 1003, 1005},
		"header of the last":  {b.offs[2] + 9, b.offs[2], 1005, 1006},
		"body of the last":    {b.offs[2] + 41, b.offs[2], 1005, 1006},
	} {
		data := bytes.Clone(b.data)
		data[c.at] ^= 4
		sum, found := check(t, memFile(t, data), b.m, 0, true)
		if len(found) != 1 || found[0].Offset != c.off || found[0].First != c.first || found[0].Next != c.next {
			t.Errorf("%s: %v", name, found)
		}
		if sum.Blocks != 2 || sum.Records != 6-(c.next-c.first) {
			t.Errorf("%s: %+v", name, sum)
		}
	}
}

func TestCheckFindsBlocksElsewhere(t *testing.T) {
	// Blocks of equal size, so that they can be exchanged.
	same := func(m segment.Meta, text string) *builder {
		b := newBuilder(m)
		for i := range 3 {
			b.add(segment.None, fmt.Sprint(text, i))
		}
		b.seal()
		return b
	}
	b := same(testMeta(), "body")
	size := b.offs[1] - b.offs[0]
	part := func(data []byte, i int) []byte { return data[b.offs[i]:][:size] }

	swapped := bytes.Clone(b.data)
	copy(part(swapped, 0), part(b.data, 1))
	copy(part(swapped, 1), part(b.data, 0))
	if _, found := check(t, memFile(t, swapped), b.m, 0, true); len(found) == 0 {
		t.Error("swapped blocks are not missed")
	}
	for name, change := range map[string]func(*segment.Meta){
		"segment": func(m *segment.Meta) { m.Number++ },
		"topic":   func(m *segment.Meta) { m.Topic++ },
		"store":   func(m *segment.Meta) { m.Store[3]++ },
	} {
		m := testMeta()
		change(&m)
		other := same(m, "BODY")
		for i := range 3 {
			data := bytes.Clone(b.data)
			copy(part(data, i), part(other.data, i))
			if _, found := check(t, memFile(t, data), b.m, 0, true); len(found) == 0 || found[0].Offset != b.offs[i] {
				t.Errorf("block %d of another %s: %v", i, name, found)
			}
		}
		data := append(bytes.Clone(b.data[:b.sum.DataEnd]), other.data[b.sum.DataEnd:]...)
		if _, found := check(t, memFile(t, data), b.m, 0, true); len(found) == 0 {
			t.Errorf("footer of another %s is not missed", name)
		}
		if _, found := check(t, memFile(t, other.data), b.m, 0, true); len(found) == 0 {
			t.Errorf("file of another %s is not missed", name)
		}
	}
}

// TestCheckFindsWhatChecksumsDoNot checks files with correct checksums that a bug in
// the writer would leave.
func TestCheckFindsWhatChecksumsDoNot(t *testing.T) {
	block := func(b *builder, base uint64, time int64, count uint32, raw string) {
		h := segment.Header{
			Stored: uint32(len(raw)), Raw: uint32(len(raw)), Base: base, Time: time,
			Count: count, Sum: segment.Sum([]byte(raw)),
		}
		b.addBlock(h, []byte(raw))
	}
	for name, c := range map[string]struct {
		make func(b *builder)
		what string
	}{
		"gap":           {func(b *builder) { block(b, 1000, 5, 1, "\x00"); block(b, 1002, 5, 1, "\x00") }, "starts at sequence 1002 instead of 1001"},
		"repetition":    {func(b *builder) { block(b, 1000, 5, 1, "\x00"); block(b, 1000, 5, 1, "\x00") }, "starts at sequence 1000 instead of 1001"},
		"wrong base":    {func(b *builder) { block(b, 999, 5, 1, "\x00") }, "starts at sequence 999 instead of 1000"},
		"time falls":    {func(b *builder) { block(b, 1000, 5, 1, "\x00"); block(b, 1001, 4, 1, "\x00") }, "older"},
		"bytes left":    {func(b *builder) { block(b, 1000, 5, 1, "\x00\x00") }, "after the last record"},
		"too few":       {func(b *builder) { block(b, 1000, 5, 3, "\x02\x00\x00") }, "uvarint"},
		"bad headers":   {func(b *builder) { block(b, 1000, 5, 1, "\x01\x00\x01\x05") }, "headers"},
		"bad zstd":      {func(b *builder) { b.addBlock(badZstd(b)) }, "zstd"},
		"footer digest": {func(b *builder) { block(b, 1000, 5, 1, "\x00"); b.sum.Digest++ }, "does not agree"},
		"footer time":   {func(b *builder) { block(b, 1000, 5, 1, "\x00"); b.sum.LastTime++ }, "does not agree"},
		"footer blocks": {func(b *builder) { block(b, 1000, 5, 2, "\x00\x00"); b.sum.Blocks++ }, "does not agree"},
		"entry": {func(b *builder) {
			block(b, 1000, 5, 1, "\x00")
			block(b, 1001, 5, 1, "\x00")
			b.entries = append(b.entries, segment.Entry{Seq: 1001, Time: 5, Off: b.offs[1] - 1})
		}, "entry 1 does not fit"},
		"entry behind all": {func(b *builder) {
			block(b, 1000, 5, 2, "\x00\x00")
			b.sum.Blocks = 2
			b.entries = append(b.entries, segment.Entry{Seq: 1001, Time: 5, Off: b.offs[0] + 1})
		}, "does not agree"},
	} {
		b := newBuilder(testMeta())
		c.make(b)
		sealed := strings.Contains(name, "footer") || strings.Contains(name, "entry")
		end := b.sum.DataEnd
		if sealed {
			b.seal()
		}
		_, found := check(t, memFile(t, b.data), b.m, end, sealed)
		if len(found) != 1 || !strings.Contains(found[0].What, c.what) {
			t.Errorf("%s: %v", name, found)
		}
	}
}

func badZstd(b *builder) (segment.Header, []byte) {
	raw := segment.AppendRecord(nil, nil, nil, bytes.Repeat([]byte("x"), 500))
	stored := b.codecs.Compress(nil, raw)
	return segment.Header{
		Stored: uint32(len(stored)), Raw: uint32(len(raw)) - 1, Base: 1000, Count: 1, Codec: segment.Zstd,
		Sum: segment.Sum(stored),
	}, stored
}

func TestCheckExpectations(t *testing.T) {
	b := threeBlocks(testMeta())
	f := memFile(t, b.data)
	for name, change := range map[string]func(*segment.Meta){
		"name":  func(m *segment.Meta) { m.Name = "other" },
		"epoch": func(m *segment.Meta) { m.Epoch++ },
	} {
		m := b.m
		change(&m)
		if _, found := check(t, f, m, 0, true); len(found) != 1 || found[0].Offset != 0 {
			t.Errorf("other %s: %v", name, found)
		}
	}
	if _, found := check(t, f, b.m, b.sum.DataEnd-1, true); len(found) != 1 {
		t.Errorf("other end: %v", found)
	}
	if _, found := check(t, f, b.m, int64(len(b.data))+1, false); len(found) != 2 { // the footer is no block
		t.Errorf("end beyond the file: %v", found)
	}
}

func TestCheckReadErrors(t *testing.T) {
	b := threeBlocks(testMeta())
	disk := errors.New("disk on fire")
	fault := vfs.NewFault(vfs.NewMem(), nil)
	f, err := fault.Open("f", vfs.Write|vfs.Create)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt(b.data, 0)
	for n := int64(1); ; n++ {
		fault.SetHook(vfs.FailNth(fault.Count()+n, disk))
		_, err := segment.Check(f, b.m, 0, true, func(e *segment.CorruptError) { t.Errorf("operation %d: %v", n, e) })
		if err == nil {
			if n < 4 {
				t.Errorf("only %d operations", n-1)
			}
			return
		}
		if !errors.Is(err, disk) || errors.Is(err, segment.ErrCorrupt) {
			t.Errorf("operation %d: %v", n, err)
		}
	}
}

func TestDump(t *testing.T) {
	b := threeBlocks(testMeta())
	dump := func(data []byte, bodies bool) string {
		var w bytes.Buffer
		if err := segment.Dump(&w, readerAt(data), int64(len(data)), bodies); err != nil {
			t.Fatal(err)
		}
		return w.String()
	}
	text := dump(b.data, true)
	for _, want := range []string{
		`number 9 base 1000 epoch 3 name "orders": ok`,
		`block   @512 seq [1000,1003) time 2023-11-14T22:13:20.000Z codec none stored 13 raw 13: ok`,
		`1000 body "first"`, `codec zstd`, `key "key" "n"="v" body "body"`,
		`entry   0: seq 1000`, `3 blocks, 6 records`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	data := bytes.Clone(b.data)
	data[b.offs[1]+45] ^= 1
	data[b.offs[2]+5] ^= 1
	text = dump(append(data[:b.sum.DataEnd], make([]byte, 300)...), false)
	for _, want := range []string{"seq [1003,1005)", "BAD: block body checksum", "no valid block in the", "footer  none"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for n := range b.data { // must not panic or fail
		dump(b.data[:n], true)
	}
	for bit := range len(b.data) * 8 {
		data := bytes.Clone(b.data)
		data[bit/8] ^= 1 << (bit % 8)
		if text := dump(data, true); !strings.Contains(text, "BAD") && !strings.Contains(text, "footer  none") {
			t.Errorf("bit %d of byte %d: not shown", bit%8, bit/8)
		}
	}
}

// TestCheckDamagedEnd: of a growing file whose last blocks are all damaged, the sequences
// of the first of them are not said to be all that is lost: that block may be pruned, and
// the others not.
func TestCheckDamagedEnd(t *testing.T) {
	b := newBuilder(testMeta())
	for _, s := range []string{"one", "two", "three"} {
		b.add(segment.None, s)
	}
	data := bytes.Clone(b.data)
	clear(data[b.offs[2]-1 : b.offs[2]+segment.HeaderSize]) // the body of the second, the header of the third
	_, found := check(t, memFile(t, data), b.m, b.sum.DataEnd, false)
	if len(found) != 1 || found[0].Offset != b.offs[1] || found[0].Next > found[0].First {
		t.Errorf("two blocks: %+v", found)
	}
	data = bytes.Clone(b.data)
	data[len(data)-1] ^= 1
	_, found = check(t, memFile(t, data), b.m, b.sum.DataEnd, false)
	if len(found) != 1 || found[0].First != 1002 || found[0].Next != 1003 {
		t.Errorf("the last block alone: %+v", found)
	}
}
