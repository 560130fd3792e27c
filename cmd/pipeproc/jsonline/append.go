package jsonline

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"github.com/pipeproc/pipeproc"
)

// AppendRecord appends rec in the form for reading, without a newline.
func AppendRecord(dst []byte, rec *pipeproc.Record) []byte {
	dst = appendID(dst, rec)
	dst = append(dst, `,"body":`...)
	switch text := utf8.Valid(rec.Body); {
	case text && json.Valid(rec.Body):
		dst = appendJSON(dst, rec.Body)
	case text:
		dst = appendString(dst, rec.Body)
	default:
		dst = appendBase64(dst, rec.Body)
		dst = append(dst, `,"encoding":"base64"`...)
	}
	return appendMeta(dst, rec)
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
		dst = appendString(dst, rec.Body)
		dst = append(dst, `,"encoding":"utf8"`...)
	default:
		dst = appendBase64(dst, rec.Body)
		dst = append(dst, `,"encoding":"base64"`...)
	}
	return appendMeta(dst, rec)
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
		return appendString(dst, body) // cannot happen: it is valid
	}
	return append(dst, b.Bytes()...)
}

func appendID(dst []byte, rec *pipeproc.Record) []byte {
	dst = append(dst, `{"id":"`...)
	dst, _ = rec.ID.AppendText(dst)
	return append(dst, '"')
}

func appendMeta(dst []byte, rec *pipeproc.Record) []byte {
	if len(rec.Key) > 0 {
		dst = append(dst, `,"key":`...)
		if utf8.Valid(rec.Key) {
			dst = appendString(dst, rec.Key)
		} else {
			dst = appendBase64(dst, rec.Key)
			dst = append(dst, `,"keyEncoding":"base64"`...)
		}
	}
	for i := range rec.Headers {
		if i == 0 {
			dst = append(dst, `,"headers":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendHeader(dst, &rec.Headers[i])
	}
	if len(rec.Headers) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func appendHeader(dst []byte, h *pipeproc.Header) []byte {
	dst = append(dst, '[')
	if utf8.ValidString(h.Name) && utf8.Valid(h.Value) {
		dst = appendString(dst, []byte(h.Name))
		dst = append(dst, ',')
		dst = appendString(dst, h.Value)
		return append(dst, ']')
	}
	dst = appendBase64(dst, []byte(h.Name))
	dst = append(dst, ',')
	dst = appendBase64(dst, h.Value)
	return append(dst, `,"base64"]`...)
}

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}
