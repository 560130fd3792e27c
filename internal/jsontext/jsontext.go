// Package jsontext appends parts of records as JSON on one line, for any notion
// that a reader has of a line break. It allocates nothing.
package jsontext

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/pipeproc/pipeproc/record"
)

const hex = "0123456789abcdef"

// AppendString appends s, which is valid UTF-8, as a JSON string. Only what must
// be escaped is, and what some readers take for the end of a line.
func AppendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			if isBreak(r) {
				dst = appendEscape(append(dst, s[from:i]...), r)
				from = i + n
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = appendEscape(dst, rune(c))
		}
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

func isBreak(r rune) bool { return r == '\u0085' || r == '\u2028' || r == '\u2029' }

func appendEscape(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// AppendText appends s, which need not be valid UTF-8, as a JSON string.
func AppendText(dst []byte, s string) []byte {
	return AppendString(dst, []byte(strings.ToValidUTF8(s, "\uFFFD")))
}

// AppendBase64 appends b as a string in base64.
func AppendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// AppendMeta appends the fields for the key and the headers of a record, each
// with a comma before it, if it has any.
func AppendMeta(dst []byte, rec *record.Record) []byte {
	if len(rec.Key) > 0 {
		dst = append(dst, `,"key":`...)
		if utf8.Valid(rec.Key) {
			dst = AppendString(dst, rec.Key)
		} else {
			dst = AppendBase64(dst, rec.Key)
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
	return dst
}

func appendHeader(dst []byte, h *record.Header) []byte {
	dst = append(dst, '[')
	if utf8.ValidString(h.Name) && utf8.Valid(h.Value) {
		dst = AppendString(dst, []byte(h.Name))
		dst = append(dst, ',')
		dst = AppendString(dst, h.Value)
		return append(dst, ']')
	}
	dst = AppendBase64(dst, []byte(h.Name))
	dst = append(dst, ',')
	dst = AppendBase64(dst, h.Value)
	return append(dst, `,"base64"]`...)
}

// EscapeBreaks replaces what some readers take for the end of a line in the JSON
// value dst[from:]. There it can stand in strings only.
func EscapeBreaks(dst []byte, from int) []byte {
	if bytes.IndexByte(dst[from:], 0xc2) < 0 && bytes.IndexByte(dst[from:], 0xe2) < 0 {
		return dst
	}
	if bytes.IndexFunc(dst[from:], isBreak) < 0 {
		return dst
	}
	for i, text := from, string(dst[from:]); ; {
		n := strings.IndexFunc(text, isBreak)
		if n < 0 {
			return append(dst[:i], text...)
		}
		r, size := utf8.DecodeRuneInString(text[n:])
		dst = appendEscape(append(dst[:i], text[:n]...), r)
		i, text = len(dst), text[n+size:]
	}
}
