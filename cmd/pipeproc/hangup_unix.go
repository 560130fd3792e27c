//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// onHangup calls fn for each SIGHUP, which then does not end the process, until stop.
func onHangup(fn func()) (stop func()) {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-got:
				fn()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(got)
		close(done)
	}
}
