package vfs

import (
	"path"
	"strings"
	"syscall"
)

// local returns the clean form of a name that must lie within a directory.
func local(name string) (string, error) {
	if name == "" || name[0] == '/' || strings.IndexByte(name, 0) >= 0 || !localHere(name) {
		return "", syscall.EINVAL
	}
	for rest, more := name, true; more; {
		var part string
		if part, rest, more = strings.Cut(rest, "/"); part == ".." {
			return "", syscall.EINVAL
		}
	}
	return path.Clean(name), nil
}

// within returns how name, an entry of the directory dir, is shown to people.
func within(dir, name string) string {
	switch {
	case name == "." || name == "":
		return dir
	case strings.HasSuffix(dir, "/"):
		return dir + name
	}
	return dir + "/" + name
}
