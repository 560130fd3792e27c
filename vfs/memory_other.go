//go:build !unix || aix || solaris

package vfs

import "errors"

func mapMemory(int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapMemory([]byte) {}

func populateMemory([]byte) {}

func discardMemory([]byte) {}
