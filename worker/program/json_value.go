package program

// value reads a value and appends it as written, without the space between its
// tokens.
func (s *scanner) value(dst []byte) ([]byte, bool) {
	s.stack = s.stack[:0]
	for {
		var ok bool
		switch c := s.peek(); {
		case c == '{' || c == '[':
			if len(s.stack) == maxDepth {
				return dst, s.bad("it nests too deep")
			}
			s.i++
			dst = append(dst, c)
			s.stack = append(s.stack, c)
			if s.peek() != closing(c) {
				if c == '{' {
					if dst, ok = s.name(dst); !ok {
						return dst, false
					}
				}
				continue
			}
			ok = true
		case c == '"':
			dst, ok = s.quoted(dst)
		case c == '-' || c >= '0' && c <= '9':
			dst, ok = s.number(dst)
		default:
			dst, ok = s.literal(dst)
		}
		if !ok {
			return dst, false
		}
		more := false
		if dst, more, ok = s.after(dst); !ok || !more {
			return dst, ok
		}
	}
}

func closing(c byte) byte { return c + 2 } // of '{' and '['

// after reads what follows a value: the ends of the enclosing values and, if
// there is more, the comma and name before the next value.
func (s *scanner) after(dst []byte) (_ []byte, more, ok bool) {
	for len(s.stack) > 0 {
		open := s.stack[len(s.stack)-1]
		switch s.peek() {
		case ',':
			s.i++
			dst = append(dst, ',')
			if open == '{' {
				dst, ok = s.name(dst)
				return dst, true, ok
			}
			return dst, true, true
		case closing(open):
			s.i++
			dst = append(dst, closing(open))
			s.stack = s.stack[:len(s.stack)-1]
		default:
			return dst, false, s.bad("a comma or an end is missing")
		}
	}
	return dst, false, true
}

// name reads the name of a field and the colon.
func (s *scanner) name(dst []byte) ([]byte, bool) {
	if s.peek() != '"' {
		return dst, s.bad("the name of a field is missing")
	}
	dst, ok := s.quoted(dst)
	if ok && !s.take(':') {
		ok = s.bad("a colon is missing")
	}
	return append(dst, ':'), ok
}

// quoted reads a string and appends it as written.
func (s *scanner) quoted(dst []byte) ([]byte, bool) {
	from := s.i
	s.i++
	for {
		s.plain()
		switch {
		case s.i == len(s.b):
			return dst, s.bad("a string does not end")
		case s.b[s.i] == '"':
			s.i++
			return append(dst, s.b[from:s.i]...), true
		case s.b[s.i] != '\\':
			return dst, s.bad("a control character in a string")
		}
		if _, ok := s.escape(); !ok {
			return dst, false
		}
	}
}

func (s *scanner) number(dst []byte) ([]byte, bool) {
	from := s.i
	if s.b[s.i] == '-' {
		s.i++
	}
	ok := true
	if s.at('0') {
		s.i++
	} else {
		ok = s.digits()
	}
	if s.at('.') {
		s.i++
		ok = s.digits() && ok
	}
	if s.at('e') || s.at('E') {
		s.i++
		if s.at('+') || s.at('-') {
			s.i++
		}
		ok = s.digits() && ok
	}
	if !ok {
		return dst, s.bad("a bad number")
	}
	return append(dst, s.b[from:s.i]...), true
}

func (s *scanner) at(c byte) bool { return s.i < len(s.b) && s.b[s.i] == c }

// digits reads at least one.
func (s *scanner) digits() bool {
	from := s.i
	for s.digit() {
		s.i++
	}
	return s.i > from
}

func (s *scanner) digit() bool { return s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' }

func (s *scanner) literal(dst []byte) ([]byte, bool) {
	rest := s.b[s.i:]
	for _, w := range [...]string{"true", "false", "null"} {
		if len(rest) >= len(w) && string(rest[:len(w)]) == w {
			s.i += len(w)
			return append(dst, w...), true
		}
	}
	return dst, s.bad("a value is missing")
}
