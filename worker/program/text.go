package program

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// appendString appends s, which is valid UTF-8, as a JSON string.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
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
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// appendText appends what is not known to be UTF-8.
func appendText(dst []byte, s string) []byte {
	return appendString(dst, []byte(strings.ToValidUTF8(s, "\uFFFD")))
}

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// escapeBreaks replaces what some readers take for the end of a line in
// dst[from:]. There it can stand in strings only.
func escapeBreaks(dst []byte, from int) []byte {
	if bytes.IndexByte(dst[from:], 0xc2) < 0 && bytes.IndexByte(dst[from:], 0xe2) < 0 {
		return dst
	}
	isBreak := func(r rune) bool { return r == '\u0085' || r == '\u2028' || r == '\u2029' }
	if bytes.IndexFunc(dst[from:], isBreak) < 0 {
		return dst
	}
	for i, text := from, string(dst[from:]); ; {
		n := strings.IndexFunc(text, isBreak)
		if n < 0 {
			return append(dst[:i], text...)
		}
		r, size := utf8.DecodeRuneInString(text[n:])
		dst = append(dst[:i], text[:n]...)
		dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		i, text = len(dst), text[n+size:]
	}
}

// excerpt quotes the beginning of b, for an error.
func excerpt(b []byte) string {
	const most = 100
	if len(b) <= most {
		return strconv.Quote(string(b))
	}
	return strconv.Quote(string(b[:most])) + "…"
}

// shorten cuts text that is meant to be read to at most n bytes.
func shorten(text string, n int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
