package jsonline

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/pipeproc/pipeproc"
)

func record(body string) pipeproc.Record {
	return pipeproc.Record{ID: pipeproc.ID{Millis: 1700000000000, Seq: 5}, Body: []byte(body)}
}

func TestAppendRecord(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":1}`:               `{"a":1}`,
		"{\n  \"a\": 1\r\n}":    `{"a":1}`,
		`{"a": 1}`:              `{"a": 1}`,
		`12345678901234567890`:  `12345678901234567890`,
		`1.0E+2`:                `1.0E+2`,
		`"x"`:                   `"x"`,
		`null`:                  `null`,
		``:                      `""`,
		`plain`:                 `"plain"`,
		`<a href="x">&`:         `"<a href=\"x\">&"`,
		"a\tb\\c\x00\x7f":       `"a\tb\\c\u0000\u007f"`,
		"ü\u2028\u0085":         `"ü\u2028\u0085"`,
		"\xff":                  `"/w==","encoding":"base64"`,
		"\"\xff\"":              `"Iv8i","encoding":"base64"`,
		"{\"a\":1} {\"b\":2}":   `"{\"a\":1} {\"b\":2}"`,
		"line\r":                `"line\r"`,
		"[\n\"two  spaces\"\n]": `["two  spaces"]`,
	} {
		rec := record(body)
		got := string(AppendRecord(nil, &rec))
		if want = `{"id":"1700000000000-5","body":` + want + `}`; got != want {
			t.Errorf("%q:\n got %s\nwant %s", body, got, want)
		}
	}
}

func TestAppendMeta(t *testing.T) {
	rec := record("x")
	rec.Key = []byte("k")
	rec.Headers = []pipeproc.Header{{Name: "n", Value: []byte("v")}, {Name: "m", Value: []byte{0xff}}}
	want := `{"id":"1700000000000-5","body":"x","key":"k","headers":[["n","v"],["bQ==","/w==","base64"]]}`
	if got := string(AppendRecord(nil, &rec)); got != want {
		t.Errorf("got %s", got)
	}
	rec.Key, rec.Headers = []byte{0xfe}, nil
	want = `{"id":"1700000000000-5","body":"x","encoding":"utf8","key":"/g==","keyEncoding":"base64"}`
	if got := string(AppendExact(nil, &rec)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{``, `{`, `[]`, `1`, `null`, `{}`, `{"id":"1-1"}`, `{"id":"1","body":1}`, `{"body":1}`,
		`{"id":"1-1","body":1,"encoding":"utf8"}`, `{"id":"1-1","body":"x","encoding":"rot13"}`,
		`{"id":"1-1","body":"x","encoding":"base64"}`, `{"id":"1-1","body":1} 2`, `{"id":"1-1","body":1,"bodies":2}`,
		`{"id":"1-1","body":1,"headers":[["x"]]}`, "{\"id\":\"1-1\",\"body\":\"\xff\"}",
		`{"id":"1-1","body":1,"key":"x","keyEncoding":"base64"}`} {
		if rec, err := Parse([]byte(s)); err == nil {
			t.Errorf("%s: parsed as %+v", s, rec)
		}
	}
}

func TestParseForReading(t *testing.T) {
	for _, body := range []string{`{"a":1}`, `text`, ``, "\xff", `-0`, `[]`} {
		rec := record(body)
		got, err := Parse(AppendRecord(nil, &rec))
		if err != nil || string(got.Body) != body {
			t.Errorf("%q: %q, %v", body, got.Body, err)
		}
	}
}

// roundTrip checks that a record survives AppendExact and Parse, on one line
// that any JSON parser takes.
func roundTrip(t *testing.T, rec pipeproc.Record) {
	t.Helper()
	b := AppendExact(nil, &rec)
	if bytes.ContainsAny(b, "\r\n") || !json.Valid(b) {
		t.Fatalf("%q is not one line of JSON", b)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if !reflect.DeepEqual(got, rec) {
		t.Fatalf("%s\n got %q\nwant %q", b, got, rec)
	}
}

var pieces = []string{"{", "}", "[", "]", `"`, `\`, ":", ",", " ", "\n", "\r", "\t", "0", "1", "-", "e9", ".5", "null", "true",
	"a", "ü", "\u2028", "\u0085", "\xff", "\xed\xa0\x80", "\x00", "\x7f", `{"a":1}`, `"x"`, `\u0041`, `\ud800`, "<&>", "\ufffd"}

func TestRoundTrip(t *testing.T) {
	for _, s := range []string{`{"a": [1, 2.50, "\u0041\/"]}`, ` {"a":1}`, "{\"a\":1}\n", "{\n}", `"\ud800"`, `{"a":1,"a":2}`, `1E400`, "\ufeff1"} {
		roundTrip(t, record(s))
	}
	r := rand.New(rand.NewPCG(1, 2))
	text := func() []byte {
		b := []byte{}
		for range r.IntN(8) {
			b = append(b, pieces[r.IntN(len(pieces))]...)
		}
		return b
	}
	for range 20000 {
		rec := pipeproc.Record{ID: pipeproc.ID{Millis: r.Int64(), Seq: r.Uint64()}, Body: text()}
		if k := text(); len(k) > 0 {
			rec.Key = k
		}
		for range r.IntN(3) {
			rec.Headers = append(rec.Headers, pipeproc.Header{Name: string(text()), Value: text()})
		}
		roundTrip(t, rec)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"1-1","body":{"a":1},"encoding":"json","key":"k","headers":[["a","b"],["YQ==","/w==","base64"]]}`))
	f.Add([]byte(`{"id":"1-1","body":"/w==","encoding":"base64","key":"/w==","keyEncoding":"base64"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(AppendExact(nil, &rec))
		if err != nil {
			t.Fatal(err)
		}
		if len(rec.Key) == 0 {
			rec.Key = nil // an empty key is none
		}
		if !reflect.DeepEqual(rec, again) {
			t.Fatalf("%q became %q", rec, again)
		}
	})
}
