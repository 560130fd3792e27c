package program

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// The fields of an answer.
const (
	fieldN = 1 << iota
	fieldOut
	fieldRecords
	fieldError
)

var errNotUTF8 = errors.New("it is not UTF-8")

// answer handles a line written by the program. Its error text completes a
// sentence that quotes the line.
func (c *claim) answer(line []byte) error {
	if !utf8.Valid(line) {
		return errNotUTF8
	}
	s := &c.scan
	s.reset(line)
	var n uint64
	var seen, given int
	from := len(c.outs)
	for i := 0; ; i++ {
		more, ok := s.field(i)
		if !ok {
			return s.err()
		}
		if !more {
			break
		}
		field := answerField(s.key)
		switch {
		case field == 0:
			return fmt.Errorf("the field %s is unknown", excerpt(s.key))
		case seen&field != 0:
			return fmt.Errorf("the field %q comes twice", s.key)
		}
		seen |= field
		if field != fieldN && s.null() {
			continue
		}
		given |= field
		err := error(nil)
		switch field {
		case fieldN:
			if n, ok = s.count(); !ok {
				err = s.err()
			}
		case fieldOut:
			err = c.bodies()
		case fieldRecords:
			err = c.records()
		case fieldError:
			if c.scratch, ok = s.text(c.scratch[:0]); !ok {
				err = s.err()
			}
		}
		if err != nil {
			return err
		}
	}
	what := given &^ fieldN
	switch {
	case !s.end():
		return s.err()
	case given&fieldN == 0:
		return errors.New(`"n" is missing`)
	case what&(what-1) != 0: // more than one bit
		return errors.New(`only one of "out", "records" and "error" may be there`)
	}
	return c.settle(n, from, what == fieldError, c.scratch)
}

func answerField(name []byte) int {
	switch string(name) {
	case "n":
		return fieldN
	case "out":
		return fieldOut
	case "records":
		return fieldRecords
	case "error":
		return fieldError
	}
	return 0
}

// bodies reads the value of "out".
func (c *claim) bodies() error {
	s := &c.scan
	for i := 0; ; i++ {
		more, ok := s.element(i)
		if !ok {
			return s.err()
		}
		if !more {
			return nil
		}
		o := output{body: len(c.bytes)}
		if s.peek() == '"' {
			c.bytes, ok = s.text(c.bytes)
		} else {
			c.bytes, ok = s.value(c.bytes)
		}
		if !ok {
			return s.err()
		}
		o.bodyEnd = len(c.bytes)
		c.outs = append(c.outs, o)
		if err := c.charge(o.bodyEnd - o.body); err != nil {
			return err
		}
	}
}

// checkGreeting parses the first line of a program. exact reports whether it
// wants bodies as strings.
func checkGreeting(line []byte) (exact bool, err error) {
	if !utf8.Valid(line) {
		return false, errNotUTF8
	}
	var s scanner
	var speaks uint64
	var skipped []byte
	s.reset(line)
	for i := 0; ; i++ {
		more, ok := s.field(i)
		if ok && more {
			if string(s.key) == "pipeproc" {
				speaks, ok = s.count()
			} else {
				exactly := string(s.key) == "exact"
				skipped, ok = s.value(skipped[:0])
				exact = exact || exactly && string(skipped) == "true"
			}
		} else if ok {
			ok = s.end()
		}
		if !ok {
			return false, s.err()
		}
		if !more {
			break
		}
	}
	switch speaks {
	case 0:
		return false, errors.New(`"pipeproc" is missing`)
	case version:
		return exact, nil
	}
	return false, fmt.Errorf("it speaks version %d of the protocol, the node only %d", speaks, version)
}
