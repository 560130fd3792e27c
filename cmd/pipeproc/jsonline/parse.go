package jsonline

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/pipeproc/pipeproc"
)

type line struct {
	ID          *string         `json:"id"`
	Body        json.RawMessage `json:"body"`
	Encoding    string          `json:"encoding"`
	Key         *string         `json:"key"`
	KeyEncoding string          `json:"keyEncoding"`
	Headers     [][]string      `json:"headers"`
}

// Parse restores the record of a line. It reads both forms; of the one for
// reading, where "encoding" may be absent, it takes a string for text and
// everything else for JSON as it is written. The record shares no memory with
// the line.
func Parse(b []byte) (pipeproc.Record, error) {
	var l line
	// A parser that replaces bytes that are not UTF-8 would change the body.
	if !utf8.Valid(b) {
		return pipeproc.Record{}, errors.New("the line is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return pipeproc.Record{}, errors.New("the line is not a whole JSON object")
		}
		return pipeproc.Record{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return pipeproc.Record{}, errors.New("there is more than one JSON object on the line")
	}
	return l.record()
}

func (l *line) record() (rec pipeproc.Record, err error) {
	if l.ID == nil {
		return rec, errors.New(`"id" is missing`)
	}
	if rec.ID, err = pipeproc.ParseID(*l.ID); err != nil {
		return rec, err
	}
	if rec.Body, err = l.body(); err != nil {
		return rec, err
	}
	if l.Key != nil {
		if rec.Key, err = text(*l.Key, l.KeyEncoding); err != nil {
			return rec, fmt.Errorf(`"key": %w`, err)
		}
	}
	for _, h := range l.Headers {
		encoding := ""
		if len(h) == 3 {
			encoding = h[2]
		} else if len(h) != 2 {
			return rec, errors.New(`"headers": each must be ["name","value"]`)
		}
		name, err := text(h[0], encoding)
		if err != nil {
			return rec, fmt.Errorf(`"headers": %w`, err)
		}
		value, err := text(h[1], encoding)
		if err != nil {
			return rec, fmt.Errorf(`"headers": %w`, err)
		}
		rec.Headers = append(rec.Headers, pipeproc.Header{Name: string(name), Value: value})
	}
	return rec, nil
}

func (l *line) body() ([]byte, error) {
	if l.Body == nil {
		return nil, errors.New(`"body" is missing`)
	}
	isString := l.Body[0] == '"'
	if l.Encoding == "json" || l.Encoding == "" && !isString {
		return append([]byte{}, l.Body...), nil
	}
	if !isString {
		return nil, fmt.Errorf(`"body" must be a string when "encoding" is %q`, l.Encoding)
	}
	var s string
	if err := json.Unmarshal(l.Body, &s); err != nil {
		return nil, err
	}
	b, err := text(s, l.Encoding)
	if err != nil {
		return nil, fmt.Errorf(`"body": %w`, err)
	}
	return b, nil
}

func text(s, encoding string) ([]byte, error) {
	switch encoding {
	case "", "utf8":
		return []byte(s), nil
	case "base64":
		return base64.StdEncoding.Strict().DecodeString(s)
	}
	return nil, fmt.Errorf("unknown encoding %q", encoding)
}
