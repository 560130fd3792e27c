//go:build unix

package program

import "syscall"

// signalGroup sends to all processes of a group. That none is left is no error.
func signalGroup(id int, sig syscall.Signal) { _ = syscall.Kill(-id, sig) }
