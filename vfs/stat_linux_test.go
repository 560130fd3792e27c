package vfs

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestStatAsksForNoTimes: both ways of asking say the same of a file, and the first does
// not ask for times.
func TestStatAsksForNoTimes(t *testing.T) {
	if statFields&(unix.STATX_ATIME|unix.STATX_MTIME|unix.STATX_CTIME|unix.STATX_BTIME) != 0 {
		t.Error("times are asked for")
	}
	f, err := OS().Open(t.TempDir()+"/f", Create)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	got, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	err = f.(*osFile).control("stat", func(fd uintptr) error {
		want, err := fstatTimes(int(fd), f.Name())
		if got != want {
			t.Errorf("%+v, but fstat says %+v", got, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
