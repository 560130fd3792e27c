package jsonline

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/jsontext"
)

// AppendRecord appends rec in the form for reading, without a newline.
func AppendRecord(dst []byte, rec *pipeproc.Record) []byte {
	dst = appendID(dst, rec)
	dst = append(dst, `,"body":`...)
	switch text := utf8.Valid(rec.Body); {
	case text && json.Valid(rec.Body):
		dst = appendJSON(dst, rec.Body)
	case text:
		dst = jsontext.AppendString(dst, rec.Body)
	default:
		dst = jsontext.AppendBase64(dst, rec.Body)
		dst = append(dst, `,"encoding":"base64"`...)
	}
	return append(jsontext.AppendMeta(dst, rec), '}')
}

// AppendExact appends rec in the form for export, without a newline.
func AppendExact(dst []byte, rec *pipeproc.Record) []byte {
	dst = appendID(dst, rec)
	dst = append(dst, `,"body":`...)
	switch text := utf8.Valid(rec.Body); {
	case text && standsAsItIs(rec.Body):
		dst = append(dst, rec.Body...)
		dst = append(dst, `,"encoding":"json"`...)
	case text:
		dst = jsontext.AppendString(dst, rec.Body)
		dst = append(dst, `,"encoding":"utf8"`...)
	default:
		dst = jsontext.AppendBase64(dst, rec.Body)
		dst = append(dst, `,"encoding":"base64"`...)
	}
	return append(jsontext.AppendMeta(dst, rec), '}')
}

// standsAsItIs reports whether body is a JSON value that a parser of the line
// finds again byte by byte: on one line, with no space around it.
func standsAsItIs(body []byte) bool {
	if len(body) == 0 || body[0] <= ' ' || body[len(body)-1] <= ' ' || bytes.ContainsAny(body, "\r\n") {
		return false
	}
	return json.Valid(body)
}

// appendJSON appends a valid JSON value, on one line. Numbers and strings keep
// their text.
func appendJSON(dst, body []byte) []byte {
	if !bytes.ContainsAny(body, "\r\n") {
		return append(dst, body...)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		return jsontext.AppendString(dst, body) // cannot happen: it is valid
	}
	return append(dst, b.Bytes()...)
}

func appendID(dst []byte, rec *pipeproc.Record) []byte {
	dst = append(dst, `{"id":"`...)
	dst, _ = rec.ID.AppendText(dst)
	return append(dst, '"')
}
