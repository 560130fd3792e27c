package vfs

import (
	"path/filepath"
	"strings"
)

// localHere reports whether the system takes a slash-separated relative name for
// just that: no device, no drive, no stream, no backslash.
func localHere(name string) bool { return !strings.ContainsAny(name, `\:`) && filepath.IsLocal(name) }
