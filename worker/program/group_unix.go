//go:build unix

package program

import (
	"os"
	"syscall"
)

// group is the process group of a program, by its number.
type group int

// groupOf returns the group of a process that setGroup has given one.
func groupOf(p *os.Process) group { return group(p.Pid) }

// signal sends sig to all processes of the group, and to the program itself, which may
// have left it. That none is left is not an error. The program has not been waited for,
// so that its number is not that of another process.
func (g group) signal(sig syscall.Signal) {
	_ = syscall.Kill(-int(g), sig)
	_ = syscall.Kill(int(g), sig)
}

func (group) close() {}
