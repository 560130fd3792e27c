//go:build unix

package rpc

import (
	"os"
	"os/exec"
	"syscall"
)

// statusFile is the descriptor that the answer is written to.
const statusFile = 3

// giveStatus makes end what the process of cmd writes its answer to.
func giveStatus(cmd *exec.Cmd, end *os.File) { cmd.ExtraFiles = []*os.File{end} }

// takeStatus returns, in that process, the end that it was given.
func takeStatus() *os.File {
	syscall.CloseOnExec(statusFile)
	return os.NewFile(statusFile, "status")
}

// killAll kills a process that was started with apart, and what it has started itself:
// its process group, which it may have left.
func killAll(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL) // all of it may be gone
	_ = p.Kill()
}

// apart are the attributes of a process of its own: a signal from the terminal is
// for this process to handle.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
