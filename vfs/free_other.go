//go:build unix && !linux && !darwin && !freebsd && !dragonfly && !aix && !solaris

package vfs

import "errors"

func freeBytes(int) (int64, error) { return 0, errors.ErrUnsupported }
