package program

// field reads up to the value of field i of an object, and sets key to the
// field's name. more is false after the last field.
func (s *scanner) field(i int) (more, ok bool) {
	switch {
	case i == 0 && !s.take('{'):
		return false, s.bad("an object is missing")
	case s.take('}'):
		return false, true
	case i > 0 && !s.take(','):
		return false, s.bad("a comma or an end is missing")
	}
	if s.key, ok = s.text(s.key[:0]); ok && !s.take(':') {
		ok = s.bad("a colon is missing")
	}
	return true, ok
}

// element reads up to element i of an array. more is false after the last
// element.
func (s *scanner) element(i int) (more, ok bool) {
	switch {
	case i == 0 && !s.take('['):
		return false, s.bad("an array is missing")
	case s.take(']'):
		return false, true
	case i > 0 && !s.take(','):
		return false, s.bad("a comma or an end is missing")
	}
	return true, true
}

// count reads a whole number that is not negative.
func (s *scanner) count() (n uint64, ok bool) {
	s.peek()
	from := s.i
	for s.digit() {
		n = 10*n + uint64(s.b[s.i]-'0')
		s.i++
	}
	size := s.i - from
	// 19 digits do not overflow.
	if size == 0 || size > 19 || size > 1 && s.b[from] == '0' || s.at('.') || s.at('e') || s.at('E') {
		s.i = from
		return 0, s.bad("a whole number is missing")
	}
	return n, true
}
