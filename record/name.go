package record

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// MaxNameLen is the largest length of a topic name in bytes.
const MaxNameLen = 255

// CheckName reports whether name may name a topic: 1 to 255 bytes of letters,
// digits, '_' and '-'.
func CheckName(name string) error {
	if name == "" {
		return errs.InvalidTopicFormat.With("the topic name is empty")
	}
	if len(name) > MaxNameLen {
		return errs.InvalidTopicFormat.With(fmt.Sprintf("the topic name has %d bytes, at most %d are allowed", len(name), MaxNameLen))
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return errs.InvalidTopicFormat.With(fmt.Sprintf("%q: only letters, digits, _ and - may stand in a topic name", name))
		}
	}
	return nil
}

// CheckProcName refuses what cannot name a proc: it must be 1 to 255 bytes of
// printable UTF-8.
func CheckProcName(name string) error {
	bad := func(what string) error { return errs.InvalidProcOptions.With("Name: " + what) }
	switch {
	case name == "":
		return bad("it is empty")
	case len(name) > MaxNameLen:
		return bad(fmt.Sprintf("it has %d bytes, at most %d are allowed", len(name), MaxNameLen))
	case !utf8.ValidString(name):
		return bad("it is not valid UTF-8")
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return bad(fmt.Sprintf("%q holds a character that cannot be printed", name))
		}
	}
	return nil
}
