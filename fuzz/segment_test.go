package fuzz

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// seedSegment returns a small segment file, sealed or with room.
func seedSegment(sealed bool) []byte {
	m := meta()
	raw := rawBody()
	c := segment.NewCodecs()
	defer c.Close()
	b := m.Encode()
	var entries []segment.Entry
	var digest segment.Digest
	s := segment.Summary{First: 100, FirstTime: 5, LastTime: 7}
	for i := range 3 {
		h := segment.Header{Base: 100 + 3*uint64(i), Time: 5 + int64(i), Count: 3, Raw: uint32(len(raw))}
		stored := raw
		if i == 1 {
			h.Codec, stored = segment.Zstd, c.Compress(nil, raw)
		}
		if i == 0 {
			entries = append(entries, segment.Entry{Seq: h.Base, Time: h.Time, Off: int64(len(b))})
		}
		blk := block(h, stored, int64(len(b)))
		digest.Add(segment.HeadSum(blk))
		b = append(b, blk...)
		s.Blocks++
		s.Records += 3
		s.Next = h.Base + 3
	}
	if !sealed {
		return append(b, make([]byte, 300)...)
	}
	s.DataEnd, s.Digest = int64(len(b)), digest.Sum()
	return segment.AppendFooter(b, entries, s, m.Place())
}

// FuzzSegmentFile checks, scans and dumps a segment file.
func FuzzSegmentFile(f *testing.F) {
	for _, sealed := range []bool{true, false} {
		b := seedSegment(sealed)
		for _, mend := range []bool{true, false} {
			f.Add(b, sealed, mend)
			f.Add(b[:len(b)/2], sealed, mend)
			f.Add(edit(b, edits(516, 9, 0, 0, 0)), sealed, mend)
			f.Add(edit(b, edits(600, 1, 2, 3)), sealed, mend)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, sealed, mend bool) {
		if len(b) > 16<<10 {
			return
		}
		m := meta()
		if mend {
			b = append([]byte(nil), b...)
			mendSegment(b, m.Place())
		}
		bounded(t, len(b), 64<<20, 3*(128<<10/3+256), func() {
			fsys := vfs.NewMem()
			memFile(t, fsys, "seg", b)
			h, err := fsys.Open("seg", vfs.Read)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			first, sum := checkSegment(t, h, m, sealed)
			second, sum2 := checkSegment(t, h, m, sealed)
			if !slices.Equal(first, second) || sum != sum2 {
				t.Fatalf("two checks differ: %v %v, %v %v", first, sum, second, sum2)
			}
			if sum.Records < sum.Blocks || len(first) == 0 && sum.Next-sum.First != sum.Records {
				t.Fatalf("summary %+v", sum)
			}
			scan(t, h, m, int64(len(b)))
			if err := segment.Dump(io.Discard, h, int64(len(b)), true); err != nil {
				t.Fatalf("dump: %v", err)
			}
		})
	})
}

func checkSegment(t *testing.T, h vfs.File, m segment.Meta, sealed bool) (found []string, sum segment.Summary) {
	size, err := h.Size()
	if err != nil {
		t.Fatal(err)
	}
	end := size
	if sealed {
		end = 0
	}
	sum, err = segment.Check(h, m, end, sealed, func(c *segment.CorruptError) {
		found = append(found, c.Error())
		if c.Offset > size {
			t.Fatalf("damage at %d of a file of %d bytes", c.Offset, size)
		}
	})
	if err != nil && !errors.Is(err, segment.ErrVersion) {
		t.Fatalf("check: %v", err)
	}
	return append(found, fmt.Sprint(err)), sum
}

// scan reads blocks past all damage and checks that it terminates.
func scan(t *testing.T, h vfs.File, m segment.Meta, size int64) {
	s := segment.NewScanner(h, m.Place(), segment.FileHeaderSize, size, nil)
	last := int64(0)
	for more := true; more; {
		for s.Next() {
			if s.Offset() <= last {
				t.Fatalf("block at %d after one at %d", s.Offset(), last)
			}
			last = s.Offset()
			if head := s.Header(); int(head.Stored) != len(s.Body()) || segment.Sum(s.Body()) != head.Sum {
				t.Fatal("a block that was not verified")
			}
		}
		more = s.Err() != nil && s.Resync()
	}
}
