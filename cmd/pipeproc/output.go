package main

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// lineWriter buffers lines and writes only whole ones.
type lineWriter struct {
	w    io.Writer
	what string // what w is, for errors
	buf  []byte
	size int64 // bytes written
	err  error
}

const lineBuffer = 64 << 10

func (a *app) lines() *lineWriter { return &lineWriter{w: a.stdout, what: "the standard output"} }

// line appends one line, without its newline, by fill.
func (l *lineWriter) line(fill func([]byte) []byte) error {
	l.buf = append(fill(l.buf), '\n')
	if len(l.buf) >= lineBuffer {
		return l.flush()
	}
	return l.err
}

// flush writes what has been buffered.
func (l *lineWriter) flush() error {
	if l.err == nil && len(l.buf) > 0 {
		_, l.err = l.w.Write(l.buf)
		l.size += int64(len(l.buf))
		if errors.Is(l.err, syscall.EPIPE) || errors.Is(l.err, io.ErrClosedPipe) {
			l.err = errPipe
		} else if l.err != nil {
			l.err = fmt.Errorf("writing %s: %w", l.what, l.err)
		}
	}
	l.buf = l.buf[:0]
	if cap(l.buf) > 16*lineBuffer {
		l.buf = nil // after a huge record
	}
	return l.err
}

// line prints one line to the standard output.
func (a *app) line(s string) error {
	l := a.lines()
	_ = l.line(func(b []byte) []byte { return append(b, s...) })
	return l.flush()
}
