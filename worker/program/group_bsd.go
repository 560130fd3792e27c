//go:build unix && !linux

package program

import (
	"os/exec"
	"syscall"
)

// setGroup gives the process of cmd a process group of its own. The process
// learns of this one's death from the end of its stdin.
func setGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
