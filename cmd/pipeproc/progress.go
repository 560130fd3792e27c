package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// isTerminal reports whether f is a terminal.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// progress is one terminal line that says how far long work has got. It shows
// nothing for short work, or if the output is not a terminal.
type progress struct {
	w     io.Writer // nil: no terminal
	next  time.Time
	shown bool
}

const (
	progressDelay = 300 * time.Millisecond
	progressEvery = 100 * time.Millisecond
)

func (a *app) progress() *progress {
	p := &progress{next: time.Now().Add(progressDelay)}
	if isTerminal(a.stderr) {
		p.w = a.stderr
	}
	return p
}

// update shows a new text if it is time for one.
func (p *progress) update(text func() string) {
	if p.w == nil {
		return
	}
	if now := time.Now(); !now.Before(p.next) {
		p.next = now.Add(progressEvery)
		p.shown = true
		fmt.Fprintf(p.w, "\r%.79s\x1b[K", text())
	}
}

// done removes the line.
func (p *progress) done() {
	if p.shown {
		p.shown = false
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
