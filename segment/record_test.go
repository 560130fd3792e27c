package segment

import (
	"bytes"
	"errors"
	"math"
	"math/rand"
	"slices"
	"testing"
)

func blockOf(raw []byte, count uint32) Header {
	return Header{Stored: uint32(len(raw)), Raw: uint32(len(raw)), Base: 100, Time: 7, Count: count}
}

func readAll(h Header, raw []byte) ([]Record, error) {
	var all []Record
	rs := NewRecords(h, raw)
	var rec Record
	for rs.Next(&rec) {
		all = append(all, rec)
	}
	if rs.Next(&rec) || rs.Skip(1) {
		return nil, errors.New("went on after the end")
	}
	return all, rs.Err()
}

func TestRecordsRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewSource(2))
	sizes := []int{0, 1, 63, 64, 127, 128, 8191, 8192, 70000}
	bytesOf := func() []byte {
		b := make([]byte, sizes[rnd.Intn(len(sizes))])
		rnd.Read(b)
		return b
	}
	var raw []byte
	var want []Record
	for i := range 200 {
		rec := Record{Seq: 100 + uint64(i), Time: 7, Body: bytesOf()}
		if rnd.Intn(2) == 0 {
			rec.Key = bytesOf()
		}
		if rnd.Intn(2) == 0 {
			rec.Headers = AppendHeader(AppendHeader(nil, string(bytesOf()), bytesOf()), "", nil)
		}
		want = append(want, rec)
		raw = AppendRecord(raw, rec.Key, rec.Headers, rec.Body)
	}
	h := blockOf(raw, 200)
	got, err := readAll(h, raw)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for i, g := range got {
		w := want[i]
		if g.Seq != w.Seq || g.Time != w.Time || !bytes.Equal(g.Key, w.Key) ||
			!bytes.Equal(g.Headers, w.Headers) || !bytes.Equal(g.Body, w.Body) {
			t.Fatalf("record %d differs", i)
		}
		if cap(g.Body) != len(g.Body) || cap(g.Key) != len(g.Key) || cap(g.Headers) != len(g.Headers) {
			t.Fatalf("record %d has spare capacity", i)
		}
	}
	for n := range uint64(200) {
		rs := NewRecords(h, raw)
		var rec Record
		if !rs.Skip(n) || !rs.Next(&rec) || rec.Seq != 100+n || !bytes.Equal(rec.Body, want[n].Body) {
			t.Fatalf("skip %d: got %d, %v", n, rec.Seq, rs.Err())
		}
	}
	rs := NewRecords(h, raw)
	if !rs.Skip(200) || rs.Skip(1) || rs.Err() != nil {
		t.Errorf("skip to the end: %v", rs.Err())
	}
	rs = NewRecords(h, raw)
	if rs.Skip(math.MaxUint64) || rs.Err() != nil {
		t.Errorf("skip beyond the end: %v", rs.Err())
	}
}

func TestRecordsRefuse(t *testing.T) {
	long := slices.Repeat([]byte{0xff}, 9)
	for name, c := range map[string]struct {
		raw   []byte
		count uint32
		want  error
	}{
		"ends before the last":  {[]byte{0, 0}, 3, errVarint},
		"bytes left":            {[]byte{0, 0}, 1, errTrailing},
		"body too long":         {[]byte{4, 'x'}, 1, errRecord},
		"uvarint cut":           {[]byte{0x80}, 1, errVarint},
		"uvarint too long":      {append(slices.Clone(long), 0x7f), 1, errVarint},
		"uvarint not shortest":  {[]byte{0x82, 0x00, 'x'}, 1, errVarint},
		"three bytes for one":   {[]byte{0x82, 0x80, 0x00, 'x'}, 1, errVarint},
		"huge body":             {append(slices.Clone(long), 0x01), 1, errVarint},
		"huge plain body":       {append([]byte{0xfe}, append(slices.Clone(long[1:]), 0x01)...), 1, errRecord},
		"key missing":           {[]byte{1}, 1, errVarint},
		"key too long":          {[]byte{1, 9, 'k'}, 1, errRecord},
		"huge key":              {append([]byte{1}, append(slices.Clone(long), 0x01)...), 1, errRecord},
		"headers missing":       {[]byte{1, 1, 'k'}, 1, errVarint},
		"headers too long":      {[]byte{1, 1, 'k', 7}, 1, errRecord},
		"body after ext is cut": {[]byte{5, 1, 'k', 0, 'x'}, 1, errRecord},
	} {
		h := blockOf(c.raw, c.count)
		if _, err := readAll(h, c.raw); err != c.want && name != "huge body" || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: Next: %v", name, err)
		}
		rs := NewRecords(h, c.raw)
		for rs.Skip(1) {
		}
		if err := rs.Err(); err != c.want && name != "huge body" || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: Skip: %v", name, err)
		}
	}
	h := blockOf([]byte{0, 0}, 2)
	if _, err := readAll(h, []byte{0}); err != errRawSize {
		t.Errorf("other size: %v", err)
	}
}

func TestEveryCutAndFlipOfRecords(t *testing.T) {
	raw := AppendRecord(nil, []byte("key"), AppendHeader(nil, "n", []byte("v")), []byte("body"))
	raw = AppendRecord(raw, nil, nil, bytes.Repeat([]byte("x"), 200))
	for n := range raw {
		if _, err := readAll(blockOf(raw[:n], 2), raw[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
	for bit := range len(raw) * 8 { // must not panic; flips in content are legal
		b := slices.Clone(raw)
		b[bit/8] ^= 1 << (bit % 8)
		all, _ := readAll(blockOf(b, 2), b)
		for _, r := range all {
			_ = CheckHeaders(r.Headers)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := AppendHeader(nil, "a", []byte("1"))
	s = AppendHeader(s, "", nil)
	s = AppendHeader(s, "a", bytes.Repeat([]byte("x"), 300))
	var names []string
	var size int
	for n, v := range EachHeader(s) {
		names = append(names, n)
		size += len(v)
	}
	if !slices.Equal(names, []string{"a", "", "a"}) || size != 301 {
		t.Errorf("names %q, %d bytes of values", names, size)
	}
	for range EachHeader(s) {
		break
	}
	if err := CheckHeaders(s); err != nil {
		t.Error(err)
	}
	if err := CheckHeaders(nil); err != nil {
		t.Error(err)
	}
	good := map[int]bool{0: true, 4: true, 6: true}
	for n := range s {
		if err := CheckHeaders(s[:n]); (err == nil) != good[n] || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d: %v", n, err)
		}
		for range EachHeader(s[:n]) {
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(AppendRecord(nil, []byte("k"), AppendHeader(nil, "n", []byte("v")), []byte("b")), uint32(1))
	f.Add([]byte{0x80, 0x01}, uint32(2))
	f.Fuzz(func(t *testing.T, raw []byte, count uint32) {
		all, err := readAll(blockOf(raw, count), raw)
		if err != nil {
			return
		}
		var again []byte
		for _, r := range all {
			if len(r.Key) == 0 && len(r.Headers) == 0 {
				return // an extension may be empty, and is then not written again
			}
			again = AppendRecord(again, r.Key, r.Headers, r.Body)
		}
		if !bytes.Equal(again, raw) {
			t.Errorf("%x is read as what is written %x", raw, again)
		}
	})
}
