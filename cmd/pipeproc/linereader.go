package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/pipeproc/pipeproc"
)

// lineReader splits input into lines of any length up to a limit.
type lineReader struct {
	r    *bufio.Reader
	max  int
	n    uint64 // lines returned
	long []byte // a line that does not fit into the reader's buffer
}

func newLineReader(r io.Reader, limit int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 256<<10), max: limit}
}

// next returns the next line without its newline, or io.EOF. The bytes are
// valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	l.long = l.long[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if err == nil {
			part = part[:len(part)-1]
		}
		if len(l.long)+len(part) > l.max {
			return nil, fmt.Errorf("%w: line %d has more than %d bytes", pipeproc.ErrTooLarge, l.n+1, l.max)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			l.long = append(l.long, part...)
			continue
		case errors.Is(err, io.EOF) && len(l.long)+len(part) == 0:
			return nil, io.EOF
		case err != nil && err != io.EOF:
			return nil, fmt.Errorf("reading the input: %w", err)
		}
		l.n++
		if len(l.long) == 0 {
			return part, nil
		}
		l.long = append(l.long, part...)
		return l.long, nil
	}
}
