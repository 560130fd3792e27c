//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
)

// TestR15Hangup: SIGHUP ends nothing, and the socket stays.
func TestR15Hangup(t *testing.T) {
	s := serve(t, "--memory", "--listen", socket(t))
	for range 3 {
		if err := s.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		ok(t, "more\n", "commit", "t", "--connect", s.addr)
	}
	s.stop(t, os.Interrupt)
}
