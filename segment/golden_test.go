package segment_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/segment"
)

// The golden bytes detect changes of the format. Existing files must stay readable:
// if one of these tests fails, change the version, not the test.

func golden(t *testing.T, got []byte, want string) {
	t.Helper()
	if w := strings.Join(strings.Fields(want), ""); hex.EncodeToString(got) != w {
		t.Errorf("bytes changed:\n got %x\nwant %s", got, w)
	}
}

func TestGoldenPlaceAndDigest(t *testing.T) {
	m := testMeta()
	spelled := "segment" + string(m.Store[:]) + "\x88\x77\x66\x55\x44\x33\x22\x11" + "\x09\x00\x00\x00\x00\x00\x00\x00"
	if got, want := uint64(m.Place()), xxhash.Sum64String(spelled); got != want {
		t.Errorf("place = %#x, spelled out %#x", got, want)
	}
	if got := uint64(m.Place()); got != 0xee4f3cda074bd7fb {
		t.Errorf("place = %#x", got)
	}
	var d segment.Digest
	d.Add(1)
	d.Add(2)
	if d.Sum() != 0x8c828cd340adbaa4 {
		t.Errorf("digest = %#x", d.Sum())
	}
}

func TestGoldenBlockHeader(t *testing.T) {
	h := segment.Header{
		Stored: 0x01020304, Raw: 0x05060708, Base: 0x1112131415161718, Time: 0x212223242526,
		Codec: segment.Zstd, Count: 0x31323, Sum: 0x4142434445464748,
	}
	b := make([]byte, segment.HeaderSize)
	m := testMeta()
	h.Put(b, m.Place(), 0x5152535455)
	golden(t, b, "04030201 08070605 1817161514131211 262524232221 01 00 23130300 87848ef2 4847464544434241")
}

func TestGoldenRecords(t *testing.T) {
	raw := segment.AppendRecord(nil, nil, nil, nil)
	raw = segment.AppendRecord(raw, nil, nil, []byte("body"))
	raw = segment.AppendRecord(raw, []byte("key"), nil, []byte("b"))
	headers := segment.AppendHeader(nil, "name", []byte("value"))
	headers = segment.AppendHeader(headers, "", nil)
	raw = segment.AppendRecord(raw, nil, headers, nil)
	raw = segment.AppendRecord(raw, nil, nil, make([]byte, 64))
	golden(t, raw, "00"+"08626f6479"+"03 03 6b6579 00 62"+
		"01 00 0d 04 6e616d65 05 76616c7565 00 00"+"80 01"+strings.Repeat("00", 64))
}

func TestGoldenFileHeader(t *testing.T) {
	m := testMeta()
	b := m.Encode()
	if len(b) != segment.FileHeaderSize {
		t.Fatalf("%d bytes", len(b))
	}
	golden(t, b[:71], `
		50505345474d4e54 0100 0000 00020000 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf
		8877665544332211 0900000000000000 e803000000000000 0300000000000000
		06 6f7264657273`)
	golden(t, b[71:504], strings.Repeat("00", 504-71))
	golden(t, b[504:], "f19023810f054e6f")
}

func TestGoldenFooter(t *testing.T) {
	entries := []segment.Entry{{Seq: 0x11, Time: 0x21, Off: 512}, {Seq: 0x12, Time: 0x22, Off: 0x3132}}
	s := segment.Summary{
		First: 0x11, Next: 0x19, FirstTime: 0x21, LastTime: 0x29, DataEnd: 0x4000,
		Blocks: 5, Records: 8, Digest: 0x6162636465666768,
	}
	b := segment.AppendFooter(nil, entries, s, 0x7172737475767778)
	spelled := string(b[:len(b)-8]) + "\x78\x77\x76\x75\x74\x73\x72\x71"
	if got, want := binary.LittleEndian.Uint64(b[len(b)-8:]), xxhash.Sum64String(spelled); got != want {
		t.Errorf("sum = %#x, spelled out %#x", got, want)
	}
	golden(t, b, `
		1100000000000000 2100000000000000 0002000000000000
		1200000000000000 2200000000000000 3231000000000000
		5050534547454e44 02000000 00000000 1100000000000000 1900000000000000
		2100000000000000 2900000000000000 0040000000000000 0500000000000000
		0800000000000000 6867666564636261 0000000000000000 642874492c42540c`)
}

func TestFileName(t *testing.T) {
	for _, c := range []struct {
		topic, number uint64
		name          string
	}{
		{0, 0, "0000000000000000-00000000.seg"},
		{0xabc, 0x1f, "0000000000000abc-0000001f.seg"},
		{1 << 63, 1 << 40, "8000000000000000-10000000000.seg"},
	} {
		if got := segment.FileName(c.topic, c.number); got != c.name {
			t.Errorf("FileName(%d, %d) = %q", c.topic, c.number, got)
		}
		topic, number, ok := segment.ParseFileName(c.name)
		if topic != c.topic || number != c.number || !ok {
			t.Errorf("ParseFileName(%q) = %d, %d, %v", c.name, topic, number, ok)
		}
	}
	for _, name := range []string{
		"", ".seg", "-.seg", "0-0.seg", "0000000000000000-00000000", "0000000000000000-00000000.seg.seg",
		"0000000000000ABC-00000000.seg", "00000000000000000-00000000.seg", "0000000000000000-000000000.seg",
		"0000000000000000-0000000g.seg", "+000000000000000-00000000.seg", "0000000000000000_00000000.seg",
		"0000000000000000-00000000-0.seg", "10000000000000000-00000000.seg", " 000000000000000-00000000.seg",
	} {
		if _, _, ok := segment.ParseFileName(name); ok {
			t.Errorf("ParseFileName(%q) accepted", name)
		}
	}
}
