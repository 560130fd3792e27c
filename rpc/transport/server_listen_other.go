//go:build !linux

package transport

import "syscall"

// userTimeout does nothing: the system has its own limit.
func userTimeout(_, _ string, _ syscall.RawConn) error { return nil }
