package fuzz

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
)

// rawBody returns a body of three records, one with key and headers.
func rawBody() []byte {
	b := segment.AppendRecord(nil, nil, nil, []byte("hello"))
	b = segment.AppendRecord(b, []byte("key"), segment.AppendHeader(nil, "name", []byte("value")), bytes.Repeat([]byte("body"), 40))
	return segment.AppendRecord(b, nil, nil, nil)
}

// block returns header and body of a block at offset off.
func block(h segment.Header, stored []byte, off int64) []byte {
	h.Stored, h.Sum = uint32(len(stored)), segment.Sum(stored)
	b := make([]byte, segment.HeaderSize, segment.HeaderSize+len(stored))
	m := meta()
	h.Put(b, m.Place(), off)
	return append(b, stored...)
}

func seedBlocks() [][]byte {
	raw := rawBody()
	c := segment.NewCodecs()
	defer c.Close()
	h := segment.Header{Base: 100, Time: 1_700_000_000_000, Count: 3, Raw: uint32(len(raw))}
	z := h
	z.Codec = segment.Zstd
	one := segment.AppendRecord(nil, nil, nil, []byte("x"))
	return [][]byte{
		block(h, raw, segment.FileHeaderSize),
		block(z, c.Compress(nil, raw), segment.FileHeaderSize),
		block(segment.Header{Base: 103, Time: 1, Count: 1, Raw: uint32(len(one))}, one, segment.FileHeaderSize),
		make([]byte, 100),
	}
}

// readRecords walks over the records of a block and checks what must hold of
// them, however damaged they are.
func readRecords(t *testing.T, h segment.Header, raw []byte) {
	var rec segment.Record
	var again []byte
	n := uint64(0)
	rs := segment.NewRecords(h, raw)
	for rs.Next(&rec) {
		if rec.Seq != h.Base+n || rec.Time != h.Time {
			t.Fatalf("record %d has id %d-%d", n, rec.Time, rec.Seq)
		}
		n++
		headers := 0
		for range segment.EachHeader(rec.Headers) {
			headers++
		}
		if segment.CheckHeaders(rec.Headers) == nil {
			var list []byte
			for name, value := range segment.EachHeader(rec.Headers) {
				list = segment.AppendHeader(list, name, value)
			}
			if len(list) != len(rec.Headers) && headers > 0 && bytes.Equal(list, rec.Headers) {
				t.Fatal("headers differ")
			}
		}
		again = segment.AppendRecord(again, rec.Key, rec.Headers, rec.Body)
	}
	switch err := rs.Err(); {
	case err != nil && !errors.Is(err, segment.ErrCorrupt):
		t.Fatalf("not ErrCorrupt: %v", err)
	case err == nil && n != uint64(h.Count):
		t.Fatalf("%d records of %d and no error", n, h.Count)
	case err == nil && len(again) > len(raw):
		t.Fatalf("%d bytes became %d", len(raw), len(again))
	}
	// Skipping gives the same result.
	half := segment.NewRecords(h, raw)
	if half.Skip(n / 2) {
		for m := n / 2; m < n; m++ {
			if !half.Next(&rec) || rec.Seq != h.Base+m {
				t.Fatalf("after skipping, record %d is %d: %v", m, rec.Seq, half.Err())
			}
		}
	} else if n > 1 {
		t.Fatalf("cannot skip %d of %d: %v", n/2, n, half.Err())
	}
}

