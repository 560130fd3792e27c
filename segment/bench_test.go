package segment_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

func BenchmarkHeaderPut(b *testing.B) {
	h := segment.Header{Stored: 100, Raw: 100, Base: 7, Time: 9, Count: 3}
	dst := make([]byte, segment.HeaderSize)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h.Put(dst, 5, int64(i))
	}
}

func BenchmarkParseHeader(b *testing.B) {
	h := segment.Header{Stored: 100, Raw: 100, Base: 7, Time: 9, Count: 3}
	dst := make([]byte, segment.HeaderSize)
	h.Put(dst, 5, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := segment.ParseHeader(dst, 5, 512); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	var d segment.Digest
	for b.Loop() {
		d.Add(77)
	}
}

func benchBody(n, size int, ext bool) (segment.Header, []byte) {
	var raw, key, headers []byte
	if ext {
		key = []byte("customer-77")
		headers = segment.AppendHeader(nil, "content-type", []byte("text/plain"))
	}
	for range n {
		raw = segment.AppendRecord(raw, key, headers, make([]byte, size))
	}
	return segment.Header{Stored: uint32(len(raw)), Raw: uint32(len(raw)), Base: 1, Count: uint32(n)}, raw
}

func BenchmarkRecords(b *testing.B) {
	for _, ext := range []bool{false, true} {
		b.Run(fmt.Sprintf("ext=%v", ext), func(b *testing.B) {
			h, raw := benchBody(32, 128, ext)
			b.ReportAllocs()
			var rec segment.Record
			n := 0
			for b.Loop() {
				rs := segment.NewRecords(h, raw)
				for rs.Next(&rec) {
					n++
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
		})
	}
}

func BenchmarkRecordsSkip(b *testing.B) {
	h, raw := benchBody(32, 128, false)
	for b.Loop() {
		rs := segment.NewRecords(h, raw)
		if !rs.Skip(31) {
			b.Fatal(rs.Err())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*31), "ns/record")
}

func BenchmarkAppendRecord(b *testing.B) {
	body := make([]byte, 128)
	buf := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if len(buf) > 1<<20-200 {
			buf = buf[:0]
		}
		buf = segment.AppendRecord(buf, nil, nil, body)
	}
}

// benchFile writes a segment of about 64 MiB, blocks of 32 records of 128 bytes.
func benchFile(b *testing.B, dir string) (m segment.Meta, sum segment.Summary) {
	bld := newBuilder(testMeta())
	h, raw := benchBody(32, 128, false)
	for len(bld.data) < 64<<20 {
		bld.addRaw(h.Count, raw, segment.None)
	}
	bld.seal()
	if err := os.WriteFile(filepath.Join(dir, bld.m.FileName()), bld.data, 0o600); err != nil {
		b.Fatal(err)
	}
	return bld.m, bld.sum
}

func BenchmarkScanner(b *testing.B) {
	dir := b.TempDir()
	m, sum := benchFile(b, dir)
	f, err := vfs.OS().Open(filepath.Join(dir, m.FileName()), vfs.Read)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	report := func(b *testing.B) {
		b.SetBytes(sum.DataEnd)
		b.ReportMetric(float64(sum.Records)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrecords/s")
	}
	for _, size := range []int{64 << 10, 256 << 10, 1 << 20} {
		buf := make([]byte, size)
		b.Run(fmt.Sprintf("read-only/%dK", size>>10), func(b *testing.B) {
			for b.Loop() {
				for off := int64(0); off < sum.DataEnd; off += int64(len(buf)) {
					if _, err := f.ReadAt(buf[:min(int64(len(buf)), sum.DataEnd-off)], off); err != nil {
						b.Fatal(err)
					}
				}
			}
			report(b)
		})
		b.Run(fmt.Sprintf("scan/%dK", size>>10), func(b *testing.B) {
			s := segment.NewScanner(f, m.Place(), segment.FileHeaderSize, sum.DataEnd, buf)
			for b.Loop() {
				s.Reset(f, m.Place(), segment.FileHeaderSize, sum.DataEnd, buf)
				for s.Next() {
				}
				if s.Err() != nil {
					b.Fatal(s.Err())
				}
			}
			report(b)
		})
	}
	b.Run("scan+records/256K", func(b *testing.B) {
		buf := make([]byte, 256<<10)
		s := segment.NewScanner(f, m.Place(), segment.FileHeaderSize, sum.DataEnd, buf)
		var rec segment.Record
		for b.Loop() {
			s.Reset(f, m.Place(), segment.FileHeaderSize, sum.DataEnd, buf)
			for s.Next() {
				rs := segment.NewRecords(s.Header(), s.Body())
				for rs.Next(&rec) {
				}
			}
		}
		report(b)
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if _, err := segment.Check(f, m, sum.DataEnd, true, func(e *segment.CorruptError) { b.Fatal(e) }); err != nil {
				b.Fatal(err)
			}
		}
		report(b)
	})
}

func BenchmarkResyncText(b *testing.B) {
	bld := newBuilder(testMeta())
	bld.add(segment.None, "x")
	data := append(bld.data, benchText(16<<20)...)
	b.SetBytes(16 << 20)
	for b.Loop() {
		s := segment.NewScanner(readerAt(data), bld.m.Place(), bld.sum.DataEnd, int64(len(data)), nil)
		if s.Next() || s.Resync() {
			b.Fatal("found a block")
		}
	}
}

func BenchmarkFooterFloor(b *testing.B) {
	var entries []segment.Entry
	const n = 8192
	for i := range int64(n) {
		entries = append(entries, segment.Entry{Seq: uint64(1 + i*64), Time: i, Off: 512 + i*8192})
	}
	s := segment.Summary{First: 1, Next: 1 + n*64, LastTime: n, DataEnd: 512 + n*8192, Blocks: n, Records: n * 64}
	raw := segment.AppendFooter(nil, entries, s, 3)
	size := s.DataEnd + int64(len(raw))
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			if _, err := segment.ParseFooter(raw, size, 3); err != nil {
				b.Fatal(err)
			}
		}
	})
	f, err := segment.ParseFooter(raw, size, 3)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for i := uint64(0); b.Loop(); i++ {
			if _, ok := f.Floor(i * 7919 % (n * 64)); !ok && i%n != 0 {
				b.Fatal("nothing found")
			}
		}
	})
	b.Run("before", func(b *testing.B) {
		for i := int64(0); b.Loop(); i++ {
			f.Before(i * 7919 % n)
		}
	})
}

