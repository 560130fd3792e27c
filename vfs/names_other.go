//go:build !windows

package vfs

// localHere reports whether the system takes a slash-separated relative name for
// just that.
func localHere(string) bool { return true }