// FuzzBlock decodes a block: header, checksums, decompression, records.
func FuzzBlock(f *testing.F) {
	for _, b := range seedBlocks() {
		f.Add(b, false)
		f.Add(b, true)
	}
	codecs := segment.NewCodecs()
	f.Cleanup(codecs.Close)
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if len(b) > 8<<10 {
			return
		}
		// A zstd block of 3 bytes can yield 128 KiB.
		bounded(t, len(b), 32<<20, 128<<10/3+64, func() {
			const off = segment.FileHeaderSize
			m := meta()
			p := m.Place()
			if mend && len(b) > segment.HeaderSize {
				b = block(segment.PeekHeader(b), b[segment.HeaderSize:], off)
			}
			h, err := segment.ParseHeader(b, p, off)
			if err != nil {
				if !errors.Is(err, segment.ErrCorrupt) {
					t.Fatalf("not ErrCorrupt: %v", err)
				}
				return
			}
			if _, err := segment.ParseHeader(b, p, off+8); err == nil {
				t.Fatal("valid in two places")
			}
			if h.Size() > int64(len(b)) {
				return
			}
			body := b[segment.HeaderSize:h.Size()]
			if segment.Sum(body) != h.Sum {
				return
			}
			if h.Codec == segment.Zstd {
				raw, err := codecs.Decompress(nil, body, h.Raw)
				if err != nil {
					if !errors.Is(err, segment.ErrCorrupt) {
						t.Fatalf("not ErrCorrupt: %v", err)
					}
					return
				}
				if len(raw) != int(h.Raw) {
					t.Fatalf("%d bytes of %d", len(raw), h.Raw)
				}
				body = raw
			}
			readRecords(t, h, body)
		})
	})
}

// FuzzRecords decodes the records of a block.
func FuzzRecords(f *testing.F) {
	f.Add(rawBody(), uint32(3), uint64(0))
	f.Add(rawBody(), uint32(2), uint64(1<<63))
	f.Add([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, uint32(1), uint64(0))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, uint32(1), uint64(0))
	f.Fuzz(func(t *testing.T, raw []byte, count uint32, base uint64) {
		bounded(t, len(raw), 1<<20, 64, func() {
			readRecords(t, segment.Header{Base: base, Count: count, Raw: uint32(len(raw)), Time: 5}, raw)
		})
	})
}

// FuzzFooter decodes the footer of a sealed segment.
func FuzzFooter(f *testing.F) {
	m := meta()
	p := m.Place()
	entries := []segment.Entry{{Seq: 100, Time: 5, Off: segment.FileHeaderSize}, {Seq: 110, Time: 6, Off: 9000}}
	s := segment.Summary{First: 100, Next: 120, FirstTime: 5, LastTime: 7, DataEnd: 20000, Blocks: 4, Records: 20, Digest: 9}
	f.Add(segment.AppendFooter(nil, entries, s, p), int64(20000), false)
	f.Add(segment.AppendFooter(nil, entries, s, p), int64(20000), true)
	f.Add(segment.AppendFooter(nil, nil, segment.Summary{DataEnd: segment.FileHeaderSize}, p), int64(segment.FileHeaderSize), true)
	f.Fuzz(func(t *testing.T, b []byte, before int64, mend bool) {
		bounded(t, len(b), 1<<20, 64, func() {
			if mend {
				mendFooter(b, p)
			}
			size := before + int64(len(b))
			foot, err := segment.ParseFooter(b, size, p)
			if err != nil {
				if short, ok := errors.AsType[*segment.ShortFooterError](err); ok {
					if short.Need <= int64(len(b)) || short.Need > size {
						t.Fatalf("%d bytes of a file of %d, and it needs %d", len(b), size, short.Need)
					}
				} else if !errors.Is(err, segment.ErrCorrupt) {
					t.Fatalf("not ErrCorrupt: %v", err)
				}
				return
			}
			for i := range foot.Len() {
				e := foot.At(i)
				if got, ok := foot.Floor(e.Seq); !ok || got != e {
					t.Fatalf("Floor(%d) is %v", e.Seq, got)
				}
				if got, ok := foot.Before(e.Time); ok && got.Time >= e.Time {
					t.Fatalf("Before(%d) is %v", e.Time, got)
				}
				if e.Off < segment.FileHeaderSize || e.Off >= foot.DataEnd {
					t.Fatalf("entry %v outside of the data", e)
				}
			}
		})
	})
}
