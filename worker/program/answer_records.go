package program

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/worker"
)

// records reads the value of "records".
func (c *claim) records() error {
	for i := 0; ; i++ {
		more, ok := c.scan.element(i)
		if !ok {
			return c.scan.err()
		}
		if !more {
			return nil
		}
		if err := c.record(); err != nil {
			return err
		}
	}
}

// rawPart is a body or key that has been located but not decoded.
type rawPart struct {
	at       int // offset of its value in the line
	given    bool
	encoding string // "" if not given
}

// record reads an element of "records". The encodings of body and key may come
// after them, so both are decoded at the end.
func (c *claim) record() error {
	s := &c.scan
	o := output{header: len(c.headers), headerEnd: len(c.headers)}
	var body, key rawPart
	var seen [6]bool
	size := 0
	for i := 0; ; i++ {
		more, ok := s.field(i)
		if !ok {
			return s.err()
		}
		if !more {
			break
		}
		k := recordField(s.key)
		if k < 0 {
			return fmt.Errorf("the field %s of a record is unknown", excerpt(s.key))
		}
		if seen[k] {
			return fmt.Errorf("the field %q of a record comes twice", s.key)
		}
		seen[k] = true
		if k != 0 && s.null() {
			continue
		}
		err := error(nil)
		switch k {
		case 0:
			err = c.skip(&body)
		case 1:
			body.encoding, err = c.encoding()
		case 2:
			err = c.skip(&key)
		case 3:
			key.encoding, err = c.encoding()
		case 4:
			err = c.headerList()
			o.headerEnd = len(c.headers)
		case 5:
			o.topic, err = c.topicName()
			size += len(o.topic)
		}
		if err != nil {
			return err
		}
	}
	if !body.given {
		return errors.New(`"body" is missing in a record`)
	}
	if key.encoding == "json" {
		return errors.New(`"keyEncoding" cannot be "json"`)
	}
	end := s.i
	var err error
	if o.body, o.bodyEnd, err = c.decodePart(&body, false); err != nil {
		return fmt.Errorf(`"body": %w`, err)
	}
	if key.given {
		if o.key, o.keyEnd, err = c.decodePart(&key, true); err != nil {
			return fmt.Errorf(`"key": %w`, err)
		}
	}
	s.i = end
	c.outs = append(c.outs, o)
	return c.charge(size + o.bodyEnd - o.body + o.keyEnd - o.key)
}

func recordField(name []byte) int {
	switch string(name) {
	case "body":
		return 0
	case "encoding":
		return 1
	case "key":
		return 2
	case "keyEncoding":
		return 3
	case "headers":
		return 4
	case "topic":
		return 5
	}
	return -1
}

// skip notes where a value is and advances past it.
func (c *claim) skip(f *rawPart) (err error) {
	c.scan.peek()
	f.at, f.given = c.scan.i, true
	ok := false
	if c.scratch, ok = c.scan.value(c.scratch[:0]); !ok {
		return c.scan.err()
	}
	return nil
}

func (c *claim) encoding() (string, error) {
	ok := false
	if c.scratch, ok = c.scan.text(c.scratch[:0]); !ok {
		return "", c.scan.err()
	}
	for _, known := range [...]string{"utf8", "base64", "json"} {
		if string(c.scratch) == known {
			return known, nil
		}
	}
	return "", fmt.Errorf("the encoding %s is unknown", excerpt(c.scratch))
}

// decodePart decodes a body or key that skip has checked.
func (c *claim) decodePart(f *rawPart, textOnly bool) (from, to int, err error) {
	s := &c.scan
	s.i = f.at
	from = len(c.bytes)
	ok, isText := true, s.peek() == '"'
	switch {
	case !isText && (textOnly || f.encoding == "utf8" || f.encoding == "base64"):
		return 0, 0, errors.New("it must be a string")
	case f.encoding == "base64":
		if c.scratch, ok = s.text(c.scratch[:0]); ok {
			c.bytes, err = base64.StdEncoding.Strict().AppendDecode(c.bytes, c.scratch)
		}
	case isText && f.encoding != "json":
		c.bytes, ok = s.text(c.bytes)
	default:
		c.bytes, ok = s.value(c.bytes)
	}
	if !ok {
		err = s.err()
	}
	return from, len(c.bytes), err
}

// headerList reads the value of "headers".
func (c *claim) headerList() error {
	s := &c.scan
	for i := 0; ; i++ {
		more, ok := s.element(i)
		if !ok {
			return s.err()
		}
		if !more {
			return nil
		}
		h, err := readHeader(s, &c.scratch)
		if err != nil {
			return fmt.Errorf(`"headers": %w`, err)
		}
		c.headers = append(c.headers, h)
		if err := c.charge(len(h.Name) + len(h.Value)); err != nil {
			return err
		}
	}
}

// readHeader reads an element of "headers".
func readHeader(s *scanner, scratch *[]byte) (h record.Header, err error) {
	var parts [3]string
	n := 0
	for ; ; n++ {
		more, ok := s.element(n)
		if ok && more && n < len(parts) {
			*scratch, ok = s.text((*scratch)[:0])
			parts[n] = string(*scratch)
		}
		if !ok {
			return h, s.err()
		}
		if !more {
			break
		}
		if n == len(parts) {
			return h, errors.New("one has more than three elements")
		}
	}
	name, value := []byte(parts[0]), []byte(parts[1])
	switch {
	case n < 2:
		return h, errors.New(`each must be ["name","value"]`)
	case n == 3 && parts[2] == "base64":
		strict := base64.StdEncoding.Strict()
		if name, err = strict.DecodeString(parts[0]); err == nil {
			value, err = strict.DecodeString(parts[1])
		}
	case n == 3 && parts[2] != "utf8":
		err = fmt.Errorf("the encoding %s is unknown", excerpt([]byte(parts[2])))
	}
	return record.Header{Name: string(name), Value: value}, err
}

// topicName reads the value of "topic". The batch checks that it is a valid
// name.
func (c *claim) topicName() (string, error) {
	ok := false
	if c.scratch, ok = c.scan.text(c.scratch[:0]); !ok {
		return "", c.scan.err()
	}
	switch {
	case len(c.scratch) == 0:
		return "", errors.New(`"topic" is empty`)
	case len(c.scratch) > record.MaxNameLen:
		return "", errors.New(`"topic" is too long`)
	case c.topic != string(c.scratch):
		c.topic = string(c.scratch)
	}
	return c.topic, nil
}

// emit emits all outputs to w, in the order of the records.
func (c *claim) emit(w *worker.Work) {
	for _, a := range c.answers {
		for _, o := range c.outs[a.from:a.to] {
			rec := record.Record{
				Key:     c.bytes[o.key:o.keyEnd],
				Headers: c.headers[o.header:o.headerEnd],
				Body:    c.bytes[o.body:o.bodyEnd],
			}
			if o.topic == "" {
				w.EmitRecord(rec)
			} else {
				w.EmitTo(o.topic, rec)
			}
		}
	}
}
