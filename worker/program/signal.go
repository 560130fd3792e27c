//go:build unix

package program

import "syscall"

// signalGroup sends sig to all processes of a group. An empty group is not an
// error.
func signalGroup(id int, sig syscall.Signal) { _ = syscall.Kill(-id, sig) }
