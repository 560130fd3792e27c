//go:build race

package vfs

import "encoding/binary"

// snapshot does what it does without the race detector, hidden from it: it is not
// a mistake of the program under test that the kernel reads a page while somebody
// stores into it. The detector would see copy even in a norace function, so this
// copies word by word.
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
