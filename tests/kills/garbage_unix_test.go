//go:build unix

package kills

import (
	"syscall"
	"testing"
)

func init() {
	spoil["a fifo"] = func(t *testing.T, name string) {
		remove(t, name)
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
