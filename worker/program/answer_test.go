package program

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pipeproc/pipeproc/record"
)

// asked returns a claim of n records, from n 1, that all were written.
func asked(n int) *claim {
	c := new(claim)
	c.begin(1, n, 1<<20)
	c.offered.Store(int64(n))
	return c
}

// TestRefused: lines that are no answers, and what is said about them. TestForms
// has those that are.
func TestRefused(t *testing.T) {
	for line, want := range map[string]string{
		``:                                        "byte 1: an object is missing",
		`null`:                                    "an object is missing",
		`{`:                                       "a string is missing",
		`{"n":1,}`:                                "byte 8: a string is missing",
		`{"n":1 "out":[]}`:                        "byte 8: a comma or an end is missing",
		`{"n" 1}`:                                 "a colon is missing",
		`{n:1}`:                                   "a string is missing",
		`{"n":-1}`:                                "a whole number is missing",
		`{"n":01}`:                                "a whole number is missing",
		`{"n":1.0}`:                               "a whole number is missing",
		`{"n":1e0}`:                               "a whole number is missing",
		`{"n":18446744073709551617}`:              "a whole number is missing",
		`{"n":9999999999999999999}`:               "which it was not asked",
		`{"n":2}`:                                 "which it was not asked",
		`{"n":1}x`:                                "there is more after the end",
		`{"N":1}`:                                 `the field "N" is unknown`,
		`{"n":1,"out":{}}`:                        "an array is missing",
		`{"n":1,"out":"x"}`:                       "an array is missing",
		`{"n":1,"out":[1 2]}`:                     "a comma or an end is missing",
		`{"n":1,"out":[1,]}`:                      "a value is missing",
		`{"n":1,"out":[,1]}`:                      "a value is missing",
		`{"n":1,"out":[1}`:                        "a comma or an end is missing",
		`{"n":1,"out":[{1:2}]}`:                   "the name of a field is missing",
		`{"n":1,"out":[{"a" 2}]}`:                 "a colon is missing",
		`{"n":1,"out":[{"a":2]]}`:                 "a comma or an end is missing",
		`{"n":1,"out":[.5]}`:                      "a value is missing",
		`{"n":1,"out":[1.]}`:                      "a bad number",
		`{"n":1,"out":[-]}`:                       "a bad number",
		`{"n":1,"out":[1e]}`:                      "a bad number",
		`{"n":1,"out":[01]}`:                      "a comma or an end is missing",
		`{"n":1,"out":[tru]}`:                     "a value is missing",
		`{"n":1,"out":["a]}`:                      "a string does not end",
		`{"n":1,"out":["\`:                        "a string does not end",
		`{"n":1,"out":["\x"]}`:                    "a bad escape",
		`{"n":1,"out":["\u00g0"]}`:                "a bad escape",
		`{"n":1,"out":["\u00`:                     "a bad escape",
		"{\"n\":1,\"out\":[\"\t\"]}":              "a control character",
		"{\"n\":1,\"out\":[[\"\t\"]]}":            "a control character",
		`{"n":1,"out":["\ud83dx"]}`:               "half of a surrogate pair",
		`{"n":1,"out":["\ud83d\ud83d"]}`:          "half of a surrogate pair",
		`{"n":1,"out":["\ude00\ud83d"]}`:          "half of a surrogate pair",
		`{"n":1,"error":5}`:                       "a string is missing",
		`{"n":1,"error":""` + "\x00}":             "a comma or an end is missing",
		`{"n":1,"records":[1]}`:                   "an object is missing",
		`{"n":1,"records":{}}`:                    "an array is missing",
		`{"n":1,"records":[{}]}`:                  `"body" is missing in a record`,
		`{"n":1,"records":[{"body":1,"body":1}]}`: `the field "body" of a record comes twice`,
		`{"n":1,"records":[{"body":1,"bodi":1}]}`: `the field "bodi" of a record is unknown`,
		`{"n":1,"records":[{"body":x}]}`:          "a value is missing",
		`{"n":1,"records":[{"body":1,"encoding":"utf8"}]}`:                                          `"body": it must be a string`,
		`{"n":1,"records":[{"body":1,"encoding":"base64"}]}`:                                        `"body": it must be a string`,
		`{"n":1,"records":[{"body":"?","encoding":"base64"}]}`:                                      `"body": illegal base64`,
		`{"n":1,"records":[{"body":"/x==","encoding":"base64"}]}`:                                   `"body": illegal base64`,
		`{"n":1,"records":[{"body":"x","encoding":"hex"}]}`:                                         `the encoding "hex" is unknown`,
		`{"n":1,"records":[{"body":"\ud800"}]}`:                                                     `"body": byte`,
		`{"n":1,"records":[{"body":1,"key":1}]}`:                                                    `"key": it must be a string`,
		`{"n":1,"records":[{"body":1,"key":"x","keyEncoding":"json"}]}`:                             `"keyEncoding" cannot be "json"`,
		`{"n":1,"records":[{"body":1,"key":"x","keyEncoding":"base64"}]}`:                           `"key": illegal base64`,
		`{"n":1,"records":[{"body":1,"topic":""}]}`:                                                 `"topic" is empty`,
		`{"n":1,"records":[{"body":1,"topic":1}]}`:                                                  "a string is missing",
		`{"n":1,"records":[{"body":1,"headers":["a","b"]}]}`:                                        `"headers": byte`,
		`{"n":1,"records":[{"body":1,"headers":[["a"]]}]}`:                                          `"headers": each must be`,
		`{"n":1,"records":[{"body":1,"headers":[[]]}]}`:                                             `"headers": each must be`,
		`{"n":1,"records":[{"body":1,"headers":[["a","b","utf8","d"]]}]}`:                           "more than three elements",
		`{"n":1,"records":[{"body":1,"headers":[["a","b","hex"]]}]}`:                                `the encoding "hex" is unknown`,
		`{"n":1,"records":[{"body":1,"headers":[["?","YQ==","base64"]]}]}`:                          "illegal base64",
		`{"n":1,"records":[{"body":1,"headers":[["YQ==","?","base64"]]}]}`:                          "illegal base64",
		`{"n":1,"records":[{"body":1,"topic":"` + strings.Repeat("x", record.MaxNameLen+1) + `"}]}`: `"topic" is too long`,
	} {
		err := asked(1).answer([]byte(line))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %s", line, err, want)
		}
	}
}

// FuzzAnswer: a line is taken only if it is JSON, and then says what
// encoding/json finds in it.
func FuzzAnswer(f *testing.F) {
	for _, line := range []string{
		`{"n":1}`, `{"n":3,"out":["text",1,{"a":[true,false,null]},"\ud83d\ude00\u2028"],"error":null}`, `{"n":2,"error":"text"}`,
		`{"n":1,"records":[{"body":"/w==","encoding":"base64","key":"k","keyEncoding":"utf8","headers":[["a","b"],["YQ==","","base64"]],"topic":"t"}]}`,
		` { "out" : [ -1.5e+7 , [ ] , { } ] , "n" : 1 } `,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c := asked(3)
		if err := c.answer(line); err != nil {
			return
		}
		var want struct {
			N       uint64
			Out     []json.RawMessage
			Records []map[string]json.RawMessage
			Error   *string
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		if want.N < 1 || want.N > 3 || c.left != 2 || !c.answers[want.N-1].done {
			t.Fatalf("n %d: %+v", want.N, c)
		}
		a := c.answers[want.N-1]
		if want.Error != nil != (c.failed == 1) || c.failed == 1 && len(*want.Error) < maxReason && c.reason != *want.Error {
			t.Fatalf("error %q", c.reason)
		}
		if a.to-a.from != len(want.Out)+len(want.Records) || len(c.outs) != a.to {
			t.Fatalf("%d records came out", a.to-a.from)
		}
		for i, v := range want.Out {
			o := c.outs[i]
			if got, want := c.bytes[o.body:o.bodyEnd], stored(t, v, ""); !bytes.Equal(got, want) {
				t.Fatalf("body %q, not %q", got, want)
			}
		}
		for i, r := range want.Records {
			o := c.outs[i]
			if got, want := c.bytes[o.body:o.bodyEnd], stored(t, r["body"], said(r["encoding"])); !bytes.Equal(got, want) {
				t.Fatalf("body %q, not %q", got, want)
			}
			if key := r["key"]; said(key) != "" {
				if got, want := c.bytes[o.key:o.keyEnd], stored(t, key, said(r["keyEncoding"])); !bytes.Equal(got, want) {
					t.Fatalf("key %q, not %q", got, want)
				}
			} else if o.key != o.keyEnd {
				t.Fatal("a key")
			}
			if o.topic != said(r["topic"]) {
				t.Fatalf("topic %q", o.topic)
			}
		}
	})
}

func said(v json.RawMessage) (s string) {
	_ = json.Unmarshal(v, &s)
	return s
}

// stored is what is stored for a value.
func stored(t *testing.T, v json.RawMessage, encoding string) []byte {
	if encoding == "json" || v[0] != '"' {
		var b bytes.Buffer
		if err := json.Compact(&b, v); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	if encoding == "base64" {
		b, err := base64.StdEncoding.Strict().DecodeString(said(v))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return []byte(said(v))
}

// FuzzBody: what a program reads of a body is what is stored, or a string or
// base64 of it, on one line.
func FuzzBody(f *testing.F) {
	for _, s := range []string{"", "text", "1", ` {"a" : [1, "\u2028` + "\u2028" + `"]}`, "\xff", "\"\xff\"", "\u0085", "{", "1 2", "\n1", `"\ud800"`} {
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, body, key []byte) {
		var w writer
		w.begin("topic", 1)
		w.add(1, 0, &record.Record{Body: body, Key: key, Headers: []record.Header{{Name: string(key), Value: body}}})
		line, ok := bytes.CutSuffix(w.line, []byte("\n"))
		if !ok || bytes.ContainsAny(line, "\n\r\u0085\u2028\u2029") || !utf8.Valid(line) {
			t.Fatalf("%q", line)
		}
		var got struct {
			Body        json.RawMessage
			Encoding    string
			Key         string
			KeyEncoding string
			Headers     [][]string
		}
		d := json.NewDecoder(bytes.NewReader(line))
		if err := d.Decode(&got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !bytes.HasSuffix(line, append(append([]byte(`"body":`), got.Body...), '}')) {
			t.Fatalf("the body is not last: %q", line)
		}
		if utf8.Valid(body) && json.Valid(body) {
			var a, b any
			da, db := json.NewDecoder(bytes.NewReader(got.Body)), json.NewDecoder(bytes.NewReader(body))
			da.UseNumber()
			db.UseNumber()
			if da.Decode(&a) != nil || db.Decode(&b) != nil {
				t.Fatalf("%q", got.Body)
			}
			ja, _ := json.Marshal(a)
			jb, _ := json.Marshal(b)
			if got.Encoding != "" || !bytes.Equal(ja, jb) {
				t.Fatalf("%q became %q", body, got.Body)
			}
		} else if b := stored(t, got.Body, got.Encoding); !bytes.Equal(b, body) || got.Encoding == "" != utf8.Valid(body) {
			t.Fatalf("%q became %q, %s", body, b, got.Encoding)
		}
		raw, _ := json.Marshal(got.Key)
		if k := stored(t, raw, got.KeyEncoding); !bytes.Equal(k, key) {
			t.Fatalf("the key %q became %q", key, k)
		}
		h := got.Headers[0]
		name, value := []byte(h[0]), []byte(h[1])
		if len(h) == 3 {
			name, _ = base64.StdEncoding.DecodeString(h[0])
			value, _ = base64.StdEncoding.DecodeString(h[1])
		}
		if !slices.Equal(name, key) || !slices.Equal(value, body) {
			t.Fatalf("the header became %q", h)
		}
	})
}

// FuzzGreeting: the first line of a program is JSON, or refused.
func FuzzGreeting(f *testing.F) {
	f.Add([]byte(`{"pipeproc":1,"x":[{}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, err := checkGreeting(line); err == nil && !json.Valid(line) {
			t.Fatal("it is taken")
		}
	})
}

// TestTrim: unusual amounts of memory are let go of.
func TestTrim(t *testing.T) {
	c := asked(1)
	c.most = 1 << 30
	line := `{"n":1,"out":[` + strings.Repeat(`"0123456789",`, 200_000) + `"` + strings.Repeat("x", 2<<20) + `"]}`
	if err := c.answer([]byte(line)); err != nil {
		t.Fatal(err)
	}
	c.trim()
	if c.outs != nil || c.bytes != nil || c.scan.b != nil {
		t.Errorf("%d, %d", cap(c.outs), cap(c.bytes))
	}
	var w writer
	w.add(1, 0, &record.Record{Body: make([]byte, 2<<20)})
	if w.trim(); w.line != nil {
		t.Errorf("%d", cap(w.line))
	}
}
