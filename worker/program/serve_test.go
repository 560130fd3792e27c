package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/worker"
)

// servant is a child that serves processors.
func servant() int {
	err := Serve(context.Background(), os.Stdin, os.Stdout, func(proc string, d Definition) (worker.Processor, error) {
		switch d.Processor {
		case "":
			return nil, errors.New("no processor is called so")
		case "pid":
			return func(_ context.Context, w *worker.Work) error {
				w.Emit(fmt.Appendf(nil, "%d", os.Getpid()))
				return nil
			}, nil
		case "say":
			return func(_ context.Context, w *worker.Work) error {
				fmt.Fprintln(os.Stderr, "said by", w.Proc())
				return nil
			}, nil
		case "about":
			return func(_ context.Context, w *worker.Work) error {
				w.Emit(fmt.Appendf(nil, "%s %s %d %d %s", w.Proc(), w.Topic(), w.Attempt(), len(w.Records()), d.Source))
				return nil
			}, nil
		case "fail":
			return func(_ context.Context, w *worker.Work) error {
				w.Emit([]byte("not to be seen"))
				if d.Source == "panic" {
					panic("at once")
				}
				return errors.New("größe \u2028")
			}, nil
		case "big":
			return func(_ context.Context, w *worker.Work) error {
				w.Emit(make([]byte, 4<<20))
				return nil
			}, nil
		}
		return worker.Each(func(_ context.Context, rec record.Record, w *worker.Work) error {
			w.EmitRecord(record.Record{Key: rec.Key, Headers: rec.Headers, Body: rec.Body})
			if d.Source != "" {
				w.EmitTo(d.Source, record.Record{Body: fmt.Append(nil, rec.ID)})
			}
			return nil
		}), nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// What a Go program gets and gives are the bytes as they are.
func TestServeExact(t *testing.T) {
	p := start(t, Options{}, "serve")
	d := newDesk(t)
	bodies := []string{"", "text", `"text"`, ` { "a" : 1 } `, "{\"a\":1}", "\xff\x00", "größe \u2028 \u0085\n\r\t\x01\\", "7"}
	recs := bodied(bodies...)
	recs[1].Key, recs[2].Key = []byte("k\"ey"), []byte("\xfe")
	recs[3].Headers = []record.Header{{Name: "n", Value: []byte("v")}, {Name: "\xff", Value: []byte{0}}}
	want := make([]string, len(bodies))
	for i, b := range bodies {
		want[i] = "out " + b
	}
	want[1], want[2], want[3] = "out k\"ey=text", "out \xfe=\"text\"", "out [n:v][\xff:\x00]"+bodies[3]
	d.do(p, order{records: recs, fn: p.Processor(Definition{"copy", ""})}).wantOK(t, want...)
	d.do(p, order{records: recs[:1], fn: p.Processor(Definition{"copy", "other"})}).wantOK(t, "out ", "other 1700000000000-0")
}

// A processor in another process sees a claim whole.
func TestServeClaim(t *testing.T) {
	p := start(t, Options{}, "serve")
	d := newDesk(t)
	fn := p.Processor(Definition{"about", "the \"source\"\n"})
	many := make([]string, 1000)
	d.do(p, order{records: bodied(many...), attempt: 3, fn: fn}).wantOK(t, "out order-1 in 3 1000 the \"source\"\n")
	d.do(p, order{records: bodied("one"), fn: fn}).wantOK(t, "out order-2 in 1 1 the \"source\"\n")
	if o := d.do(p, order{records: bodied("one"), fn: p.Processor(Definition{"big", ""})}); o.err != nil || len(o.out[0]) != 4<<20+4 {
		t.Error(o.err)
	}
}

func TestServeFailure(t *testing.T) {
	p := start(t, Options{}, "serve")
	d := newDesk(t)
	d.do(p, order{records: bodied("a", "b"), fn: p.Processor(Definition{"fail", ""})}).wantErr(t, "größe \u2028")
	d.do(p, order{records: bodied("a", "b"), fn: p.Processor(Definition{"fail", "panic"})}).wantErr(t, "panicked: at once")
	d.do(p, order{records: bodied("a"), fn: p.Processor(Definition{})}).wantErr(t, "no processor is called so")
	d.do(p, order{records: bodied("a"), fn: p.Processor(Definition{"copy", ""})}).wantOK(t, "out a")
	if s := p.Stats(); s.Started != 1 || s.Failed != 0 {
		t.Errorf("a failure has ended the process: %+v", s)
	}
}

// Procs that share a program share its processes, and the log says which of them
// a line is about.
func TestShared(t *testing.T) {
	l := new(log)
	p := start(t, Options{Logger: l.logger()}, "serve")
	d := newDesk(t)
	pids := make(map[string]bool)
	for range 3 {
		o := d.do(p, order{records: bodied("a"), fn: p.Processor(Definition{"pid", ""})})
		o.wantAny(t)
		pids[o.out[0]] = true
	}
	if len(pids) != 1 {
		t.Errorf("%d processes", len(pids))
	}
	d.do(p, order{records: bodied("a"), fn: p.Processor(Definition{"say", ""})}).wantOK(t)
	until(t, "what was said is in the log", func() bool { return strings.Contains(l.String(), `line="said by order-4"`) })
	if !strings.Contains(l.String(), "proc=order-4") {
		t.Errorf("the log does not name the proc:\n%s", l)
	}
}

// TestDefinitions is the protocol of a shared program, line by line.
func TestDefinitions(t *testing.T) {
	var w writer
	w.begin("in", 2)
	w.of("a\u0085b")
	w.line = definition(w.line, "a\u0085b", &Definition{"the\u2028 one", "a\n\"b\""})
	w.add(7, 5, &bodied(" {} ")[0])
	w.exact = true
	w.add(8, 0, &bodied(" {} ")[0])
	want := `{"proc":"a\u0085b","processor":"the\u2028 one","source":"a\n\"b\""}
{"n":7,"proc":"a\u0085b","more":5,"topic":"in","id":"1700000000000-0","attempt":2,"body":{}}
{"n":8,"proc":"a\u0085b","more":0,"topic":"in","id":"1700000000000-0","attempt":2,"body":" {} "}
`
	if string(w.line) != want {
		t.Errorf("%s\nnot\n%s", w.line, want)
	}
}

// When the node goes, a processor sees the end of its context, and Serve ends.
func TestServeEnds(t *testing.T) {
	in, node := io.Pipe()
	began, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- Serve(context.Background(), in, io.Discard, func(string, Definition) (worker.Processor, error) {
			return func(ctx context.Context, _ *worker.Work) error {
				close(began)
				<-ctx.Done()
				return context.Cause(ctx)
			}, nil
		})
	}()
	fmt.Fprint(node, `{"pipeproc":1}
{"proc":"p","processor":"f","source":""}
{"n":1,"proc":"p","more":0,"topic":"t","id":"1-0","attempt":1,"encoding":"base64","body":"AA=="}
`)
	<-began
	node.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// FuzzServe: whatever stands in for the node, Serve ends with an error or not.
func FuzzServe(f *testing.F) {
	f.Add(`{"proc":"p","processor":"f","source":""}
{"n":1,"proc":"p","more":1,"topic":"t","id":"1-0","key":"k","headers":[["a","b"],["YQ==","Yg==","base64"]],"attempt":1,"encoding":"base64","body":"AA=="}
{"n":2,"proc":"p","more":0,"topic":"t","id":"1-1","attempt":1,"body":"x"}`)
	f.Add(`{"n":1,"proc":"unknown","id":"1-0","more":0}`)
	f.Add(`{"n":1,"proc":"p","id":"1-0","more":18446744073709551615,"attempt":9223372036854775807}`)
	f.Fuzz(func(t *testing.T, lines string) {
		in := strings.NewReader("{\"pipeproc\":1}\n" + lines + "\n")
		_ = Serve(context.Background(), in, io.Discard, func(string, Definition) (worker.Processor, error) {
			return worker.Each(func(_ context.Context, rec record.Record, w *worker.Work) error {
				w.EmitRecord(rec)
				return nil
			}), nil
		})
	})
}
