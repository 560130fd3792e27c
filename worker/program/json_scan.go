package program

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep values may nest, as in encoding/json.
const maxDepth = 10_000

// scanner reads JSON from the front of valid UTF-8 text. It is as strict as
// encoding/json and does not recurse. It allocates nothing even on failure,
// because most stored text is not JSON and is tried here. So methods return
// whether they succeeded, and err returns what is wrong.
type scanner struct {
	b     []byte
	i     int    // b[:i] was read
	stack []byte // the open '{' and '[' within value
	what  string // what is wrong
	key   []byte // the name read by field
}

func (s *scanner) reset(b []byte) { s.b, s.i, s.what = b, 0, "" }

// bad records a fault at the current position. It returns false.
func (s *scanner) bad(what string) bool {
	if s.what == "" {
		s.what = what
	}
	return false
}

// err returns the first fault.
func (s *scanner) err() error { return fmt.Errorf("byte %d: %s", s.i+1, s.what) }

// peek skips space and returns the byte after it, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.i < len(s.b); s.i++ {
		if c := s.b[s.i]; c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// take reads c, which is not 0, if it comes next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

// null reads a null if one comes next.
func (s *scanner) null() bool {
	if s.peek() != 'n' || len(s.b)-s.i < 4 || string(s.b[s.i:s.i+4]) != "null" {
		return false
	}
	s.i += 4
	return true
}

// end checks that only space is left.
func (s *scanner) end() bool {
	if s.peek(); s.i < len(s.b) {
		return s.bad("there is more after the end")
	}
	return true
}

// plain skips the unescaped bytes of a string.
func (s *scanner) plain() {
	i, b := s.i, s.b
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	s.i = i
}

// text reads a string and appends its decoded text.
func (s *scanner) text(dst []byte) ([]byte, bool) {
	if !s.take('"') {
		return dst, s.bad("a string is missing")
	}
	for {
		from := s.i
		s.plain()
		dst = append(dst, s.b[from:s.i]...)
		switch {
		case s.i == len(s.b):
			return dst, s.bad("a string does not end")
		case s.b[s.i] == '"':
			s.i++
			return dst, true
		case s.b[s.i] != '\\':
			return dst, s.bad("a control character in a string")
		}
		r, ok := s.escape()
		if ok && utf16.IsSurrogate(r) {
			low, both := s.lowSurrogate()
			r = utf16.DecodeRune(r, low)
			ok = both && r != utf8.RuneError || s.bad("half of a surrogate pair is no text")
		}
		if !ok {
			return dst, false
		}
		dst = utf8.AppendRune(dst, r)
	}
}

func (s *scanner) lowSurrogate() (rune, bool) {
	if s.i == len(s.b) || s.b[s.i] != '\\' {
		return 0, false
	}
	return s.escape()
}

// escape reads an escape sequence.
func (s *scanner) escape() (rune, bool) {
	s.i++
	if s.i == len(s.b) {
		return 0, s.bad("a string does not end")
	}
	c := s.b[s.i]
	s.i++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		if len(s.b)-s.i >= 4 {
			if r, ok := unhex(s.b[s.i : s.i+4]); ok {
				s.i += 4
				return r, true
			}
		}
	}
	return 0, s.bad("a bad escape in a string")
}

func unhex(b []byte) (r rune, ok bool) {
	for _, c := range b {
		r <<= 4
		switch {
		case c >= '0' && c <= '9':
			r |= rune(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r |= rune(c|0x20-'a') + 10
		default:
			return 0, false
		}
	}
	return r, true
}
