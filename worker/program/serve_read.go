package program

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/pipeproc/pipeproc/record"
)

// read reads claims until in ends.
func (s *server) read(ctx context.Context, in *bufio.Reader) error {
	var long []byte
	var t nodeLine
	c := <-s.free
	for first := true; ; first = false {
		line, err := readLine(in, &long)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		full := false
		if first {
			_, err = checkGreeting(line)
		} else if err = t.read(line); err == nil {
			full, err = s.take(c, &t)
		}
		if err != nil {
			return fmt.Errorf("the node has written the line %s: %w", excerpt(line), err)
		}
		if !full {
			continue
		}
		select {
		case s.claims <- c:
		case <-ctx.Done():
			return nil
		}
		select {
		case c = <-s.free:
			c.Records, c.bytes = c.Records[:0], trimmed(c.bytes, 1)
		case <-ctx.Done():
			return nil
		}
	}
}

// readLine reads a line, using long for one that exceeds the buffer.
func readLine(in *bufio.Reader, long *[]byte) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	b := append(trimmed(*long, 1), line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = in.ReadSlice('\n')
		b = append(b, line...)
	}
	*long = b
	return b, err
}

// take adds a line to c. It returns true when c is complete.
func (s *server) take(c *claimLines, t *nodeLine) (bool, error) {
	proc := string(t.proc)
	if !t.isRecord {
		fn, err := s.find(proc, Definition{Processor: string(t.processor), Source: string(t.source)})
		s.procs[proc] = &served{fn, err}
		return false, nil
	}
	if len(c.Records) == 0 {
		c.proc, c.first = s.procs[proc], t.n
		c.Proc, c.Topic, c.Attempt = proc, string(t.topic), int(t.attempt)
		if c.proc == nil {
			return false, errors.New("it is about a proc that was not defined")
		}
	}
	id, err := record.ParseID(string(t.id))
	if err != nil {
		return false, err
	}
	rec := record.Record{Topic: c.Topic, ID: id}
	if rec.Key, err = c.keep(t.key, t.keyEncoding); err == nil {
		rec.Body, err = c.keep(t.body, t.encoding)
	}
	rec.Headers = append(rec.Headers, t.headers...)
	c.Records = append(c.Records, rec)
	return t.more == 0, err
}

// keep copies text, decoded, into the memory of c.
func (c *claimLines) keep(text, encoding []byte) ([]byte, error) {
	from := len(c.bytes)
	switch string(encoding) {
	case "":
		c.bytes = append(c.bytes, text...)
	case "base64":
		var err error
		if c.bytes, err = base64.StdEncoding.Strict().AppendDecode(c.bytes, text); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("the encoding %s is unknown", excerpt(encoding))
	}
	return c.bytes[from:len(c.bytes):len(c.bytes)], nil
}

// nodeLine is a line from the node: a definition or a record. Its memory is
// reused.
type nodeLine struct {
	isRecord                bool
	n, more, attempt        uint64
	proc, processor, source []byte
	topic, id               []byte
	key, keyEncoding        []byte
	body, encoding          []byte
	headers                 []record.Header
	scan                    scanner
	skipped                 []byte
}

// read reads a line.
func (t *nodeLine) read(line []byte) error {
	if !utf8.Valid(line) {
		return errNotUTF8
	}
	for _, b := range t.texts() {
		*b = (*b)[:0]
	}
	t.isRecord, t.headers = false, t.headers[:0]
	s := &t.scan
	s.reset(line)
	for i := 0; ; i++ {
		more, ok := s.field(i)
		if ok && !more && s.end() {
			return nil
		}
		if !ok || !more || !t.field() {
			return s.err()
		}
	}
}

func (t *nodeLine) texts() [9]*[]byte {
	return [...]*[]byte{&t.proc, &t.processor, &t.source, &t.topic, &t.id, &t.key, &t.keyEncoding, &t.body, &t.encoding}
}

// field reads the value of a field.
func (t *nodeLine) field() (ok bool) {
	s := &t.scan
	var text *[]byte
	switch string(s.key) {
	case "n":
		t.isRecord = true
		t.n, ok = s.count()
		return ok
	case "more":
		t.more, ok = s.count()
		return ok
	case "attempt":
		t.attempt, ok = s.count()
		return ok
	case "headers":
		return t.headerList()
	case "proc":
		text = &t.proc
	case "processor":
		text = &t.processor
	case "source":
		text = &t.source
	case "topic":
		text = &t.topic
	case "id":
		text = &t.id
	case "key":
		text = &t.key
	case "keyEncoding":
		text = &t.keyEncoding
	case "encoding":
		text = &t.encoding
	case "body":
		text = &t.body
	default:
		t.skipped, ok = s.value(t.skipped[:0])
		return ok
	}
	*text, ok = s.text(*text)
	return ok
}

func (t *nodeLine) headerList() bool {
	s := &t.scan
	for i := 0; ; i++ {
		more, ok := s.element(i)
		if !ok || !more {
			return ok
		}
		h, err := readHeader(s, &t.skipped)
		if err != nil {
			return s.bad(err.Error())
		}
		t.headers = append(t.headers, h)
	}
}
