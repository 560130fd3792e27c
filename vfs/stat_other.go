//go:build unix && !linux

package vfs

func fstat(fd int, name string) (Info, error) { return fstatTimes(fd, name) }
