//go:build !linux && !darwin

package vfs

// bootID is not known: the time at which the machine was started, which these
// systems have, moves with the clock.
func bootID() string { return "" }
