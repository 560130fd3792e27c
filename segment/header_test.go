package segment

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand"
	"testing"

	"github.com/cespare/xxhash/v2"
)

func TestHeadSumIsXXHash(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	for range 1000 {
		var b [HeaderSize + 16]byte
		rnd.Read(b[:])
		off, place := rnd.Int63(), rnd.Uint64()
		got := headSum(b[:], Place(place), off)
		binary.LittleEndian.PutUint32(b[28:], 0)
		binary.LittleEndian.PutUint64(b[HeaderSize:], uint64(off))
		binary.LittleEndian.PutUint64(b[HeaderSize+8:], place)
		if want := uint32(xxhash.Sum64(b[:])); got != want {
			t.Fatalf("headSum = %#x, want %#x", got, want)
		}
	}
}

func goodHeader() Header {
	return Header{Stored: 10, Raw: 20, Base: 5, Time: 99, Codec: Zstd, Count: 3, Sum: 7}
}

func TestHeaderRoundTrip(t *testing.T) {
	for _, h := range []Header{
		goodHeader(),
		{Stored: 1, Raw: 1, Count: 1},
		{Stored: MaxStored, Raw: MaxRaw, Base: math.MaxUint64 - MaxRaw, Time: MaxTime, Count: MaxRaw, Sum: math.MaxUint64},
		{Stored: MaxStored, Raw: 1, Codec: Zstd, Count: 1},
	} {
		b := make([]byte, HeaderSize+3)
		h.Put(b, 4, 512)
		got, err := ParseHeader(b, 4, 512)
		if err != nil || got != h || PeekHeader(b) != h {
			t.Errorf("%+v: got %+v, %v", h, got, err)
		}
		if h.Next() != h.Base+uint64(h.Count) || h.Size() != 40+int64(h.Stored) {
			t.Errorf("%+v: next %d size %d", h, h.Next(), h.Size())
		}
	}
	for in, want := range map[int64]int64{-1: 0, math.MinInt64: 0, MaxTime + 1: MaxTime, math.MaxInt64: MaxTime} {
		h := goodHeader()
		h.Time = in
		b := make([]byte, HeaderSize)
		h.Put(b, 0, 0)
		if got := PeekHeader(b); got.Time != want || got.Codec != h.Codec {
			t.Errorf("time %d: got %+v", in, got)
		}
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Header)
		want   error
	}{
		"no records":        {func(h *Header) { h.Count = 0 }, errHeadLimit},
		"more than bytes":   {func(h *Header) { h.Count = h.Raw + 1 }, errHeadLimit},
		"stored empty":      {func(h *Header) { h.Stored = 0 }, errHeadLimit},
		"stored too big":    {func(h *Header) { h.Stored = MaxStored + 1 }, errHeadLimit},
		"raw empty":         {func(h *Header) { h.Raw = 0 }, errHeadLimit},
		"raw too big":       {func(h *Header) { h.Raw = MaxRaw + 1 }, errHeadLimit},
		"raw is not stored": {func(h *Header) { h.Codec = None }, errHeadLimit},
		"unknown codec":     {func(h *Header) { h.Codec = 2 }, errHeadLimit},
		"overflow":          {func(h *Header) { h.Base = math.MaxUint64 - 2 }, errHeadLimit},
	} {
		h := goodHeader()
		c.change(&h)
		b := make([]byte, HeaderSize)
		h.Put(b, 4, 512)
		if _, err := ParseHeader(b, 4, 512); err != c.want || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h := goodHeader()
	b := make([]byte, HeaderSize)
	h.Put(b, 4, 512)
	for name, err := range map[string]error{
		"offset": second(ParseHeader(b, 4, 513)),
		"place":  second(ParseHeader(b, 5, 512)),
	} {
		if err != errHeadSum {
			t.Errorf("other %s: %v", name, err)
		}
	}
	if err := second(ParseHeader(b[:HeaderSize-1], 4, 512)); err != errHeadShort {
		t.Errorf("short: %v", err)
	}
	for bit := range HeaderSize * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if err := second(ParseHeader(b, 4, 512)); err != errHeadSum {
			t.Errorf("bit %d: %v", bit, err)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	b[23] = 1 // reserved
	binary.LittleEndian.PutUint32(b[28:], headSum(b, 4, 512))
	if err := second(ParseHeader(b, 4, 512)); err != errHeadLimit {
		t.Errorf("reserved byte: %v", err)
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	h := goodHeader()
	b := make([]byte, HeaderSize)
	raw := AppendRecord(nil, []byte("k"), AppendHeader(nil, "n", nil), []byte("body"))
	rh := Header{Stored: uint32(len(raw)), Raw: uint32(len(raw)), Count: 1}
	var rec Record
	for name, f := range map[string]func(){
		"put":    func() { h.Put(b, 1, 2) },
		"parse":  func() { _, _ = ParseHeader(b, 1, 2) },
		"refuse": func() { _, _ = ParseHeader(b, 1, 3) },
		"records": func() {
			rs := NewRecords(rh, raw)
			for rs.Next(&rec) {
			}
		},
		"damaged records": func() {
			rs := NewRecords(rh, raw[:3])
			for rs.Next(&rec) {
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func second[T any](_ T, err error) error { return err }
