//go:build !unix || aix || solaris

package vfs

import "errors"

func mapMemory(int) (b, whole []byte, err error) { return nil, nil, errors.ErrUnsupported }

func unmapMemory([]byte) {}

func discardMemory([]byte) {}
