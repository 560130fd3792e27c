package wal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/vfs"
)

// The expected bytes are spelled out, so that no change of the format goes
// unnoticed. The sums were checked against an independent computation below.
func TestGoldenBytes(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fs := vfs.NewMem()
		cfg := config(fs, mapped)
		cfg.Epoch, cfg.FileSize = 0x0102, 8192
		l, err := Create(cfg, 0x0a, 0x21, Tail{Number: 9, End: 4096 + 64}, nil)
		must(t, err)
		appendAll(t, l, frame("meta!", "p", ""), frame(""))
		b := content(t, fs, 10)
		if len(b) != 8192 {
			t.Fatal(len(b))
		}
		head := hex.EncodeToString([]byte("PPWALOG\x00")) +
			"0100" + "0000" + "00100000" + // version, flags, header size
			"0102030405060708090a0b0c0d0e0f10" + // store
			"0201000000000000" + // epoch
			"0a00000000000000" + // number
			"0020000000000000" + // size
			"2100000000000000" + // first
			"0900000000000000" + "4010000000000000" // prev, prev end
		if got := hex.EncodeToString(b[:80]); got != head {
			t.Errorf("header\n got %s\nwant %s", got, head)
		}
		if !bytes.Equal(b[80:4088], make([]byte, 4008)) {
			t.Error("header padding is not zero")
		}
		if le.Uint64(b[4088:]) != xxhash.Sum64(b[:4088]) {
			t.Error("header sum")
		}

		seedText := append([]byte("wal"), testStore[:]...)
		seedText = append(seedText, 2, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0)
		seed := xxhash.Sum64(seedText)
		u64 := func(v uint64) string { return hex.EncodeToString(le.AppendUint64(nil, v)) }
		tag := u64(seed)[:8]
		table := "01000000" + "00000000" + u64(xxhash.Sum64String("p")) +
			"00000000" + "00000000" + u64(xxhash.Sum64String(""))
		meta := hex.EncodeToString([]byte("meta!"))
		sum := func(s string) uint64 {
			b, err := hex.DecodeString(s)
			must(t, err)
			return xxhash.Sum64(b)
		}
		h1 := tag + "00000000" + "05000000" + "02000000" + "6000000000000000" +
			"2100000000000000" + "2000000000000000" + u64(sum(table+meta))
		h1 += u64(sum(h1 + "0010000000000000" + u64(seed)))
		f1 := h1 + table + meta + "70" + "0000"
		h2 := tag + "00000000" + "00000000" + "00000000" + "3800000000000000" +
			"2200000000000000" + "2000000000000000" + "99e9d85137db46ef"
		h2 += u64(sum(h2 + "6010000000000000" + u64(seed)))
		if got := hex.EncodeToString(b[4096 : 4096+96+56]); got != f1+h2 {
			t.Errorf("frames\n got %s\nwant %s", got, f1+h2)
		}
		if !bytes.Equal(b[4096+96+56:], make([]byte, 4096-96-56)) {
			t.Error("rest is not zero")
		}
	})
}

// One sum over a whole file stands for all of its bytes.
func TestGoldenSum(t *testing.T) {
	fs := vfs.NewMem()
	cfg := config(fs, false)
	cfg.FileSize = 8192
	l := create(t, cfg)
	appendAll(t, l, frame("one", "a", "bb"), frame("", strings.Repeat("c", 100)))
	const want = 0x74598c0f60efbb0a
	if got := xxhash.Sum64(content(t, fs, 1)); got != want {
		t.Errorf("sum of the file is %#x, want %#x", got, uint64(want))
	}
}

func TestFileNames(t *testing.T) {
	if got := fileName(0xabc); got != "wal-0000000000000abc.log" {
		t.Error(got)
	}
	for name, want := range map[string]uint64{
		"wal-0000000000000abc.log":  0xabc,
		"wal-ffffffffffffffff.log":  1<<64 - 1,
		"wal-0000000000000000.log":  0,
		"wal-0000000000000ABC.log":  0,
		"wal-0000000000000ab.log":   0,
		"wal-+000000000000abc.log":  0,
		"wal-0000000000000abc.lock": 0,
		"wal-00000000_0000abc.log":  0,
		"":                          0,
	} {
		n, ok := parseName(name)
		if n != want || ok != (want != 0) {
			t.Errorf("parseName(%q) = %d, %t", name, n, ok)
		}
	}
}

func TestHeaderRefusals(t *testing.T) {
	good := fileHeader{store: testStore, epoch: 3, number: 9, size: 8192, first: 5, prev: Tail{8, 4104, 7}}
	b := make([]byte, headerSize)
	good.put(b)
	if h, what, err := parseHeader(b); h != good || what != "" || err != nil {
		t.Fatal(h, what, err)
	}
	reseal := func() { le.PutUint64(b[headerSize-8:], xxhash.Sum64(b[:headerSize-8])) }
	for _, c := range []struct {
		name    string
		change  func()
		version bool
	}{
		{"version", func() { le.PutUint16(b[8:], 2) }, true},
		{"flags", func() { le.PutUint16(b[10:], 1) }, true},
		{"header size", func() { le.PutUint32(b[12:], 8192) }, false},
		{"number", func() { le.PutUint64(b[40:], 0) }, false},
		{"size", func() { le.PutUint64(b[48:], 1<<63) }, false},
		{"first", func() { le.PutUint64(b[56:], 0) }, false},
		{"prev", func() { le.PutUint64(b[64:], 9) }, false},
		{"no prev", func() { le.PutUint64(b[64:], 0) }, false},
		{"prev end low", func() { le.PutUint64(b[72:], 8) }, false},
		{"prev end odd", func() { le.PutUint64(b[72:], 4097) }, false},
		{"prev end high", func() { le.PutUint64(b[72:], 1<<63) }, false},
	} {
		good.put(b)
		c.change()
		reseal()
		_, what, err := parseHeader(b)
		if c.version != errors.Is(err, ErrVersion) || !c.version && what == "" {
			t.Errorf("%s: %q, %v", c.name, what, err)
		}
	}
	for i := range b {
		good.put(b)
		b[i] ^= 0x10
		if _, what, err := parseHeader(b); what == "" || err != nil {
			t.Fatalf("byte %d: %q, %v", i, what, err)
		}
	}
}

// Whatever the bytes, decoding stays within them.
func FuzzFrame(f *testing.F) {
	k := newKey(testStore, 1, 1)
	fr := frame("meta", "a", "bcd")
	b := make([]byte, fr.size())
	k.put(b, 4096, &fr, 7, 3)
	f.Add(b, int64(4096))
	f.Fuzz(func(t *testing.T, b []byte, off int64) {
		if len(b) < frameHead {
			return
		}
		// A sender of hostile bytes may well know the sums.
		le.PutUint32(b, k.tag)
		le.PutUint64(b[48:], k.headSum(b, off))
		h, ok := k.head(b, off, int64(len(b)))
		if !ok {
			return
		}
		top := frameHead + partEntry*int(h.parts) + int(h.metaLen)
		h.metaSum = xxhash.Sum64(b[frameHead:top])
		meta, parts, what := h.body(b[:h.size], nil)
		if what != "" {
			return
		}
		again := Frame{Meta: meta, Parts: parts}
		if again.size() != h.size {
			t.Fatalf("size %d, header says %d", again.size(), h.size)
		}
	})
}
