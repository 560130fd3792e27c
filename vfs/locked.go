package vfs

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ErrLocked is wrapped by the error of FS.Lock when the lock is held.
var ErrLocked = errors.New("in use")

// LockedError, always as *LockedError, is what FS.Lock returns when the lock is
// held. errors.Is(err, ErrLocked) holds for it.
type LockedError struct {
	Path string // the lock file
	PID  int    // the holder; 0 = unknown
}

// Error says who holds which lock.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return "in use by another process: " + e.Path
	}
	return fmt.Sprintf("in use by process %d: %s", e.PID, e.Path)
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// pidText is what a lock file contains while it is locked.
func pidText(pid int) []byte { return []byte(strconv.Itoa(pid) + "\n") }

// holder returns the process id in the lock file name of d, 0 if there is none.
func holder(d Dir, name string) int {
	f, err := d.Open(name, Read)
	if err != nil {
		return 0
	}
	defer f.Close()
	return readPID(f)
}

// readPID returns the process id in a lock file, 0 if there is none.
func readPID(r io.ReaderAt) int {
	var buf [32]byte
	n, _ := r.ReadAt(buf[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
