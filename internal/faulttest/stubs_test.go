//go:build linux

package faulttest

func filesChild() error  { return nil }
func memoryChild() error { return nil }
