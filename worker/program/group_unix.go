//go:build unix

package program

import (
	"os"
	"syscall"
)

// group is the process group of a program.
type group struct{ process *os.Process }

// groupOf returns the group of a process that setGroup has given one.
func groupOf(p *os.Process) group { return group{p} }

// signal sends sig to all processes of the group, and to the program itself, which may
// have left it. That none is left is not an error. The program gets it from its
// [os.Process], which knows whether it has been waited for: by then its number may be
// that of another process.
func (g group) signal(sig syscall.Signal) {
	_ = syscall.Kill(-g.process.Pid, sig)
	_ = g.process.Signal(sig)
}

func (group) close() {}
