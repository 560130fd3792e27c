package program

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// excerpt quotes the beginning of b, for an error.
func excerpt(b []byte) string {
	const most = 100
	if len(b) <= most {
		return strconv.Quote(string(b))
	}
	return strconv.Quote(string(b[:most])) + "…"
}

// shorten cuts text for people to at most n bytes.
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