func BenchmarkCodecs(b *testing.B) {
	c := segment.NewCodecs()
	defer c.Close()
	for _, size := range []int{1 << 10, 4 << 10, 64 << 10, 1 << 20} {
		raw := benchText(size)
		packed := c.Compress(nil, raw)
		b.Run(fmt.Sprintf("compress/%dK", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			buf := make([]byte, 0, size)
			for b.Loop() {
				buf = c.Compress(buf, raw)
			}
			b.ReportMetric(float64(size)/float64(len(packed)), "ratio")
		})
		b.Run(fmt.Sprintf("decompress/%dK", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			buf := make([]byte, 0, size)
			for b.Loop() {
				var err error
				if buf, err = c.Decompress(buf, packed, uint32(size)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFiles(b *testing.B) {
	dir := b.TempDir()
	m, sum := benchFile(b, dir)
	c := segment.NewFiles(vfs.OS(), dir, 16, 16)
	defer c.Close()
	hot, err := c.Acquire(m.Topic, m.Number)
	if err != nil {
		b.Fatal(err)
	}
	defer hot.Release()
	b.Run("acquire", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h, err := c.Acquire(m.Topic, m.Number)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := h.Mapping(sum.DataEnd); err != nil {
				b.Fatal(err)
			}
			h.Release()
		}
	})
	b.Run("retain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !hot.Retain() {
				b.Fatal("closed")
			}
			if _, err := hot.Mapping(sum.DataEnd); err != nil {
				b.Fatal(err)
			}
			hot.Release()
		}
	})
	b.Run("retain-parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				hot.Retain()
				hot.Release()
			}
		})
	})
	b.Run("footer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f, err := hot.Footer(m.Place())
			if err != nil {
				b.Fatal(err)
			}
			f.Floor(100000)
		}
	})
}
