package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/pipeproc/pipeproc/internal/jsontext"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/worker"
)

// Find returns the processor of a proc according to its [Definition].
type Find func(proc string, d Definition) (worker.Processor, error)

// errStdin is the cause of a processor's context when the node closes stdin.
var errStdin = errors.New("the node has closed stdin")

// Serve is the program's side of the protocol of a shared program, in Go: it
// reads claims from in, which is stdin, has them processed, and answers on out,
// which is stdout. It asks for exact bodies. It returns nil when in has ended;
// the context of a running processor ends then, as it does when ctx ends.
//
// A processor is called with all records of a claim, or of a lane of it.
// Nothing else may write to out.
func Serve(ctx context.Context, in io.Reader, out io.Writer, find Find) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &server{find: find, out: out, procs: make(map[string]*served), claims: make(chan *claimLines), free: make(chan *claimLines, 2), readResult: make(chan error, 1)}
	s.free <- new(claimLines) // two, so that one is read while the other is processed
	s.free <- new(claimLines) // and the end of in is noticed meanwhile
	if _, err := fmt.Fprintf(out, "{\"pipeproc\":%d,\"exact\":true}\n", version); err != nil {
		return err
	}
	go func() {
		err := s.read(ctx, bufio.NewReaderSize(in, readSize))
		cancel(errStdin)
		s.readResult <- err
		close(s.claims)
	}()
	for c := range s.claims {
		if err := s.handle(ctx, c); err != nil {
			return err
		}
		s.free <- c // the node sends the next claim after the answer to this one
	}
	return <-s.readResult
}

// server is the state of Serve.
type server struct {
	find       Find
	out        io.Writer
	procs      map[string]*served // used by the reader
	claims     chan *claimLines
	free       chan *claimLines // there are two
	readResult chan error       // how reading ended
	answer     []byte           // scratch space of handle
}

// served is a proc that the node has defined.
type served struct {
	fn  worker.Processor
	err error // why there is no processor
}

// claimLines is a claim. Its memory is reused.
type claimLines struct {
	worker.Task
	proc  *served
	first uint64 // n of the first record
	bytes []byte // of its records
}

// handle answers one claim. The answer of the last record carries all output.
func (s *server) handle(ctx context.Context, c *claimLines) error {
	b := s.answer[:0]
	last := len(c.Records) - 1
	for i := range last {
		b = append(strconv.AppendUint(append(b, `{"n":`...), c.first+uint64(i), 10), '}', '\n')
	}
	b = strconv.AppendUint(append(b, `{"n":`...), c.first+uint64(last), 10)
	plain, n := len(b), 0
	err := c.proc.err
	if err == nil {
		err = worker.Handle(ctx, &c.Task, c.proc.fn, func(topic string, rec record.Record) {
			if n++; n == 1 {
				b = append(b, `,"records":[`...)
			} else {
				b = append(b, ',')
			}
			b = s.record(b, topic, &rec)
		})
	}
	switch {
	case err != nil:
		b = append(b[:plain], `,"error":`...)
		b = jsontext.AppendText(b, err.Error())
	case n > 0:
		b = append(b, ']')
	}
	b = append(b, '}', '\n')
	_, werr := s.out.Write(b)
	s.answer = trimmed(b, 1)
	return werr
}

// record appends an element of "records".
func (s *server) record(b []byte, topic string, rec *record.Record) []byte {
	b = append(b, `{"body":`...)
	if utf8.Valid(rec.Body) {
		b = append(jsontext.AppendString(b, rec.Body), `,"encoding":"utf8"`...)
	} else {
		b = append(jsontext.AppendBase64(b, rec.Body), `,"encoding":"base64"`...)
	}
	b = jsontext.AppendMeta(b, rec)
	if topic != "" {
		b = jsontext.AppendText(append(b, `,"topic":`...), topic)
	}
	return append(b, '}')
}
