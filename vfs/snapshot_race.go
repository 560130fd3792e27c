//go:build race

package vfs

import "encoding/binary"

// snapshot is the same as without the race detector, unseen by it: that the
// kernel reads a page while somebody stores into it is no mistake of the
// program under test. copy would be seen even in a norace function, so this
// goes word by word.
//
//go:norace
func snapshot(dst, src []byte) {
	i := 0
	for ; i+8 <= len(src); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:]))
	}
	for ; i < len(src); i++ {
		dst[i] = src[i]
	}
}
