package program

import (
	"os/exec"
	"syscall"
)

// setGroup gives the process of cmd a process group of its own, and makes it
// die with this process. See tend for the condition.
func setGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
