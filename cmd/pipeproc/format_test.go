package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestFormat(t *testing.T) {
	for got, want := range map[string]string{
		count(0): "0", count(999): "999", count(1000): "1,000", count(-1234567): "-1,234,567",
		size(0): "0 B", size(999): "999 B", size(1000): "1.0 kB", size(123456): "123 kB", size(99_960): "100 kB", size(5e9): "5.0 GB",
		plural(1, "batch"): "1 batch", plural(2000, "batch"): "2000 batches", many(2000, "record"): "2,000 records",
		took(1234 * time.Millisecond): "1.23s", took(12345 * time.Microsecond): "12.3ms", took(50 * time.Microsecond): "50µs",
		clock(time.UnixMilli(1700000000123)): "2023-11-14T22:13:20.123Z", perSecond(10, time.Second): "10",
		sizeText(1 << 31): "2GiB", sizeText(65536): "64KiB", sizeText(1000): "1000",
		shellWord("a/b-c.d"): "a/b-c.d", shellWord("a b'c"): `'a b'\''c'`,
		clip([]byte("a\tb\x1b\xff")): "a b \ufffd",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if s := clip(bytes.Repeat([]byte("ü"), 500)); len([]rune(s)) != 110 {
		t.Errorf("clipped to %d", len([]rune(s)))
	}
}

func TestSizeFlag(t *testing.T) {
	for s, want := range map[string]int64{"65536": 65536, "64KiB": 65536, "64k": 65536, "1MiB": 1 << 20, "1M": 1 << 20, "1MB": 1e6, "1.5GiB": 3 << 29, "70000 b": 70000} {
		f := sizeFlag{low: 64 << 10, high: 1 << 31}
		if err := f.Set(s); err != nil || f.n != want {
			t.Errorf("%s: %d, %v", s, f.n, err)
		}
	}
	for _, s := range []string{"", "x", "-1", "1e6", "0x100000", "inf", "nan", "1_000_000", "1TiB", "3GiB", "1k", "100000.5", "MiB", "99999999999999999999999"} {
		f := sizeFlag{low: 64 << 10, high: 1 << 31}
		if err := f.Set(s); err == nil {
			t.Errorf("%s: %d", s, f.n)
		}
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	p := &progress{w: &b}
	p.update(func() string { return "one" })
	p.update(func() string { t.Error("too early"); return "" })
	p.done()
	p.done()
	if got := b.String(); got != "\rone\x1b[K\r\x1b[K" {
		t.Errorf("%q", got)
	}
	p = (&app{stderr: &b}).progress()
	p.next = time.Time{}
	p.update(func() string { t.Error("not a terminal"); return "" })
	p.done()
}

// chunks remembers each write.
type chunks []string

func (c *chunks) Write(p []byte) (int, error) { *c = append(*c, string(p)); return len(p), nil }

func TestWholeLines(t *testing.T) {
	var c chunks
	l := &lineWriter{w: &c}
	for range 1000 {
		if err := l.line(func(b []byte) []byte { return append(b, strings.Repeat("x", 500)...) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	if len(c) < 5 || l.size != 501000 {
		t.Errorf("%d writes, %d bytes", len(c), l.size)
	}
	for _, s := range c {
		if !strings.HasSuffix(s, "\n") {
			t.Error("a write ended within a line")
		}
	}
}

func TestDurationFlag(t *testing.T) {
	for s, want := range map[string]time.Duration{"10s": 10 * time.Second, "500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute, "0s": 0, "never": never} {
		f := durationFlag{orNever: true}
		if err := f.Set(s); err != nil || f.d != want {
			t.Errorf("%s: %v, %v", s, f.d, err)
		}
		if again := f.String(); want != 0 && again != durationText(want) {
			t.Errorf("%s: %s", s, again)
		}
	}
	for _, s := range []string{"", "0", "+0", "10", "1.5", "s", "-1s", "1 s", "never "} {
		f := durationFlag{orNever: true}
		if err := f.Set(s); err == nil {
			t.Errorf("%q: %v", s, f.d)
		}
	}
	if err := new(durationFlag).Set("never"); err == nil {
		t.Error("never was taken where it is no time")
	}
}

func TestParseToken(t *testing.T) {
	for _, s := range []string{"1-1", "3-0", "18446744073709551615-7"} {
		var f tokenFlag
		if err := f.Set(s); err != nil || f.String() != s {
			t.Errorf("%s: %v, %v", s, f, err)
		}
	}
	for _, s := range []string{"", "-", "1", "1-", "-1", "1-1-1", "01-1", "+1-1", "1- 1", "0-0", "18446744073709551616-7", "null"} {
		if err := new(tokenFlag).Set(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}
