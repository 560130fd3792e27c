package vfs

import (
	"errors"
	"syscall"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

// NoSpace reports whether err says that the file system has no room, or none left
// for this user or group: then removing something helps, and nothing is broken.
func NoSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) || OverQuota(err) }

// OverQuota reports whether err says that a quota is used up.
func OverQuota(err error) bool { return errors.Is(err, syscall.EDQUOT) && !mutate.SkipQuota }
