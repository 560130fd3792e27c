package segment

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

const footerPlace = Place(77)

func goodFooter() ([]Entry, Summary) {
	entries := []Entry{{10, 100, 512}, {20, 100, 9000}, {30, 105, 18000}}
	return entries, Summary{
		First: 10, Next: 35, FirstTime: 100, LastTime: 110, DataEnd: 20000,
		Blocks: 7, Records: 25, Digest: 5,
	}
}

func TestFooterRoundTrip(t *testing.T) {
	entries, s := goodFooter()
	b := AppendFooter([]byte("before"), entries, s, footerPlace)[len("before"):]
	size := s.DataEnd + int64(len(b))
	f, err := ParseFooter(b, size, footerPlace)
	if err != nil || f.Summary != s || f.Len() != len(entries) {
		t.Fatalf("got %+v, %d entries, %v", f.Summary, f.Len(), err)
	}
	for i, e := range entries {
		if f.At(i) != e {
			t.Errorf("entry %d = %+v", i, f.At(i))
		}
	}
	whole := append(make([]byte, s.DataEnd), b...)
	if _, err := ParseFooter(whole, size, footerPlace); err != nil {
		t.Errorf("whole file: %v", err)
	}
	var short *ShortFooterError
	for n := range b {
		_, err := ParseFooter(b[len(b)-n:], size, footerPlace)
		want := int64(len(b))
		if n < TrailerSize {
			want = TrailerSize
		}
		if !errors.As(err, &short) || short.Need != want {
			t.Errorf("last %d bytes: %v", n, err)
		}
	}
	empty := Summary{First: 4, Next: 4, DataEnd: FileHeaderSize}
	b = AppendFooter(nil, nil, empty, footerPlace)
	if f, err = ParseFooter(b, FileHeaderSize+TrailerSize, footerPlace); err != nil || f.Summary != empty {
		t.Errorf("empty: %+v, %v", f.Summary, err)
	}
	if _, ok := f.Floor(math.MaxUint64); ok {
		t.Error("empty: found an entry")
	}
}

func TestFooterLookups(t *testing.T) {
	entries, s := goodFooter()
	b := AppendFooter(nil, entries, s, footerPlace)
	f, err := ParseFooter(b, s.DataEnd+int64(len(b)), footerPlace)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(50) {
		var want Entry
		for _, e := range entries {
			if e.Seq <= seq {
				want = e
			}
		}
		if got, ok := f.Floor(seq); got != want || ok != (want.Off > 0) {
			t.Errorf("Floor(%d) = %+v, %v", seq, got, ok)
		}
	}
	for ms := int64(90); ms < 120; ms++ {
		var want Entry
		for _, e := range entries {
			if e.Time < ms {
				want = e
			}
		}
		if got, ok := f.Before(ms); got != want || ok != (want.Off > 0) {
			t.Errorf("Before(%d) = %+v, %v", ms, got, ok)
		}
	}
}

// TestNear compares the search of a footer with a walk over its entries, for blocks
// of one size and of various sizes.
func TestNear(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	steps := map[string]func(i int) uint64{
		"even":    func(int) uint64 { return 16 },
		"batches": func(i int) uint64 { return []uint64{16, 16, 16, 20}[i%4] },
		"rising":  func(i int) uint64 { return 1 + uint64(i)*uint64(i) },
		"random":  func(int) uint64 { return 1 + r.Uint64N(1<<r.Uint64N(40)) },
		"gap": func(i int) uint64 {
			if i == 150 {
				return 1 << 62
			}
			return 16
		},
	}
	for name, step := range steps {
		for _, n := range []int{1, 2, 3, 300} {
			seq, entries := uint64(7), []Entry(nil)
			for i := range n {
				entries = append(entries, Entry{Seq: seq, Off: FileHeaderSize + int64(i)*1000})
				seq += step(i)
			}
			s := Summary{First: 7, Next: seq, DataEnd: FileHeaderSize + int64(n)*1000, Blocks: uint64(n), Records: uint64(n)}
			b := AppendFooter(nil, entries, s, footerPlace)
			f, err := ParseFooter(b, s.DataEnd+int64(len(b)), footerPlace)
			if err != nil {
				t.Fatal(name, n, err)
			}
			probe := func(seq uint64) {
				i := 0
				for i < n && entries[i].Seq <= seq {
					i++
				}
				from, to, ok := f.Near(seq)
				if ok != (i > 0) {
					t.Fatalf("%s, %d entries: %d found %t", name, n, seq, ok)
				}
				if !ok {
					return
				}
				want := s.DataEnd
				if i < n {
					want = entries[i].Off
				}
				if from != entries[i-1].Off || to != want {
					t.Fatalf("%s, %d entries: %d is between %d and %d, not %d and %d", name, n, seq, entries[i-1].Off, want, from, to)
				}
			}
			for _, e := range entries {
				probe(e.Seq - 1)
				probe(e.Seq)
				probe(e.Seq + 1)
			}
			for range 300 {
				probe(r.Uint64N(seq + 10))
			}
			probe(0)
			probe(1<<64 - 1)
		}
	}
}

func TestParseFooterRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(entries []Entry, s *Summary)
		want   error
	}{
		"no records":         {func(_ []Entry, s *Summary) { s.Next = s.First }, errFooterFields},
		"records":            {func(_ []Entry, s *Summary) { s.Records++ }, errFooterFields},
		"more blocks":        {func(_ []Entry, s *Summary) { s.Blocks = 26 }, errFooterFields},
		"fewer blocks":       {func(_ []Entry, s *Summary) { s.Blocks = 2 }, errFooterFields},
		"time falls":         {func(_ []Entry, s *Summary) { s.LastTime = 99 }, errFooterFields},
		"first entry offset": {func(e []Entry, _ *Summary) { e[0].Off++ }, errFooterOrder},
		"first entry seq":    {func(e []Entry, _ *Summary) { e[0].Seq++ }, errFooterOrder},
		"first entry time":   {func(e []Entry, _ *Summary) { e[0].Time-- }, errFooterOrder},
		"entry seq":          {func(e []Entry, _ *Summary) { e[2].Seq = 20 }, errFooterOrder},
		"entry time":         {func(e []Entry, _ *Summary) { e[2].Time = 99 }, errFooterOrder},
		"entry offset":       {func(e []Entry, _ *Summary) { e[2].Off = 9000 }, errFooterOrder},
		"last entry seq":     {func(e []Entry, _ *Summary) { e[2].Seq = 35 }, errFooterOrder},
		"last entry time":    {func(e []Entry, _ *Summary) { e[2].Time = 111 }, errFooterOrder},
		"last entry offset":  {func(e []Entry, _ *Summary) { e[2].Off = 20000 }, errFooterOrder},
	} {
		entries, s := goodFooter()
		c.change(entries, &s)
		b := AppendFooter(nil, entries, s, footerPlace)
		if _, err := ParseFooter(b, s.DataEnd+int64(len(b)), footerPlace); err != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, s := range map[string]Summary{
		"empty with sequences": {First: 1, Next: 2, DataEnd: FileHeaderSize},
		"empty with blocks":    {Blocks: 1, DataEnd: FileHeaderSize},
		"empty with records":   {Records: 1, DataEnd: FileHeaderSize},
		"empty with data":      {DataEnd: FileHeaderSize + 1},
	} {
		b := AppendFooter(nil, nil, s, footerPlace)
		if _, err := ParseFooter(b, s.DataEnd+int64(len(b)), footerPlace); err != errFooterFields {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries, s := goodFooter()
	good := AppendFooter(nil, entries, s, footerPlace)
	size := s.DataEnd + int64(len(good))
	if _, err := ParseFooter(good, size+1, footerPlace); err != errFooterFields {
		t.Errorf("bigger file: %v", err)
	}
	if _, err := ParseFooter(good, FileHeaderSize+TrailerSize-1, footerPlace); err != errFooterSize {
		t.Errorf("tiny file: %v", err)
	}
	b := slices.Clone(good)
	binary.LittleEndian.PutUint32(b[len(b)-TrailerSize+8:], math.MaxUint32)
	for _, tail := range [][]byte{b, b[len(b)-TrailerSize:]} {
		if _, err := ParseFooter(tail, size, footerPlace); err != errFooterSize {
			t.Errorf("huge count: %v", err)
		}
	}
	for _, at := range []int{12, 80, 87} { // what must be zero
		b := slices.Clone(good)
		b[len(b)-TrailerSize+at] = 1
		binary.LittleEndian.PutUint64(b[len(b)-8:], footerSum(b[:len(b)-8], footerPlace))
		if _, err := ParseFooter(b, size, footerPlace); err != errFooterFields {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	if _, err := ParseFooter(good, size, footerPlace+1); err != errFooterSum {
		t.Errorf("other place: %v", err)
	}
	var short *ShortFooterError
	for bit := range len(good) * 8 {
		b := slices.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		_, err := ParseFooter(b, size, footerPlace)
		if !errors.Is(err, ErrCorrupt) && !errors.As(err, &short) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
}
