package program

import (
	"bufio"
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits on what reaches the log.
const (
	maxWords = 4096        // bytes of a line
	maxLines = 50          // lines per process and logPause
	logPause = time.Second // starts with its first line
	maxTail  = 200         // bytes of a line that an error quotes
)

// stderrLog copies what a process writes to stderr to the log. It reads at once
// and drops lines beyond the limit, so that the process never blocks.
type stderrLog struct {
	log     *slog.Logger
	from    *os.File
	proc    atomic.Pointer[string] // the proc being handled, in a shared program
	dropped *atomic.Uint64         // dropped lines of all processes

	mu       sync.Mutex
	lastLine []byte // the beginning of the latest line
	lines    int    // in the current logPause
	lost     int    // of these, dropped
	timer    *time.Timer
}

// read reads until stderr is closed.
func (w *stderrLog) read() {
	r := bufio.NewReaderSize(w.from, maxWords)
	var long []byte
	for {
		line, err := r.ReadSlice('\n')
		cut := 0
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long[:0], line...)
			for errors.Is(err, bufio.ErrBufferFull) {
				line, err = r.ReadSlice('\n')
				cut += len(bytes.TrimRight(line, "\r\n"))
			}
			line = long
		}
		w.line(bytes.TrimRight(line, "\r\n"), cut)
		if err != nil {
			return
		}
	}
}

// line logs a line, of which cut more bytes are missing.
func (w *stderrLog) line(b []byte, cut int) {
	if len(b) == 0 {
		return
	}
	w.mu.Lock()
	w.lastLine = append(w.lastLine[:0], b[:min(len(b), maxTail)]...)
	if w.timer == nil {
		w.timer = time.AfterFunc(logPause, w.flush)
	}
	w.lines++
	lost := w.lines > maxLines
	if lost {
		w.lost++
	}
	w.mu.Unlock()
	if lost {
		w.dropped.Add(1)
		return
	}
	log := w.log
	if proc := w.proc.Load(); proc != nil {
		log = log.With("proc", *proc)
	}
	if cut > 0 {
		log.Info("stderr of a program", "line", readable(b), "cut", cut)
	} else {
		log.Info("stderr of a program", "line", readable(b))
	}
}

// flush ends a logPause and reports dropped lines.
func (w *stderrLog) flush() {
	w.mu.Lock()
	if w.timer != nil {
		w.timer.Stop()
	}
	lost := w.lost
	w.timer, w.lines, w.lost = nil, 0, 0
	w.mu.Unlock()
	if lost > 0 {
		w.log.Warn("a program writes too much to stderr", "dropped", lost)
	}
}

// tail returns the beginning of the latest line.
func (w *stderrLog) tail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return readable(w.lastLine)
}

func readable(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }
