package program

import (
	"bytes"
	"errors"
	"fmt"
)

// readSize is the initial size of the buffer for a process's output, in bytes.
const readSize = 64 << 10

var errClosedStdout = errors.New("it has closed its stdout")

// read handles what pr writes to its stdout, until it ends or writes garbage.
func (pr *process) read() {
	most := pr.prog.o.MaxLine + 1 // with the newline
	buf := make([]byte, min(readSize, most))
	n := 0    // bytes in buf
	seen := 0 // of these, searched for a newline
	for {
		got, err := pr.pipes.stdout.Read(buf[n:])
		n += got
		if got > 0 {
			used, bad := pr.take(buf[:n], seen)
			if bad != nil {
				pr.fail(bad)
				return
			}
			n = copy(buf, buf[used:n])
			seen = n
		}
		if err != nil {
			pr.broken(errClosedStdout)
			return
		}
		switch {
		case n == most:
			pr.fail(fmt.Errorf("it has written a line of more than %d bytes", pr.prog.o.MaxLine))
			return
		case n == len(buf):
			buf = append(make([]byte, 0, min(2*n, most)), buf...)
			buf = buf[:cap(buf)]
		case n == 0 && len(buf) > keepBytes:
			buf = make([]byte, readSize)
		}
	}
}

// take handles the lines of b, whose first seen bytes have no newline, and
// returns the number of bytes it used.
func (pr *process) take(b []byte, seen int) (used int, err error) {
	pr.mu.Lock()
	greeted, owes, asked := pr.greeted, pr.outcomeDue, pr.stopping
	pr.mu.Unlock()
	if asked {
		return len(b), nil
	}
	for owes && pr.claim.left > 0 || !greeted {
		end := bytes.IndexByte(b[used+seen:], '\n')
		if end < 0 {
			return used, nil
		}
		line := b[used : used+seen+end]
		used, seen = used+len(line)+1, 0
		if greeted {
			err = pr.claim.answer(line)
		} else {
			pr.lines.exact, err = checkGreeting(line) // no claim uses pr yet
		}
		if err != nil {
			return 0, fmt.Errorf("it has written the line %s: %w", excerpt(line), err)
		}
		if !greeted {
			break
		}
	}
	// Only now, so that anything after the last line is noticed.
	switch {
	case used < len(b): // all of b, if no claim runs
		return 0, fmt.Errorf("it has written %s, though nobody has asked", excerpt(b[used:]))
	case greeted:
		pr.settle(nil)
	default:
		pr.greet()
	}
	return used, nil
}

// greet makes pr available to claims.
func (pr *process) greet() {
	pr.mu.Lock()
	ok := pr.killReason == nil && !pr.stopping
	pr.greeted = ok
	pr.mu.Unlock()
	if ok {
		pr.prog.onGreeted(pr)
	}
}
