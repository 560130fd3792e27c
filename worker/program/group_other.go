//go:build unix && !linux

package program

import (
	"os/exec"
	"syscall"
)

// setGroup gives the process of cmd a group of its own. It learns from the end
// of its stdin that this one has died.
func setGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// awaitExit returns when the process of cmd has ended.
func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }
