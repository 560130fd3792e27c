package rpc

import (
	"os"
	"os/exec"
	"syscall"
)

// giveStatus makes end what the process of cmd writes its answer to: its standard
// output, as further files cannot be handed over here. What a program prints before
// it calls Main is in its way.
func giveStatus(cmd *exec.Cmd, end *os.File) { cmd.Stdout = end }

// takeStatus returns, in that process, the end that it was given.
func takeStatus() *os.File { return os.Stdout }

// killAll kills a process. What it has started itself is not reached.
func killAll(p *os.Process) { _ = p.Kill() }

// apart are the attributes of a process of its own: Ctrl+C at the console is for
// this process to handle.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
