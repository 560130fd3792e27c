package main

import (
	"io"
	"os"
)

// input opens the file at args[1], or standard input if there is none or it is
// "-".
func (a *app) input(args []string) (io.ReadCloser, error) {
	if len(args) < 2 || args[1] == "-" {
		if isTerminal(a.stdin) {
			a.note("reading lines from the terminal; Ctrl-D ends them")
		}
		return io.NopCloser(a.stdin), nil
	}
	return os.Open(args[1])
}
