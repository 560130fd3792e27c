package program

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/record"
)

// TestLines: what a program gets, byte by byte.
func TestLines(t *testing.T) {
	p := start(t, Options{Name: `a "proc"`}, "copy")
	d := newDesk(t)
	id := func(seq uint64) record.ID { return record.ID{Millis: 1700000000000, Seq: seq} }
	greeting := `{"pipeproc":1,"proc":"a \"proc\""}` + "\n"
	var recs []record.Record
	var want []string
	for i, c := range []struct {
		rec  record.Record
		want string
	}{
		{record.Record{Body: []byte(`{"any": "json",` + "\n\t" + `"n": [ 1.0, -2e+7 , {} ]} `)},
			`"attempt":3,"body":{"any":"json","n":[1.0,-2e+7,{}]}}`},
		{record.Record{Body: []byte(`text`)}, `"attempt":3,"body":"text"}`},
		{record.Record{Body: []byte(`"quoted"`)}, `"attempt":3,"body":"quoted"}`},
		{record.Record{Body: nil}, `"attempt":3,"body":""}`},
		{record.Record{Body: []byte("null")}, `"attempt":3,"body":null}`},
		{record.Record{Body: []byte("1 2")}, `"attempt":3,"body":"1 2"}`},
		{record.Record{Body: []byte("{\"a\":1")}, `"attempt":3,"body":"{\"a\":1"}`},
		{record.Record{Body: []byte("\xff")}, `"attempt":3,"encoding":"base64","body":"/w=="}`},
		{record.Record{Body: []byte("\"\xff\"")}, `"attempt":3,"encoding":"base64","body":"Iv8i"}`},
		{record.Record{Body: []byte("\x00\n\r\t\\\"\x7fö\u0085\u2028\u2029€")},
			`"attempt":3,"body":"\u0000\n\r\t\\\"\u007fö\u0085\u2028\u2029€"}`},
		{record.Record{Body: []byte("[\"ö\u0085\u2028\u2029€\"]")}, `"attempt":3,"body":["ö\u0085\u2028\u2029€"]}`},
		{record.Record{Key: []byte("k\""), Headers: []record.Header{{Name: "a", Value: []byte("b")}, {Name: "\xff", Value: []byte("")}}, Body: []byte("1")},
			`"key":"k\"","headers":[["a","b"],["/w==","","base64"]],"attempt":3,"body":1}`},
		{record.Record{Key: []byte("\xff"), Body: []byte("1")}, `"key":"/w==","keyEncoding":"base64","attempt":3,"body":1}`},
	} {
		c.rec.ID, c.rec.Topic = id(uint64(i)), "in"
		recs = append(recs, c.rec)
		want = append(want, fmt.Sprintf("out %s{\"n\":%d,\"topic\":\"in\",\"id\":\"1700000000000-%d\",%s\n", greeting, i+1, i, c.want))
		greeting = ""
	}
	d.do(p, order{records: recs, attempt: 3}).wantOK(t, want...)
	d.say(p, "x").wantOK(t, fmt.Sprintf("out {\"n\":%d,\"topic\":\"in\",\"id\":\"1700000000000-0\",\"attempt\":1,\"body\":\"x\"}\n", len(recs)+1))
}

// TestForms: every form of an answer, as it is stored.
func TestForms(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	for _, c := range []struct {
		line string
		want []string
	}{
		{`{"n":%}`, nil},
		{` { "n" : % , "out" : [ ] , "error" : null, "records":null } ` + "\t\r", nil},
		{`{"n":%,"out":["text","\"\\\/\b\f\n\r\t\u00f6\ud83d\ude00\u0000",""]}`, []string{"out text", "out \"\\/\b\f\n\r\tö😀\x00", "out "}},
		{`{"out":[1, [ 2, "\u00f6" ] ,{"a" : {} },null,true],"n":%}`, []string{"out 1", `out [2,"\u00f6"]`, `out {"a":{}}`, "out null", "out true"}},
		{`{"n":%,"records":[{"body":"text"},{"body":"text","encoding":"utf8"},{"encoding":"json","body":"text"},{"body":"/w==","encoding":"base64"},{"body":null},{"body":[ 1 ],"encoding":"json"}]}`,
			[]string{"out text", "out text", `out "text"`, "out \xff", "out null", "out [1]"}},
		{`{"n":%,"records":[{"key":"k","body":1},{"keyEncoding":"base64","body":2,"key":"/w=="},{"body":3,"key":"","headers":[]},{"body":4,"key":null,"encoding":null,"topic":null,"headers":null,"keyEncoding":null}]}`,
			[]string{"out k=1", "out \xff=2", "out 3", "out 4"}},
		{`{"n":%,"records":[{"body":1,"headers":[["a","b"],["","\u2028","utf8"],["/w==","/w==","base64"]]}]}`, []string{"out [a:b][:\u2028][\xff:\xff]1"}},
		{`{"n":%,"records":[{"topic":"b","body":1},{"topic":"a","body":2},{"topic":"b","body":3},{"body":4}]}`, []string{"b 1", "b 3", "a 2", "out 4"}},
	} {
		d.say(p, "line "+c.line).wantOK(t, c.want...)
	}
	if s := p.Stats(); s.Started != 1 || s.Failed != 0 || s.Claims != 8 || s.Records != 8 || s.Processes != 1 || s.Idle != 1 {
		t.Errorf("%+v", s)
	}
}

// TestTopics: what names no topic goes to each of them, what does to no other.
func TestTopics(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	recs := bodied(`line {"n":%,"out":[1]}`, `line {"n":%,"records":[{"body":2},{"body":3,"topic":"c"}]}`)
	d.do(p, order{records: recs, to: []string{"a", "b"}}).wantOK(t, "a 1", "a 2", "b 1", "b 2", "c 3")
	d.do(p, order{records: recs, to: []string{}}).wantOK(t, "c 3")
	d.say(p, `line {"n":%,"records":[{"body":3,"topic":"bad name"}]}`).wantErr(t, "invalid_topic_format")
	d.say(p, "fine").wantOK(t, "out fine")
	if s := p.Stats(); s.Started != 1 {
		t.Errorf("a bad topic name has ended the process: %+v", s)
	}
}

// TestOrder: what comes out has the order of the records, not of the answers.
func TestOrder(t *testing.T) {
	p := start(t, Options{}, "last")
	d := newDesk(t)
	d.say(p, "a", "b", "last").wantOK(t, "out a", "out 0", "out b", "out 1", "out last", "out 2")
	d.say(p, "last").wantOK(t, "out last", "out 0")
}

// TestErrors: an error of the program fails the claim, and is no reason to end
// the process.
func TestErrors(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	d.say(p, "a", "error no \"luck\"", "b").wantErr(t, `record 1700000000000-1: no "luck"`)
	d.say(p, "error one", "error two", "error three").wantErr(t, "record 1700000000000-0: one (and 2 more have failed)")
	d.say(p, "error ").wantErr(t, "without a reason")
	o := d.say(p, "error "+strings.Repeat("ö", 5000))
	if o.wantErr(t, "öööö"); len(o.err.Error()) > 1200 {
		t.Errorf("the error has %d bytes", len(o.err.Error()))
	}
	d.say(p, "fine").wantOK(t, "out fine")
	if s := p.Stats(); s.Started != 1 || s.Failed != 0 || s.Claims != 5 {
		t.Errorf("%+v", s)
	}
}

// TestPipelined: all records are written without waiting for an answer, however
// much that is, and answers are read at the same time.
func TestPipelined(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	bodies := make([]string, 100)
	for i := range bodies {
		bodies[i] = big
	}
	out := make([]string, len(bodies))
	for i := range out {
		out[i] = "out " + big
	}
	t.Run("answers at once", func(t *testing.T) {
		p := start(t, Options{}, "echo")
		newDesk(t).say(p, bodies...).wantOK(t, out...)
	})
	t.Run("answers at the end", func(t *testing.T) {
		p := start(t, Options{}, "last")
		o := newDesk(t).say(p, append(bodies, "last")...)
		if o.err != nil || len(o.out) != 2*len(bodies)+2 {
			t.Errorf("%v, %d records", o.err, len(o.out))
		}
	})
}

// TestLanes: the lanes of a claim run in processes side by side.
func TestLanes(t *testing.T) {
	p := start(t, Options{Processes: 3}, "obey")
	d := newDesk(t)
	meet := "meet 3 " + t.TempDir() // none answers before all are there
	o := d.do(p, order{records: bodied(meet, meet, meet), lanes: 3})
	if o.err != nil || len(o.out) != 3 || o.out[0] == o.out[1] || o.out[1] == o.out[2] || o.out[0] == o.out[2] {
		t.Errorf("%v %q", o.err, o.out)
	}
	// More lanes than processes.
	o = d.do(p, order{records: bodied("a", "b", "c", "d", "e", "f", "g", "h"), lanes: 8})
	o.wantOK(t, "out a", "out b", "out c", "out d", "out e", "out f", "out g", "out h")
	if s := p.Stats(); s.Started > 3 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestEnvironment: a program runs where and with what the options say.
func TestEnvironment(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("given", func(t *testing.T) {
		p := start(t, Options{Dir: dir, Env: append(env(t, "obey"), "EXTRA=more")}, "")
		newDesk(t).say(p, "dir").wantOK(t, "out "+dir, "out more")
	})
	t.Run("default", func(t *testing.T) {
		t.Setenv(modeEnv, "obey")
		t.Setenv("EXTRA", "inherited")
		p, err := New(Options{Command: []string{os.Args[0]}})
		if err != nil {
			t.Fatal(err)
		}
		here, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		newDesk(t).say(p, "dir").wantOK(t, "out "+here, "out inherited")
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}
